"""Keys: shown once, stored as a hash, ended within two seconds."""

from hashlib import sha256

import pytest

from .service import Api, ask, problem, time_of, until

SHOWN = {"id", "role", "account_id", "name", "created_at", "revoked_at"}


@pytest.mark.parametrize("role", ["admin", "gateway", "finance"])
def test_create_use_list_and_revoke(api: Api, role: str) -> None:
    key = api.new_key(role, name="for the books")
    assert set(key) == SHOWN | {"key"}
    assert (key["role"], key["account_id"], key["name"], key["revoked_at"]) == (role, None, "for the books", None)
    time_of(key["created_at"])
    secret = key.pop("key")
    assert secret.startswith("bk_")
    assert len(secret) >= len("bk_") + 27  # 160 bits in base 64
    assert api.get("/v1/accounts", secret).status_code == 200
    listed = api.get("/v1/keys", limit=200).json()
    assert key in listed["data"]
    assert secret not in api.get("/v1/keys", limit=200).text
    revoked = api.call("DELETE", f"/v1/keys/{key['id']}")
    assert revoked.status_code == 200
    time_of(revoked.json()["revoked_at"])
    assert revoked.json() | {"revoked_at": None} == key
    until(lambda: api.get("/v1/accounts", secret).status_code == 401, "the revoked key stops")
    problem(api.get("/v1/accounts", secret), 401, "unauthenticated")
    assert api.call("DELETE", f"/v1/keys/{key['id']}").json() == revoked.json()


def test_a_revoked_key_stops_in_another_process_too(api: Api) -> None:
    """Whoever revokes it does so in the database: nothing of this process is told."""
    key = api.new_key("finance")
    assert api.get("/v1/accounts", key["key"]).status_code == 200
    ask(api.dsn, "UPDATE api_key SET revoked_at = now() WHERE key_id = $1", key["id"])
    until(lambda: api.get("/v1/accounts", key["key"]).status_code == 401, "the revoked key stops")


def test_only_a_hash_is_stored(api: Api) -> None:
    secret = api.new_key("finance")["key"]
    row = "SELECT to_jsonb(k)::text FROM api_key k WHERE hash = $1"
    stored = ask(api.dsn, row, sha256(secret.encode()).digest())
    assert secret not in stored
    assert secret[3:20] not in stored


def test_secrets_differ_and_one_letter_off_is_none(api: Api) -> None:
    secrets = {api.new_key("finance")["key"] for _ in range(5)}
    assert len(secrets) == 5
    secret = secrets.pop()
    wrong = secret[:10] + ("A" if secret[10] != "A" else "B") + secret[11:]
    for other in (wrong, secret[:-1], secret + "0", secret.upper(), secret[3:]):
        problem(api.get("/v1/accounts", other), 401, "unauthenticated")


def test_an_account_key_sees_its_own_account(api: Api) -> None:
    own, other = api.account(5), api.account(5)
    key = api.new_key("account", own)
    assert key["account_id"] == own
    assert api.get(f"/v1/accounts/{own}/balance", key["key"]).json()["posted"] == 5
    problem(api.get(f"/v1/accounts/{other}/balance", key["key"]), 404, "account_not_found")


def test_an_account_belongs_to_the_account_role_and_no_other(api: Api) -> None:
    account = api.account()
    problem(api.post("/v1/keys", {"role": "account", "name": "n"}), 422, "validation_error")
    for role in ("admin", "gateway", "finance"):
        problem(api.post("/v1/keys", {"role": role, "name": "n", "account_id": account}), 422, "validation_error")


def test_a_key_that_nobody_made_cannot_be_revoked(api: Api) -> None:
    problem(api.call("DELETE", "/v1/keys/key_0000"), 404, "key_not_found")
    problem(api.call("DELETE", "/v1/keys/environment"), 404, "key_not_found")
