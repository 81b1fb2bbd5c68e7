"""The limit on bodies: read no more than is allowed, whatever the headers say."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from billing.core.refusals import PayloadTooLarge

BODY_BYTES = 1 << 20
BATCH_BYTES = 8 << 20
BATCH_PATH = "/v1/charges/batch"


class BodyLimit:
    """ASGI: who reads more than the limit gets PayloadTooLarge instead. A batch may be larger than a body.

    It is the application that answers, so that key, role and account are refused first.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        limit = BATCH_BYTES if scope["path"] == BATCH_PATH else BODY_BYTES
        told = any(name == b"content-length" and _exceeds(value, limit) for name, value in scope["headers"])
        read = 0

        async def limited() -> Message:
            nonlocal read
            if told:
                raise PayloadTooLarge(limit)
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit:
                raise PayloadTooLarge(limit)
            return message

        await self._app(scope, limited, send)


def _exceeds(length: bytes, limit: int) -> bool:
    digits = length.lstrip(b"0")
    # Python refuses to read integers of thousands of digits.
    return digits.isdigit() and (len(digits) > 18 or int(digits) > limit)
