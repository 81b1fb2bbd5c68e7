"""The billing service as a process, and what a test asks of it beside the client that it tests."""

from typing import Any

from tests.faults import served


class Served(served.Served):
    """`url` and `key` (an admin's) are what a client needs."""

    key = served.KEY

    def __init__(self, dsn: str, **environment: str) -> None:
        super().__init__(dsn, **environment)
        self._numbers = 0

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.client.request(method, path, json=body)
        assert answer.is_success, f"{answer.status_code}: {answer.text}"
        return answer.json()

    def account(self, granted: int = 1_000, **settings: Any) -> str:
        """A new account with so many credits."""
        account_id = self.new_id("acc")
        self.call("POST", "/v1/accounts", {"account_id": account_id, **settings})
        if granted:
            grant = {"grant_id": "gift", "kind": "promotion", "credits": granted}
            self.call("POST", f"/v1/accounts/{account_id}/grants", grant)
        return account_id

    def new_id(self, noun: str) -> str:
        self._numbers += 1
        return f"{noun}-{self._numbers}"

    def charge(self, account_id: str, request_id: str = "r1") -> Any:
        return self.call("GET", f"/v1/accounts/{account_id}/charges/{request_id}")

    def balance(self, account_id: str) -> tuple[int, int]:
        """Posted and held."""
        found = self.call("GET", f"/v1/accounts/{account_id}/balance")
        return found["posted"], found["held"]

    def verify(self) -> None:
        """Every invariant, of every account."""
        served.verified(self.dsn)
