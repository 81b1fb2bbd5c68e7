"""`python -m tests.fake_stripe`: the fake as a process of its own."""

import argparse
import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path

from .fake import KEY, Fake


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="fake_stripe", description="A fake Stripe in memory. No money moves.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument("--key", default=KEY, help="the secret key that callers must send")
    parser.add_argument("--webhook-url", action="append", default=[], help="where events go; may be given repeatedly")
    parser.add_argument("--webhook-secret", action="append", default=[], help="whsec_…, one for each --webhook-url")
    parser.add_argument("--ready-file", type=Path, help="written, with the base address, once it listens")
    options = parser.parse_args(arguments)
    if len(options.webhook_url) != len(options.webhook_secret):
        parser.error("--webhook-url and --webhook-secret go in pairs")
    asyncio.run(_serve(options))


async def _serve(options: argparse.Namespace) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    fake = Fake(options.key)
    url = await fake.start(options.host, options.port)
    for endpoint, secret in zip(options.webhook_url, options.webhook_secret, strict=True):
        fake.control.add_endpoint(endpoint, secret)
    print(f"fake Stripe listens at {url}", flush=True)
    if options.ready_file:
        # Renamed into its place, so that whoever sees it sees all of it.
        draft = options.ready_file.with_suffix(".draft")
        draft.write_text(url)
        draft.replace(options.ready_file)
    await stopped.wait()
    await fake.stop()
