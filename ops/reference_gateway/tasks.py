"""Tasks: the credits are held when a task is taken, its images are made when its turn comes.

Tasks live in this process's memory. A restart forgets them, and that costs nobody anything: their holds expire, or the
same request, sent again with the same key, is a task again under the same hold. A wish for a task is answered once the
task is taken, and is as much over as the task if that fails: see `wish.py`.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from billing.client.documents import Operation

from .answer import Answer
from .callbacks import Callbacks
from .customers import Customer
from .errors import Again, Refused, invalid
from .gateway import Gateway
from .image_request import ImageRequest
from .wish import Asking, Wish
from .wishes import Wishes

_log = logging.getLogger("gateway")


@dataclass(slots=True, eq=False)
class Task:
    """One request and what has become of it. Times are Unix seconds."""

    task_id: str
    wish: Wish
    customer: Customer
    request_id: str
    operation: Operation
    callback_url: str | None
    status: Literal["queued", "running", "succeeded", "failed"] = "queued"
    created_at: int = field(default_factory=lambda: int(time.time()))
    completed_at: int | None = None
    answer: Answer | None = None
    error: dict[str, Any] | None = None
    callback: Literal["pending", "delivered", "failed"] | None = None
    weight: ClassVar[int] = 0
    """As a wish's answer. What it is as a finished task is counted here: see `_weight`."""

    def document(self) -> dict[str, Any]:
        """What polling and the callback tell. `result` is the answer that a waiting customer would have got."""
        result = dict(self.answer.document) if self.answer else None
        error = dict(self.error) if self.error else None
        billing = (result or error or {}).pop("billing", None)
        return {
            "id": self.task_id,
            "object": "image.task",
            "status": self.status,
            "operation": self.operation,
            "request_id": self.request_id,
            "created_at": self.created_at,
            "completed_at": self.completed_at,
            "result": result,
            "error": error,
            "billing": billing,
        }


class Tasks:
    """Takes tasks, works on `at_once` of them, lets `waiting` more wait, and keeps `kept_bytes` of results."""

    def __init__(
        self,
        gateway: Gateway,
        wishes: Wishes,
        callbacks: Callbacks,
        *,
        at_once: int,
        waiting: int,
        kept_bytes: int,
    ) -> None:
        self._gateway = gateway
        self._wishes = wishes
        self._callbacks = callbacks
        self._turns = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._room = kept_bytes
        self._tasks: dict[str, Task] = {}
        self._at_work: set[asyncio.Task[None]] = set()

    async def check(self, customer: Customer, request: ImageRequest) -> None:
        """Raises `Refused` for what could never be a task."""
        if request.stream:
            raise invalid("A task is not streamed.", "stream")
        if request.callback_url is not None:
            if customer.callback_secret is None:
                raise invalid("callback_url: this key has no secret to sign callbacks with.", "callback_url")
            await self._callbacks.check(request.callback_url)

    async def take(self, wish: Wish, asking: Asking, request: ImageRequest) -> Task:
        """A task, its credits held. Raises `Refused`."""
        if len(self._at_work) >= self._most:
            message = "Too many tasks are waiting. Try again shortly."
            headers = {"Retry-After": "10"}
            raise Refused(503, "server_error", "overloaded", message, again=Again.SOON, headers=headers)
        request_id = await self._gateway.hold(wish, asking, request)
        name = hashlib.sha256(f"{asking.customer.account_id} {request_id}".encode()).hexdigest()
        task = Task(f"task_{name[:32]}", wish, asking.customer, request_id, request.operation, request.callback_url)
        known = self._tasks.get(task.task_id)
        if known is not None and known.completed_at is None:  # never two under one hold
            return known
        self._tasks[task.task_id] = task
        work = asyncio.create_task(self._work(task, request))
        self._at_work.add(work)
        work.add_done_callback(self._at_work.discard)
        return task

    def find(self, customer: Customer, task_id: str) -> Task:
        """A task that this API key asked for: ids follow from keys that others may know. Raises `Refused`."""
        task = self._tasks.get(task_id)
        if task is None or _owner(task.customer) != _owner(customer):
            raise invalid("No such task.", "task_id", code="task_not_found", status=404)
        return task

    async def close(self) -> None:
        """Cancels what runs: its holds are left to expire."""
        for work in self._at_work:
            work.cancel()
        await asyncio.gather(*self._at_work, return_exceptions=True)

    async def _work(self, task: Task, request: ImageRequest) -> None:
        async with self._turns:
            task.status = "running"
            try:
                task.answer = await self._gateway.make_held(task.wish, task.customer, task.request_id, request)
                task.status = "succeeded"
            except Refused as refused:
                task.error, task.status = refused.error, "failed"
                self._wishes.ended(task.wish, refused)
            except Exception:
                _log.exception("task %s", task.task_id)
                task.error = {"message": "The task failed.", "type": "server_error", "param": None, "code": None}
                task.status = "failed"
                self._wishes.ended(task.wish, None)
            task.completed_at = int(time.time())
        if task.callback_url is not None and task.customer.callback_secret is not None:
            await self._tell(task, task.callback_url, task.customer.callback_secret)
        self._make_room()

    async def _tell(self, task: Task, url: str, secret: str) -> None:
        task.callback = "pending"
        delivered = await self._callbacks.send(url, secret, task.task_id, task.document())
        task.callback = "delivered" if delivered else "failed"

    def _make_room(self) -> None:
        """Forgets the oldest finished tasks; each weighs something, even without images."""
        finished = [task for task in self._tasks.values() if task.completed_at is not None]
        weight = sum(_weight(task) for task in finished)
        for task in finished:
            if weight <= self._room:
                return
            weight -= _weight(task)
            del self._tasks[task.task_id]
            if task.wish.answer is task:
                self._wishes.forget(task.wish)


def _owner(customer: Customer) -> tuple[str, str]:
    return customer.account_id, customer.api_key_id


def _weight(task: Task) -> int:
    return 10_000 + (task.answer.weight if task.answer else 0)
