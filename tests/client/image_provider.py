"""A provider on loopback for the README's gateway: answers at once, as a stream, or as a task; or what it is told to."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .pictures import picture


class ImageProvider(ThreadingHTTPServer):
    """`tasks` by id: what was asked. A task is done once `finished` names it. `told` are answers by prompt: status,
    content type and body."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked: list[dict[str, Any]] = []
        self.tasks: dict[str, dict[str, Any]] = {}
        self.finished: set[str] = set()
        self.told: dict[str, tuple[int, str, bytes]] = {}


@contextmanager
def providing() -> Iterator[ImageProvider]:
    with ImageProvider() as provider:
        thread = threading.Thread(target=provider.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield provider
        finally:
            provider.shutdown()
            thread.join()


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """As many images as were asked for, in the size that was, or what is wrong."""
    if asked.get("prompt") == "forbidden":
        return {"error": {"code": "moderation_blocked", "message": "no"}}
    return {"created": 1, "data": [{"b64_json": image(asked)} for _ in range(asked.get("n", 1))]}


def image(asked: dict[str, Any]) -> str:
    width, _, height = asked.get("size", "1024x1024").partition("x")
    return base64.b64encode(picture(int(width), int(height))).decode("ascii")


def streamed(*events: dict[str, Any]) -> bytes:
    return "".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in events).encode()


class _Handler(BaseHTTPRequestHandler):
    server: ImageProvider

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(asked)
        if asked.get("prompt") in self.server.told:
            self._write(*self.server.told[asked["prompt"]])
        elif self.path == "/v1/tasks":
            name = f"task-{len(self.server.tasks)}"
            self.server.tasks[name] = asked
            self._send({"id": name})
        elif asked.get("stream"):
            partial = {"type": "image_generation.partial_image", "partial_image_index": 0, "b64_json": image({})}
            final = {"type": "image_generation.completed", "b64_json": image(asked)}
            self._write(200, "text/event-stream", streamed(partial, final))
        else:
            found = answer(asked)
            self._send(found, 400 if "error" in found else 200)

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        done = name in self.server.finished
        self._send({"status": "done", "answer": answer(self.server.tasks[name])} if done else {"status": "running"})

    def _send(self, document: Any, status: int = 200) -> None:
        self._write(status, "application/json", json.dumps(document).encode())

    def _write(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Quiet."""
