"""The bench in its smallest setting: it runs to its end and writes what it found. No figure is judged."""

import json

from billing.bench import Options, run
from billing.bench.server import environment_of
from billing.settings import Settings

SMALLEST = {
    "accounts": 20,
    "connections": 2,
    "callers": 1,
    "seconds": 0.1,
    "least_turns": 1,
    "turn_seconds": 0.1,
    "warm_up_seconds": 0.05,
    "usage_outputs": 2_000,
    "exported_charges": 500,
    "export_turns": 1,  # each in a process of its own
}


def test_a_quick_run_writes_every_measurement_beside_its_floor(tmp_path, capsys):
    found = tmp_path / "bench.json"

    assert run(Options(quick=True, json=found, **SMALLEST)) == 0

    document = json.loads(found.read_text())
    measurements, usage, exports = document["sections"].values()
    assert [one["name"] for one in measurements] == [
        "authorize + settle",
        "one step",
        "one hot account, authorize + settle",
        "one hot account, one step",
        "authorize, 2 connections",
        "the same beside one client with batches of 5,000",
        "batches of 500, authorize",
        "balance, one connection",
    ]
    assert all(turn["count"] > 0 for one in measurements for turn in one["ours"]["turns"])
    assert [one["ratio"] is not None for one in measurements] == [True] * 5 + [False, True, False]
    assert [one["name"].partition(" outputs, ")[2] for one in usage] == [
        "by day and kind, Madrid",
        "in all, Kathmandu",
        "by day and key, UTC",
        "one of 100,000 end users, by day",
        "the same beside 4 other such accounts",
    ]
    assert all(one["ours"]["p50_ms"] > 0 for one in usage)
    assert {one["name"].partition(", ")[2] for one in exports} >= {
        "journal as csv",
        "journal as beancount",
        "usage as parquet",
    }
    assert all(turn["count"] == 500 for one in exports for turn in one["ours"]["turns"])
    assert {"processor", "cores", "memory", "PostgreSQL", "settings", "libraries"} <= set(document["machine"])
    assert "authorize + settle" in capsys.readouterr().out


def test_what_is_measured_takes_no_payments():
    """The service of the bench asked the operator's own account at Stripe for its events."""
    theirs = {"STRIPE_API_KEY": "sk_live_theirs", "BILLING_LANES": "3", "PATH": "/bin"}
    environment = environment_of("postgresql://ours/bench", 8080, "a-key-of-the-bench", theirs)
    settings = Settings.read(environment)
    assert (settings.stripe_api_key, settings.lanes, settings.port) == (None, 2, 8080)
    assert environment["PATH"] == "/bin"
