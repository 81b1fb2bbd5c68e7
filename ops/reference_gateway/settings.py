"""Settings, from the environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`GATEWAY_` and the name in capitals. Raises ValueError for what cannot be.

    A hold outlives the longest answer of the provider, else images would be made that nothing is reserved for.
    """

    billing_url: str
    billing_key: str = field(repr=False)
    """Of role `gateway`."""
    customers: Path
    provider_url: str
    provider_key: str = field(default="", repr=False)
    host: str = "127.0.0.1"
    port: int = 8090
    provider_seconds: float = 600.0
    """For the whole of an answer."""
    answer_seconds: float = 290.0
    """After which an answer that is not there yet is 504 `still_running`: no `fetch` of Node waits for a head longer
    than 300 seconds. The work goes on."""
    quiet_seconds: float = 15.0
    """Of a stream, after which a comment keeps it alive."""
    linger_seconds: float = 30.0
    """For which work without a key goes on, if its caller has hung up and says that it repeats."""
    hold_seconds: int = 900
    task_hold_seconds: int = 3_600
    """A task also waits for its turn."""
    tasks_at_once: int = 8
    tasks_waiting: int = 1_000
    body_bytes: int = 64 << 20
    kept_bytes: int = 256 << 20
    """Of answers kept in memory for who asks again, and as many of finished tasks."""
    kept_seconds: float = 300.0
    """For which answers without a key are kept."""
    unsettled: Path = Path.home() / ".local/state/reference-gateway/unsettled"
    """A directory for bills that could not be posted yet."""
    settle_again_seconds: float = 5.0
    callback_pause_seconds: float = 2.0
    """Before a callback is tried again; three times as long before each further try."""
    allow_private_callbacks: bool = False
    """`true`: callbacks may go to private addresses, and over http. For tests."""

    def __post_init__(self) -> None:
        if not self.provider_seconds < min(self.hold_seconds, self.task_hold_seconds):
            raise ValueError("GATEWAY_HOLD_SECONDS must exceed GATEWAY_PROVIDER_SECONDS")

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """The settings in `environment`; a number or a path is read as what it is, and what is empty is not set."""
        said = {}
        for name, field_ in cls.__dataclass_fields__.items():
            variable = f"GATEWAY_{name.upper()}"
            text = environment.get(variable)
            if not text:
                continue
            try:
                said[name] = _READERS[str(field_.type)](text)
            except (ValueError, KeyError) as error:
                raise ValueError(f"{variable} cannot be {text!r}") from error
        try:
            return cls(**said)
        except TypeError as error:  # one without a default is missing
            raise ValueError(f"set GATEWAY_BILLING_URL, _BILLING_KEY, _CUSTOMERS and _PROVIDER_URL: {error}") from error


_READERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "Path": Path,
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
}
