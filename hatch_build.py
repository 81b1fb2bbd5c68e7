"""What goes into the wheel beside the packages, for the demo: the tests' fake Stripe, without its own tests, and the
reference gateway with its stand-in provider."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class DemoPrograms(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return  # the demo finds them in the checkout
        for folder in (Path(self.root, "tests", "fake_stripe"), Path(self.root, "ops", "reference_gateway")):
            for module in sorted(folder.rglob("*.py")):
                if not module.name.startswith(("test_", "conftest")):
                    inside = module.relative_to(folder.parent)
                    build_data["force_include"][str(module)] = f"billing/demo/{inside}"
