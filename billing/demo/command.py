"""`billing demo`, and the service that it plays against: a child process on an empty database of its own."""

import os
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from billing.cli.session import console
from billing.serving.tie import PARENT
from billing.settings import SettingsError, without_settings

if TYPE_CHECKING:
    from billing.demo.processor import StripeStandIn


def demo() -> None:
    """Run the whole main job on real image files; exit 0 only if the books tie out."""
    from billing.demo.story import run as play

    with tempfile.TemporaryDirectory(prefix="billing-demo-") as place:
        Path(place).chmod(0o755)  # the server's own user must reach its data inside
        with service(Path(place)) as house:
            agrees = uvloop.run(play(house.url, house.admin_key, house.stripe, console))
            console.rule("billing verify")
            verified = subprocess.run([sys.executable, "-m", "billing", "verify"], env=house.environment, check=False)
    sys.exit(0 if agrees and verified.returncode == 0 else 1)


@dataclass(frozen=True, slots=True)
class House:
    """Where the service listens, an admin key of it, the `environment` that finds its data, and its Stripe."""

    url: str
    admin_key: str
    environment: dict[str, str]
    stripe: "StripeStandIn"


@contextmanager
def service(place: Path) -> Iterator[House]:
    """A service of its own in a child process, with its data in the directory `place` and a stand-in for Stripe.

    Whatever Stripe account the caller's environment names, the demo has nothing to do with it. Raises SettingsError.
    """
    from billing.demo import theatre

    if missing := theatre.missing():
        raise SettingsError(f"the demo needs {' and '.join(missing)}, which a checkout has: run it from there")
    port, key = theatre.free_port(), secrets.token_urlsafe(24)
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as street:
        with console.status("starting the service on an empty database"):
            try:
                stripe = street.enter_context(theatre.processor(place))
            except RuntimeError as problem:
                raise SettingsError(f"{problem}; its messages stand above") from problem
            environment = environment_of(os.environ, place / "data", port, key, stripe)
            service = subprocess.Popen(
                [sys.executable, "-m", "billing", "serve"], env=environment, stdout=subprocess.DEVNULL
            )
            street.callback(_end, service)
            _wait_until_ready(service, url)
        yield House(url, key, environment, stripe)


def environment_of(
    inherited: Mapping[str, str], data_dir: Path, port: int, admin_key: str, stripe: "StripeStandIn"
) -> dict[str, str]:
    """The service's environment: a caller's settings are none of its business, nor their database and Stripe account."""
    return {
        **without_settings(inherited),
        PARENT: str(os.getpid()),
        "BILLING_ADMIN_KEY": admin_key,
        "BILLING_DATA_DIR": str(data_dir),
        "BILLING_PORT": str(port),
        "BILLING_WEBHOOK_ALLOW_PRIVATE": "true",
        **stripe.settings,
    }


def _end(service: "subprocess.Popen[bytes]") -> None:
    service.terminate()
    service.wait(60)


def _wait_until_ready(service: "subprocess.Popen[bytes]", url: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if service.poll() is not None:
            raise SettingsError("the service did not start; its messages stand above")
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    raise SettingsError("the service was not ready after two minutes")
