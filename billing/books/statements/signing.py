"""Signing: Ed25519 keys, by whom statements are signed and against what they are checked.

A key is named by its thumbprint (RFC 7638), which follows from the public key alone. What the service publishes is a
JWK set (RFC 8037) of all its public keys, also of those that were replaced: what they signed stays good.
"""

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from billing.books.statements.signing_keys import PublishedKey, agreed_seed, published_keys, use_key
from billing.books.statements.statement import Signature, Statement
from billing.core.instants import instant_text
from billing.store.engine import Engine

ALGORITHM = "Ed25519"


class SigningKey:
    """A private key, made from its `seed` of 32 bytes."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._key.public_key().public_bytes_raw()
        self.key_id = thumbprint(self.public_key)

    def sign(self, statement: Statement) -> Signature:
        value = self._key.sign(statement.canonical_bytes)
        return Signature(ALGORITHM, self.key_id, encoded(self.public_key), encoded(value))


class Signing:
    """The key that the service signs with: its operator's, or else one that it makes at first need and keeps."""

    def __init__(self, engine: Engine, work: Engine, seed: bytes | None) -> None:
        self._engine, self._work, self._seed = engine, work, seed
        self._key: SigningKey | None = None

    async def key(self) -> SigningKey:
        """All processes on one database get the same one. Raises DatabaseUnavailable, Overloaded."""
        if self._key is None:
            if self._seed is not None:
                key = SigningKey(self._seed)
                await use_key(self._work, key.key_id, key.public_key)
            else:
                seed = secrets.token_bytes(32)
                offered = SigningKey(seed)
                key = SigningKey(await agreed_seed(self._work, offered.key_id, seed, offered.public_key))
            self._key = key
        return self._key

    async def published(self) -> list[dict[str, Any]]:
        """Every public key as a JWK, oldest first, the one in use among them."""
        await self.key()
        return [jwk(key) for key in await published_keys(self._engine)]


def genuine(signature: Signature, statement: Statement) -> bool:
    """Whether `signature` is by the key that it names, over this very header."""
    try:
        public_key = decoded(signature.public_key)
        if signature.algorithm != ALGORITHM or signature.kid != thumbprint(public_key):
            return False
        Ed25519PublicKey.from_public_bytes(public_key).verify(decoded(signature.value), statement.canonical_bytes)
    except (ValueError, InvalidSignature):
        return False
    return True


def jwk(key: PublishedKey) -> dict[str, Any]:
    return {
        "kty": "OKP",
        "crv": ALGORITHM,
        "x": encoded(key.public_key),
        "kid": key.key_id,
        "use": "sig",
        "alg": "EdDSA",
        "created_at": instant_text(key.created_at),
        "retired_at": None if key.retired_at is None else instant_text(key.retired_at),
    }


def thumbprint(public_key: bytes) -> str:
    """RFC 7638: base64url of SHA-256 over the key's required members in the order of their names."""
    members = {"crv": ALGORITHM, "kty": "OKP", "x": encoded(public_key)}
    return encoded(sha256(json.dumps(members, separators=(",", ":")).encode()).digest())


def encoded(octets: bytes) -> str:
    """base64url without padding."""
    return urlsafe_b64encode(octets).decode().rstrip("=")


def decoded(text: str) -> bytes:
    """The reverse of `encoded`, and of nothing else. Raises ValueError."""
    octets = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encoded(octets) != text:
        raise ValueError("not base64url")
    return octets
