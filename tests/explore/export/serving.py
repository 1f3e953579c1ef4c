"""Small servers of a folder: one that knows byte ranges, and the standard library's, which does not."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


@dataclass
class Served:
    """A folder that is served."""

    url: str
    requests: list[tuple[str, str, int]] = field(default_factory=list)
    """Path, range asked for, bytes sent."""

    def bytes_of(self, folder: str) -> int:
        return sum(size for path, _, size in self.requests if path.startswith(f"/{folder}/"))

    def count_of(self, folder: str) -> int:
        return sum(path.startswith(f"/{folder}/") for path, _, _ in self.requests)


class Quiet(SimpleHTTPRequestHandler):
    """The standard library's server, ignoring ranges; it notes what it sends."""

    def __init__(self, *arguments, served: Served, **options):
        self.served = served
        super().__init__(*arguments, **options)

    def log_message(self, *arguments) -> None:
        pass

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        size = path.stat().st_size if path.is_file() else 0
        self.served.requests.append((self.path.split("?")[0], self.headers.get("Range", ""), size))
        super().do_GET()


class Ranged(Quiet):
    """Answers ``Range: bytes=A-B``."""

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        if not asked:
            super().do_GET()
            return
        first, last = (int(each) for each in asked.removeprefix("bytes=").split("-"))
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        size = path.stat().st_size
        last = min(last, size - 1)
        self.served.requests.append((self.path.split("?")[0], asked, last - first + 1))
        with path.open("rb") as file:
            file.seek(first)
            body = file.read(last - first + 1)
        self.send_response(206)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def served(folder: Path, *, ranges: bool = True) -> Iterator[Served]:
    """The folder on a loopback port while the block runs."""
    made = Served("")
    handler = partial(Ranged if ranges else Quiet, directory=str(folder), served=made)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    made.url = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
