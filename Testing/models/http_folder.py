"""A local HTTP server for two small files, which can be made to misbehave."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

_PIECE_BYTES = 2**13


class HttpFolder(ThreadingHTTPServer):
    """Serves `files` by name; `requests` lists the names of what was asked for."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.requests: list[str] = []
        self.cut_after: list[int] = []  # bytes of the next answers, one each, after which the connection breaks
        self.status = 0
        self.pause_s = 0.0  # before each piece
        self.says_length = True

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/model"


@contextmanager
def http_folder(files: dict[str, bytes]) -> Iterator[HttpFolder]:
    """The server, running while the block does."""
    with HttpFolder(files) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    server: HttpFolder

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        self.server.requests.append(name)
        if self.server.status or name not in self.server.files:
            self.send_error(self.server.status or 404)
            return
        content = self.server.files[name]
        self.send_response(200)
        if self.server.says_length:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        end = self.server.cut_after.pop(0) if self.server.cut_after else len(content)
        try:
            for at in range(0, end, _PIECE_BYTES):
                time.sleep(self.server.pause_s)
                self.wfile.write(content[at : min(at + _PIECE_BYTES, end)])
        except OSError:
            pass  # the other side has gone

    def log_message(self, *_) -> None:
        pass
