"""Signing: Ed25519 keys, by whom statements are signed and against what they are checked.

A key is named by its thumbprint (RFC 7638), which follows from the public key alone. What the service publishes is a
JWK set (RFC 8037) of all its public keys, also of those that were replaced: what they signed stays good.
"""

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from billing.books.statements.document.statement import ALGORITHM, Signature, Statement
from billing.core.document import DOCUMENT
from billing.store.engine import Engine
from billing.store.snapshot import snapshot, working

# No two processes look at the same time: the second finds the key that the first made.
_ALONE: Final = "LOCK TABLE signing_key IN SHARE ROW EXCLUSIVE MODE"
_IN_USE: Final = "SELECT seed FROM signing_key WHERE retired_at IS NULL AND seed IS NOT NULL ORDER BY created_at DESC, key_id LIMIT 1"
_RETIRE: Final = "UPDATE signing_key SET retired_at = clock_timestamp() WHERE retired_at IS NULL AND key_id <> $1"
_USE: Final = """
    INSERT INTO signing_key (key_id, seed, public_key, created_at) VALUES ($1, $2, $3, clock_timestamp())
    ON CONFLICT (key_id) DO UPDATE SET retired_at = NULL"""
_PUBLISHED: Final = "SELECT public_key, key_id, created_at, retired_at FROM signing_key ORDER BY created_at, key_id"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A JWK (RFC 8037)."""

    __pydantic_config__ = DOCUMENT
    kty: Literal["OKP"]
    """an octet key pair"""
    crv: Literal["Ed25519"]
    """its curve"""
    x: str
    """the public key: 32 bytes, base64url without padding"""
    kid: str
    """its thumbprint (RFC 7638)"""
    use: Literal["sig"]
    """it signs"""
    alg: Literal["EdDSA"]
    """how"""
    created_at: datetime
    """when it was first signed with"""
    retired_at: datetime | None
    """when another took its place; what it signed stays good; null for the one in use"""


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """A JWK set (RFC 7517)."""

    __pydantic_config__ = DOCUMENT
    keys: list[PublicKey]
    """oldest first, the one in use among them"""


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
            seed = secrets.token_bytes(32) if self._seed is None else self._seed
            key = SigningKey(seed)
            async with working(self._work) as connection:
                await connection.execute(_ALONE)
                agreed = None if self._seed is not None else await connection.fetchval(_IN_USE)
                if agreed is None:
                    await connection.execute(_RETIRE, key.key_id)
                    await connection.execute(_USE, key.key_id, seed if self._seed is None else None, key.public_key)
            self._key = key if agreed is None else SigningKey(agreed)
        return self._key

    async def published(self) -> PublicKeys:
        """Every public key that statements were ever signed with."""
        await self.key()
        async with snapshot(self._engine) as connection:
            rows = await connection.fetch(_PUBLISHED)
        return PublicKeys(
            [PublicKey("OKP", ALGORITHM, encoded(x), kid, "sig", "EdDSA", *when) for x, kid, *when in rows]
        )


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
