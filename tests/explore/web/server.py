"""A small server of the page: the built bundle under a strict policy, and made-up answers of the API."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qsl, unquote, urlsplit

import monoscope.explore
from explore.web.answers import Answers, Refusal

BUNDLE = Path(monoscope.explore.__file__).parent / "web"
TOKEN = "made-up-token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}


class Handler(BaseHTTPRequestHandler):
    """One request."""

    answers: Answers

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if not parts.path.startswith("/api/"):
            self.file(unquote(parts.path))
            return
        path, asked = parts.path.removeprefix("/api/"), dict(parse_qsl(parts.query))
        self.answers.asked.append((path, asked))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.refuse(Refusal(401, "the token is missing or wrong", None))
            return
        try:
            if path == "map":
                found = self.answers.map()
                waiting = json.dumps({"status": "drawing"}).encode()
                self.say(202 if found is None else 200, "application/octet-stream", found or waiting)
            else:
                found = self.answers.answer(path, asked)
                if isinstance(found, bytes):
                    self.say(200, "application/octet-stream", found)
                else:
                    self.say(200, "application/json", json.dumps(found).encode())
        except Refusal as refusal:
            self.refuse(refusal)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.refuse(Refusal(401, "the token is missing or wrong", None))
            return
        try:
            found = self.answers.made(self.path.removeprefix("/api").strip("/"), body)
        except Refusal as refusal:
            self.refuse(refusal)
            return
        if isinstance(found, dict):
            self.say(200, "application/json", json.dumps(found).encode())
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        try:
            for event in found:
                self.wfile.write(f"data: {event}\n\n".encode())
                self.wfile.flush()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def file(self, path: str) -> None:
        place = (BUNDLE / (path.lstrip("/") or "index.html")).resolve()
        if BUNDLE in place.parents and place.is_file():
            self.say(200, KINDS[place.suffix], place.read_bytes())
        else:
            self.say(404, "text/plain", b"")

    def refuse(self, refusal: Refusal) -> None:
        error = {"message": str(refusal), "hint": refusal.hint, "code": refusal.code}
        self.say(refusal.status, "application/json", json.dumps({"error": error}).encode())

    def say(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        try:
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            # The page gave up a request whose answer it no longer needs.
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@contextmanager
def serving(answers: Answers) -> Iterator[str]:
    """Address of a server with these answers, on this machine."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Answering", (Handler,), {"answers": answers}))
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
