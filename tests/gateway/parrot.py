"""A provider that answers what the prompt tells it to."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .pictures import png

IMAGE = base64.b64encode(png(1024, 1024)).decode()


class Parrot:
    """A prompt is JSON with `status` and `body`, perhaps `headers`; `<pad>` in the body is so many letters (`pad`)."""

    def __init__(self) -> None:
        class Beak(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told = json.loads(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["prompt"])
                body = told["body"].encode("utf-8", "surrogateescape").replace(b"<pad>", b"A" * told.get("pad", 0))
                self.send_response(told["status"])
                for name, text in told.get("headers", {}).items():
                    self.send_header(name, text)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *said: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Beak)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def speaking(self) -> Iterator[Parrot]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()
