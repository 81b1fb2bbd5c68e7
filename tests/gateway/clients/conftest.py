"""The clients, once for all tests of a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .callers import Callers, installed


@pytest.fixture(scope="session")
def callers() -> Iterator[Callers]:
    installed()
    with Callers() as callers:
        yield callers
