"""Starts the fake, as `python -m tests.fake_stripe` or by its path, `python tests/fake_stripe`."""

import sys
from pathlib import Path

if __package__:
    from .command import main
else:
    # Started by path, Python looks for modules in this directory, where they would hide others of their names.
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    from tests.fake_stripe.command import main

main()
