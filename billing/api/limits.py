"""The limit on bodies: read no more than is allowed, whatever the headers say."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from billing.api import problems
from billing.core.refusals import PayloadTooLarge

BODY_BYTES = 1 << 20
BATCH_BYTES = 8 << 20
BATCH_PATH = "/v1/charges/batch"


class BodyLimit:
    """ASGI: answers 413 before the application sees more than the limit. A batch may be larger than a body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        limit = BATCH_BYTES if scope["path"] == BATCH_PATH else BODY_BYTES
        if any(
            name == b"content-length" and value.isdigit() and int(value) > limit for name, value in scope["headers"]
        ):
            await self._refuse(limit, scope, receive, send)
            return
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit:
                raise PayloadTooLarge(limit)
            return message

        await self._app(scope, limited, send)

    async def _refuse(self, limit: int, scope: Scope, receive: Receive, send: Send) -> None:
        await problems.response(PayloadTooLarge(limit))(scope, receive, send)
