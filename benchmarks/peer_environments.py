"""A virtual environment for each peer: the other tools, at one version each, that the benchmarks run beside us.

    python benchmarks/peer_environments.py                     # all of them
    python benchmarks/peer_environments.py sae-lens overcomplete

They exclude one another's dependencies, and ours, so none of them shares an environment. An environment is
made once, a gigabyte each, and used again as long as it is complete and this table asks for the same.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENTS = Path.home() / ".cache" / "monoscope-benchmarks"
"""Where environments lie unless another folder is given."""


@dataclass(frozen=True)
class Peer:
    """A tool as its package index names it."""

    version: str
    """The release that is compared with."""
    torch: str = "2.13.0"
    """Pinned, because the newest is not what every peer runs on; ours, where the peer allows it."""
    beside: tuple[str, ...] = ()
    """Requirements that its own metadata does not say, or not tightly enough."""
    without: tuple[str, ...] = ()
    """Dependencies that are taken away again: they break its import and have no part in training."""

    def requirements(self, name: str) -> list[str]:
        """What pip is asked for, in one request: it sees the pinned torch while it resolves the rest."""
        return [f"torch=={self.torch}", f"{name}=={self.version}", *self.beside]


PEERS = {
    "sae-lens": Peer("6.54.12"),
    "eai-sparsify": Peer("1.3.3"),
    # The index's torchvision is built for CUDA and cannot be imported beside a CPU build of torch.
    "dictionary-learning": Peer("0.1.0", without=("torchvision",)),
    # It holds numpy below 2, which the newest pyarrow does not take.
    "sae-dashboard": Peer("0.8.0", beside=("pyarrow<21",), without=("torchvision",)),
    # It asks matplotlib, unpinned, for a function that went away in 3.9.
    "repeng": Peer("0.4.0"),
    "llama-cpp-python": Peer("0.3.36"),
    "overcomplete": Peer("0.3.0", beside=("matplotlib<3.9",), without=("torchvision",)),
}
"""Name in the package index -> the tool."""


class NotInstalled(Exception):
    """A peer that cannot be had here; the message is pip's last line."""


def environment(name: str, environments: Path = ENVIRONMENTS) -> Path:
    """The Python of a peer's environment, which is made if it is not there.

    Raises:
        NotInstalled: pip could not install it.
    """
    peer, folder = PEERS[name], environments / name
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    complete, wanted = folder / "complete.json", json.dumps([peer.requirements(name), peer.without])
    if complete.is_file() and complete.read_text() == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    requests = [["install", *peer.requirements(name)]]
    if peer.without:
        requests.append(["uninstall", "--yes", *peer.without])
    for request in requests:
        pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", *request]
        done = subprocess.run(pip, capture_output=True, text=True)
        if done.returncode:
            said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            raise NotInstalled(f"{name} {peer.version}: {said[-1] if said else 'pip said nothing'}")
    complete.write_text(wanted)
    return python


def main() -> None:
    """Make the environments that were named, and say of each where it is or why it is not."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("peers", nargs="*", metavar="PEER", help=f"of {', '.join(PEERS)}; by default all")
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS, metavar="FOLDER")
    arguments = parser.parse_args()
    if unknown := set(arguments.peers) - set(PEERS):
        parser.error(f"no peer is called {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    missing = False
    for name in arguments.peers or PEERS:
        try:
            print(f"{name} {PEERS[name].version}: {environment(name, arguments.environments)}")
        except NotInstalled as error:
            print(f"not installed: {error}", file=sys.stderr)
            missing = True
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
