"""One word, one thing: the name of a class that others may use is declared once in all of `billing`."""

import ast
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import billing

ROOT = Path(billing.__file__).parent
# The client is a library of its own, which imports no other room: what callers send and get there has the service's name
# for the same thing.
THE_CLIENTS_OWN = {
    "AutoRecharge", "Balance", "CardRefund", "Charge", "Dispute", "Money", "Output", "Pack", "Problem", "Quote",
    "Settlement", "Size", "Topup", "Transfer", "UsageBucket", "UsageResult",
}  # fmt: skip


def declared(modules: Iterable[Path]) -> dict[str, list[str]]:
    """Class → the modules that declare it. What begins with an underscore is its module's own."""
    found: dict[str, list[str]] = defaultdict(list)
    for module in modules:
        for node in ast.walk(ast.parse(module.read_bytes())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(module.relative_to(ROOT).as_posix())
    return found


def test_every_class_has_a_name_of_its_own() -> None:
    modules = set(ROOT.rglob("*.py"))
    clients = {module for module in modules if module.is_relative_to(ROOT / "client")}
    client, service = declared(clients), declared(modules - clients)
    assert {name: places for one in (client, service) for name, places in one.items() if len(places) > 1} == {}
    assert client.keys() & service.keys() == THE_CLIENTS_OWN
