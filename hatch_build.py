"""What goes into the wheel beside the packages: the tests' fake Stripe, without its own tests, for the demo."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class FakeStripe(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return  # the demo finds it in the checkout
        for module in sorted(Path(self.root, "tests", "fake_stripe").glob("*.py")):
            if not module.name.startswith(("test_", "conftest", "__main__")):
                build_data["force_include"][str(module)] = f"billing/demo/fake_stripe/{module.name}"
