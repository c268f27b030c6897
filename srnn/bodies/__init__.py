"""The macro networks: what an organism looks like, whoever its weights are."""
