"""One event as it is sent: Standard Webhooks' headers, and a body that is the same at every attempt."""

import base64
import json
import secrets
from datetime import datetime

from standardwebhooks.webhooks import Webhook

from billing.core.instants import instant_text

_SECRET_BYTES = 32


def new_secret() -> str:
    """`whsec_` and 256 random bits in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def body(kind: str, happened_at: datetime, data: str) -> bytes:
    """`{"type", "timestamp", "data"}`; `data` is a JSON object as the ledger wrote it."""
    return f'{{"type":{json.dumps(kind)},"timestamp":"{instant_text(happened_at)}","data":{data}}}'.encode()


def headers(event_id: str, sent_at: datetime, content: bytes, secrets: tuple[str, ...]) -> dict[str, str]:
    """Signed with each of `secrets`, so that a receiver may change over in its own time."""
    signatures = [Webhook(secret).sign(event_id, sent_at, content.decode()) for secret in secrets]
    return {
        "Content-Type": "application/json",
        "User-Agent": "billing-webhooks/1",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
