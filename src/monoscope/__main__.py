"""``python -m monoscope`` and the ``monoscope`` command."""

import sys

from monoscope.cli import main as _main


def main() -> None:
    """Run the command line of this process and leave with its exit code."""
    sys.exit(_main())


if __name__ == "__main__":
    main()
