"""Tasks: the credits are held when a task is taken, its images are made when its turn comes.

Tasks live in this process's memory. A restart forgets them, and that costs nobody anything: their holds expire, or the
same request, sent again with the same id, is a task again under the same hold.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from .answer import Answer
from .callbacks import Callbacks
from .customers import Customer
from .errors import Again, Refused, invalid
from .gateway import Gateway
from .image_request import ImageRequest

_log = logging.getLogger("gateway")


@dataclass(slots=True)
class Task:
    """One request and what has become of it. Times are Unix seconds."""

    task_id: str
    customer: Customer
    request_id: str
    request: ImageRequest
    digest: str
    status: Literal["queued", "running", "succeeded", "failed"] = "queued"
    created_at: int = field(default_factory=lambda: int(time.time()))
    completed_at: int | None = None
    answer: Answer | None = None
    error: dict[str, Any] | None = None
    callback: Literal["pending", "delivered", "failed"] | None = None

    def document(self) -> dict[str, Any]:
        """What polling and the callback tell. `result` is the answer that a waiting customer would have got."""
        result = dict(self.answer.document) if self.answer else None
        error = dict(self.error) if self.error else None
        billing = (result or error or {}).pop("billing", None)
        return {
            "id": self.task_id,
            "object": "image.task",
            "status": self.status,
            "operation": self.request.operation,
            "request_id": self.request_id,
            "created_at": self.created_at,
            "completed_at": self.completed_at,
            "result": result,
            "error": error,
            "billing": billing,
        }


class Tasks:
    """Takes tasks, works on `at_once` of them, lets `waiting` more wait, and keeps `kept_bytes` of results."""

    def __init__(self, gateway: Gateway, callbacks: Callbacks, *, at_once: int, waiting: int, kept_bytes: int) -> None:
        self._gateway = gateway
        self._callbacks = callbacks
        self._turns = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._room = kept_bytes
        self._tasks: dict[str, Task] = {}
        self._at_work: set[asyncio.Task[None]] = set()

    async def submit(self, customer: Customer, request_id: str, request: ImageRequest) -> Task:
        """The task, its credits held. The same id again is the same task. Raises `Refused`."""
        if request.stream:
            raise invalid("A task is not streamed.", "stream")
        if request.callback_url is not None:
            if customer.callback_secret is None:
                raise invalid("callback_url: this key has no secret to sign callbacks with.", "callback_url")
            await self._callbacks.check(request.callback_url)
        name = hashlib.sha256(f"{customer.account_id} {request_id}".encode()).hexdigest()
        task = Task(f"task_{name[:32]}", customer, request_id, request, request.digest())
        if (known := self._known(task)) is not None:
            return known
        if len(self._at_work) >= self._most:
            message = "Too many tasks are waiting. Try again shortly."
            again = Again.WITH_THE_SAME_ID
            raise Refused(503, "server_error", "overloaded", message, again=again, headers={"Retry-After": "10"})
        await self._gateway.hold(customer, request_id, request)
        if (known := self._known(task)) is not None:  # the same request came twice at once
            return known
        self._tasks[task.task_id] = task
        work = asyncio.create_task(self._work(task))
        self._at_work.add(work)
        work.add_done_callback(self._at_work.discard)
        return task

    def find(self, customer: Customer, task_id: str) -> Task:
        """A task of this customer's account. Raises `Refused`."""
        task = self._tasks.get(task_id)
        if task is None or task.customer.account_id != customer.account_id:
            raise invalid("No such task.", "task_id", code="task_not_found", status=404)
        return task

    async def close(self) -> None:
        """Cancels what runs: its holds are left to expire."""
        for work in self._at_work:
            work.cancel()
        await asyncio.gather(*self._at_work, return_exceptions=True)

    def _known(self, task: Task) -> Task | None:
        known = self._tasks.get(task.task_id)
        if known is not None and known.digest != task.digest:
            message = f"The id {task.request_id!r} stands for another request."
            raise invalid(message, code="request_id_reused", status=409)
        return known

    async def _work(self, task: Task) -> None:
        async with self._turns:
            task.status = "running"
            try:
                task.answer = await self._gateway.make_held(task.customer, task.request_id, task.request)
                task.status = "succeeded"
            except Refused as refused:
                task.error, task.status = refused.error, "failed"
            except Exception:
                _log.exception("task %s", task.task_id)
                task.error = {"message": "The task failed.", "type": "server_error", "param": None, "code": None}
                task.status = "failed"
            task.completed_at = int(time.time())
        if task.request.callback_url is not None and task.customer.callback_secret is not None:
            await self._tell(task, task.request.callback_url, task.customer.callback_secret)
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


def _weight(task: Task) -> int:
    return 10_000 + (task.answer.weight if task.answer else 0)
