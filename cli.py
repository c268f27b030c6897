"""``python cli.py …`` is ``srnn …``."""

from srnn.commands import main

if __name__ == "__main__":
    main()
