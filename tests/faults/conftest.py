"""What tests of faults share."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every user may pass through, as the server's own must: pytest's are closed."""
    place = Path(tempfile.mkdtemp(prefix="billing-test-", dir="/tmp"))
    place.chmod(0o711)
    yield place
    shutil.rmtree(place)
