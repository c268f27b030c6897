"""What a run leaves behind: its folder, written, read, resumed and verified."""
