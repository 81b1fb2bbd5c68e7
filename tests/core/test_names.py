"""One word, one thing: the name of a class that others may use is declared once in all of `billing`."""

import ast
from collections import defaultdict
from pathlib import Path

import billing

ROOT = Path(billing.__file__).parent
# The client is a library of its own, which imports no other room: what callers send and get there has the service's name
# for the same thing.
THE_CLIENTS_OWN = {
    "AutoRecharge", "Balance", "CardRefund", "Charge", "Dispute", "Money", "Output", "Pack", "Problem", "Quote",
    "Settlement", "Size", "Topup", "Transfer", "UsageBucket", "UsageResult",
}  # fmt: skip


def test_every_class_has_a_name_of_its_own() -> None:
    declared: dict[str, set[str]] = defaultdict(set)
    for file in ROOT.rglob("*.py"):
        module = file.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                declared[node.name].add(module)
    twice = {name: modules for name, modules in declared.items() if len(modules) > 1}
    shared = {name for name, modules in twice.items() if any(module.startswith("client/") for module in modules)}
    assert {name: twice[name] for name in twice.keys() - shared} == {}
    assert shared == THE_CLIENTS_OWN
