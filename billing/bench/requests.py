"""Requests: the bytes that the load generator sends, made before the clock starts."""

import json
from collections.abc import Callable, Sequence
from random import Random

_ASKED = (("1024x1024", "high"), ("1536x1024", "medium"), ("1024x1536", "low"), ("2048x2048", "medium"))
Maker = Callable[[Random, Sequence[str], str, int], bytes]


def authorize(random: Random, accounts: Sequence[str], key: str, size: int) -> bytes:
    """One charge to authorize, on an account drawn at random."""
    account = random.choice(accounts)
    return _post(f"/v1/accounts/{account}/charges", key, json.dumps(_charge(random)))


def batch(random: Random, accounts: Sequence[str], key: str, size: int) -> bytes:
    """A batch of `size` charges to authorize."""
    operations = [{"op": "authorize", "account_id": random.choice(accounts), **_charge(random)} for _ in range(size)]
    return _post("/v1/charges/batch", key, json.dumps({"operations": operations}))


def balance(random: Random, accounts: Sequence[str], key: str, size: int) -> bytes:
    """One account's balance."""
    path = f"/v1/accounts/{random.choice(accounts)}/balance"
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n\r\n".encode()


MAKERS: dict[str, Maker] = {"authorize": authorize, "batch": batch, "balance": balance}
EXPECTED = {"authorize": 201, "batch": 200, "balance": 200}


def _charge(random: Random) -> dict[str, object]:
    size, quality = random.choice(_ASKED)
    return {
        "request_id": f"req_{random.getrandbits(96):024x}",
        "model": "gpt-image-2",
        "size": size,
        "quality": quality,
        "api_key_id": "key_4f1c09aa",
        "end_user": f"user_{random.randrange(5_000)}",
    }


def _post(path: str, key: str, body: str) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()
