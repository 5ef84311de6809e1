"""A local HTTP server for two small files, which can be made to misbehave."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class HttpFolder(ThreadingHTTPServer):
    """Serves `files` by name; `requests` lists (name, Range header) of what was asked for."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.requests: list[tuple[str, str | None]] = []
        self.cut_after: list[int] = []  # bytes of the next answers, one each, after which the connection breaks
        self.status = 0
        self.ranges = True
        self.ranges_from_start = False  # a range is promised, but from the first byte
        self.pause_s = 0.0  # before each 1000 bytes
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
        name, asked = self.path.rpartition("/")[2], self.headers.get("Range")
        self.server.requests.append((name, asked))
        if self.server.status or name not in self.server.files:
            self.send_error(self.server.status or 404)
            return
        content = self.server.files[name]
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and self.server.ranges else 0
        if start and start >= len(content):
            self.send_error(416)
            return
        partial = bool(start)
        self.send_response(206 if partial else 200)
        if self.server.ranges_from_start:
            start = 0
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if self.server.says_length:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = start + self.server.cut_after.pop(0) if self.server.cut_after else len(content)
        try:
            for at in range(start, min(end, len(content)), 1000):
                time.sleep(self.server.pause_s)
                self.wfile.write(content[at : min(at + 1000, end)])
        except OSError:
            pass  # the other side has gone

    def log_message(self, *_) -> None:
        pass
