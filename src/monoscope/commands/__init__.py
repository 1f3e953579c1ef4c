"""What the command line does: each command is an options dataclass and a function that notebooks can call too."""
