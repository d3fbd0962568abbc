"""An admin port with scripted answers, which records the requests that it receives."""

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer


class _AdminPort(BaseHTTPRequestHandler):
    status = 200
    answer = b"{}"
    pages: Mapping[str, tuple[int, bytes]]
    asked: list[tuple[str, bytes]]
    token: str | None

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append((self.path, body))
        status, answer = self.pages.get(self.path, (self.status, self.answer))
        if self.token and self.headers["Authorization"] != f"Bearer {self.token}":
            status, answer = 403, b'{"error": "send the token"}'
        self.send_response(status)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def admin_port(
    status: int,
    answer: bytes,
    pages: Mapping[str, tuple[int, bytes]] | None = None,
    token: str | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[tuple[int, list[tuple[str, bytes]]]]:
    """Yield the port and what was asked; `pages` have answers of their own, by path.

    With a `token`, a request without it is refused; with `tls`, the port speaks TLS.
    """
    asked: list[tuple[str, bytes]] = []
    members = {
        **{"status": status, "answer": answer, "pages": pages or {}, "asked": asked},
        "token": token,
    }
    with HTTPServer(("127.0.0.1", 0), type("Port", (_AdminPort,), members)) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1], asked
        finally:
            server.shutdown()
            thread.join()
