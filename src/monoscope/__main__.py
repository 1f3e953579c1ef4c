"""``python -m monoscope`` and the ``monoscope`` command."""

import os
import sys

from monoscope.cli import main as _main


def main() -> None:
    """Run the command line of this process and leave with its exit code."""
    # Before torch is loaded: its threads otherwise wait for each other by spinning, and as soon as another program
    # wants a core too, the waiting takes the time of the work. On two busy cores a harvest was seven times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.exit(_main())


if __name__ == "__main__":
    main()
