"""A turnstile on the way from a gateway to billing: it lets calls through, holds them back, or lets them vanish."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from .city import until


class Turnstile:
    """`url` stands for the service. `closed("/settle")` holds back the calls whose path ends so."""

    def __init__(self, to: str) -> None:
        self._to = httpx.Client(base_url=to, timeout=60)
        self._closed: str | None = None
        self._free = threading.Event()
        self._vanish = False
        self._arrived = 0
        turnstile = self

        class Way(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                turnstile._pass(self)

            do_GET = do_POST

            def log_message(self, *said: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Way)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @contextmanager
    def standing(self) -> Iterator[Turnstile]:
        self._thread.start()
        try:
            yield self
        finally:
            self.open()
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._to.close()

    def close(self, path: str = "", *, vanish: bool = False) -> None:
        """From now on calls whose path ends in `path` wait; or, with `vanish`, are dropped without an answer."""
        self._arrived, self._vanish, self._free, self._closed = 0, vanish, threading.Event(), path

    def forget(self) -> None:
        """The calls that wait will never arrive: who made them is dead."""
        self._vanish = True

    def open(self) -> None:
        self._closed = None
        self._free.set()

    def wait_for_one(self) -> None:
        """Returns once a call stands before the closed turnstile."""
        until(lambda: self._arrived, f"a call of {self._closed}")

    def _pass(self, call: BaseHTTPRequestHandler) -> None:
        body = call.rfile.read(int(call.headers.get("Content-Length", "0")))
        if self._closed is not None and call.path.endswith(self._closed):
            self._arrived += 1
            if not self._vanish:
                self._free.wait(60)
            if self._vanish:
                call.close_connection = True
                return
        headers = {name: text for name, text in call.headers.items() if name.lower() not in ("host", "content-length")}
        answer = self._to.request(call.command, call.path, content=body, headers=headers)
        try:
            call.send_response(answer.status_code)
            for name in ("Content-Type", "Idempotent-Replayed", "Retry-After"):
                if name in answer.headers:
                    call.send_header(name, answer.headers[name])
            call.send_header("Content-Length", str(len(answer.content)))
            call.end_headers()
            call.wfile.write(answer.content)
        except OSError:  # who asked was killed meanwhile
            call.close_connection = True
