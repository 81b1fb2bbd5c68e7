"""Settings: everything the environment decides, read once. The README's table lists them."""

import os
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

QUEUE_MIN = 1_000
DATABASE_SECONDS_MIN, DATABASE_SECONDS_MAX = 2, 600
WORK_CONNECTIONS = 4  # for what a process does beside the ledger
BESIDE_CONNECTIONS = 10  # for commands, exports, manifests, and whoever looks after a session that is silent
CONNECTIONS_MIN = 64  # half of them may be idle: as many as one gateway keeps
MOST = 1_000_000
# A webhook is tried for three days, and somebody may look after a weekend; Stripe lists for thirty days what it has told.
LEAST_OF = {"webhook_event_days": 7, "stripe_event_days": 35}
MOST_OF = {
    "manifest_bytes": 2**40,
    "correction_approval": 2**62,
    "webhook_event_days": 36_500,
    "stripe_event_days": 36_500,
}


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` for a program that the caller's settings, database and account at Stripe are no business of."""
    ours = ("BILLING_", "STRIPE_", "DATABASE_URL")
    return {name: text for name, text in environment.items() if not name.startswith(ours)}


class SettingsError(Exception):
    """A setting that cannot be used; the message says which and what it takes."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`database_url` None means the embedded PostgreSQL under `data_dir` (None: its default place)."""

    database_url: str | None = None
    data_dir: Path | None = None
    admin_key: str | None = field(default=None, repr=False)
    host: str = "127.0.0.1"
    port: int = 8080
    metrics_port: int = 0  # none
    workers: int = 1
    connections: int = 2_000
    lanes: int = 2
    batch: int = 1_000
    queue: int = 20_000
    read_connections: int = 8
    database_seconds: int = 8
    expiry_seconds: int = 5
    clock_bound_seconds: int = 10
    log_format: str = "console"
    webhook_allow_private: bool = False
    webhook_event_days: int = 30
    stripe_event_days: int = 90
    grant_expiring_days: int = 7
    recognition: str = "daily"
    manifest_bytes: int = 256 << 20
    correction_approval: int = 10_000
    signing_key: str | None = field(default=None, repr=False)
    stripe_api_key: str | None = field(default=None, repr=False)
    stripe_webhook_secret: str | None = field(default=None, repr=False)
    stripe_api_base: str | None = None
    stripe_timeout_seconds: int = 10

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """From `DATABASE_URL`, `BILLING_…` and `STRIPE_…`. Raises SettingsError."""
        values: dict[str, object] = {}
        if url := environment.get("DATABASE_URL"):
            values["database_url"] = url
        for one in fields(cls):
            name = one.name.upper()
            if not name.startswith("STRIPE_"):
                name = f"BILLING_{name}"
            if one.name == "database_url" or not (text := environment.get(name)):
                continue
            if one.type is int or one.type == "int":
                most = MOST_OF.get(one.name, MOST)
                least = LEAST_OF.get(one.name, 1)
                if not text.isascii() or not text.isdigit() or len(text) > 20 or not least <= int(text) <= most:
                    raise SettingsError(f"{name} must be a whole number from {least} to {most}, not {text!r}")
                values[one.name] = int(text)
            elif one.type is bool or one.type == "bool":
                if text not in ("true", "false"):
                    raise SettingsError(f"{name} must be true or false, not {text!r}")
                values[one.name] = text == "true"
            else:
                values[one.name] = Path(text) if one.name == "data_dir" else text
        settings = cls(**values)  # type: ignore[arg-type]
        if settings.log_format not in ("console", "json"):
            raise SettingsError("BILLING_LOG_FORMAT must be console or json")
        if settings.recognition not in ("daily", "off"):
            raise SettingsError("BILLING_RECOGNITION must be daily or off")
        if settings.admin_key is not None and not (len(settings.admin_key) >= 16 and _is_a_token(settings.admin_key)):
            raise SettingsError(
                "BILLING_ADMIN_KEY must have at least 16 characters, all of them printable ASCII, no spaces"
            )
        for secret, name in (
            (settings.stripe_api_key, "STRIPE_API_KEY"),
            (settings.stripe_webhook_secret, "STRIPE_WEBHOOK_SECRET"),
        ):
            if secret is not None and not _is_a_token(secret):
                raise SettingsError(f"{name} must be printable ASCII without spaces")
        if settings.signing_key is not None and settings.signing_seed is None:
            raise SettingsError(
                "BILLING_SIGNING_KEY must be 32 bytes in base64, such as `openssl rand -base64 32` prints"
            )
        for port, name in ((settings.port, "BILLING_PORT"), (settings.metrics_port, "BILLING_METRICS_PORT")):
            if port > 65_535:
                raise SettingsError(f"{name} must be at most 65535")
        if settings.metrics_port == settings.port:
            raise SettingsError("BILLING_METRICS_PORT must be another than BILLING_PORT")
        if not DATABASE_SECONDS_MIN <= settings.database_seconds <= DATABASE_SECONDS_MAX:
            raise SettingsError(
                f"BILLING_DATABASE_SECONDS must be from {DATABASE_SECONDS_MIN} to {DATABASE_SECONDS_MAX}: "
                "longer than a batch takes, and shorter than callers wait"
            )
        if settings.connections < CONNECTIONS_MIN:
            raise SettingsError(f"BILLING_CONNECTIONS must be at least {CONNECTIONS_MIN}: a gateway keeps dozens open")
        if settings.queue < QUEUE_MIN:
            raise SettingsError(f"BILLING_QUEUE must be at least {QUEUE_MIN}: a batch's slices must find room")
        return settings

    @property
    def database_connections(self) -> int:
        """Sessions of the database that the service holds at most, all processes together, and those beside it."""
        return self.workers * (self.lanes + max(2, self.read_connections) + WORK_CONNECTIONS) + BESIDE_CONNECTIONS

    @property
    def signing_seed(self) -> bytes | None:
        """The seed of the Ed25519 key that signs statements; None: a key that the service makes for itself."""
        try:
            seed = b64decode(self.signing_key or "", validate=True)
        except ValueError:
            return None
        return seed if len(seed) == 32 else None

    @property
    def stripe_webhook_secrets(self) -> tuple[str, ...]:
        """Of every endpoint at Stripe, or an old and a new one: separated by commas."""
        return tuple(secret for secret in (self.stripe_webhook_secret or "").split(",") if secret)


def _is_a_token(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text
