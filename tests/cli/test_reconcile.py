"""`billing reconcile`: exit codes, folders of images, and in whose name something is posted."""

import asyncio
import io
import json
import sys
from pathlib import Path

import pytest
from PIL import Image

from billing.core.commands import IssueGrant, OpenAccount
from billing.posting import Posting
from billing.store.engine import work_engine
from billing.store.keys import create_key
from billing.store.price_books import publish_first
from tests.books.world import SMALL, asked, delivered

from .test_commands import Billing, command, refused, run_billing, shown  # noqa: F401

HEADER = "account_id,request_id,index,width,height\n"


@pytest.fixture
def charges(fresh_database, books):
    """`acme` was charged for `one` (1 image) and `two` (2 images), all of 1024x1024."""

    async def happen():
        await publish_first(fresh_database)
        async with Posting(fresh_database, lambda: books) as posting:
            for one in (
                OpenAccount("acme"),
                IssueGrant("acme", "g", "purchase", 1_000),
                asked("acme", "one", outputs=delivered(SMALL)),
                asked("acme", "two", n=2, outputs=delivered(SMALL, SMALL)),
            ):
                await posting.post(one)

    asyncio.run(happen())


def secret(dsn: str, role: str) -> str:
    async def created() -> str:
        work = work_engine(dsn, size=1)
        try:
            return (await create_key(work, role, None, role))[1]
        finally:
            await work.dispose()

    return asyncio.run(created())


def picture(path: Path, *size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = io.BytesIO()
    Image.new("RGB", size).save(file, "png")
    path.write_bytes(file.getvalue())


def test_what_it_says_by_its_exit(command: Billing, charges: None, fresh_database: str, tmp_path: Path) -> None:  # noqa: F811
    manifest = tmp_path / "march.csv"
    manifest.write_text(HEADER + "acme,one,0,1024,1024\nacme,two,0,1024,1024\nacme,two,1,1024,1024\n")
    report = shown(command("reconcile", "compare", str(manifest), "--json"))
    assert (report["rows"], report["matched_rows"], report["data"], report["state"]) == (3, 3, [], "compared")

    manifest.write_text(HEADER + "acme,one,0,1024,1024\nacme,two,0,2048,2048\n")
    lines = tmp_path / "lines.csv"
    ended = command("reconcile", "compare", str(manifest), "--id", "march", "--csv", str(lines))
    assert ended.returncode == 1, ended.stderr
    apply = "billing reconcile apply march --reason … --key …"
    for words in ("Reconciliation march", "Charged in another size tier", "+53", "is tier 2K", apply):
        assert words in ended.stdout, ended.stdout
    assert len(lines.read_text().splitlines()) == 4
    ended = command("reconcile", "show", "march", "--lang", "es")
    assert ended.returncode == 1
    for words in ("Cobrada en otro tramo", "Cobrado de menos: 53"):
        assert words in ended.stdout, ended.stdout
    assert (
        "Cobrado de menos"
        in json.loads(command("reconcile", "show", "march", "--lang", "es", "--json").stdout)["data"][1]["explanation"]
    )

    manifest.write_text(HEADER + "acme,one,0,1024,1024\nacme,two,0,2048")
    ended = command("reconcile", "compare", str(manifest))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"{manifest}:3: the manifest is cut off" in ended.stderr
    assert shown_unreadable(command("reconcile", "compare", str(manifest), "--json")) == (3, False)
    for words in (
        ("compare", str(tmp_path / "none.csv")),
        ("compare", str(manifest), "--format", "xml"),
        ("compare", str(manifest), "--lang", "fr"),
        ("show", "april"),
        ("show", "a b"),
    ):
        refused(command("reconcile", *words))
    apply = ("reconcile", "apply", str(manifest), "--reason", "why", "--key", secret(fresh_database, "finance"))
    assert "`billing reconcile compare MANIFEST` makes one" in refused(command(*apply))
    assert command("reconcile", "compare", str(tmp_path / "march.txt")).returncode == 2


def test_who_types_what_was_right_before_is_told_what_is_now(command: Billing, tmp_path: Path) -> None:  # noqa: F811
    for old in (
        (str(tmp_path / "march.csv"), "--apply"),
        ("--show", "march"),
        ("--approve", "march", "--reason", "seen"),
    ):
        assert "billing reconcile compare MANIFEST" in refused(command("reconcile", *old))


def shown_unreadable(ended) -> tuple[int, bool]:
    assert ended.returncode == 2
    document = json.loads(ended.stdout)
    return document["line"], document["ok"]


def test_in_whose_name(command: Billing, charges: None, fresh_database: str, tmp_path: Path) -> None:  # noqa: F811
    manifest = tmp_path / "march.csv"
    manifest.write_text(HEADER + "acme,one,0,2048,2048\n")
    assert command("reconcile", "compare", str(manifest), "--id", "march").returncode == 1
    apply = ("reconcile", "apply", "march", "--reason", "why")
    assert command(*apply[:-2]).returncode == 2
    assert "must not be empty" in refused(command(*apply[:-1], " ", "--key", secret(fresh_database, "finance")))
    assert "billing keys create" in refused(command(*apply))
    assert "no such key" in refused(command(*apply, "--key", "bk_nonsense"))
    assert "role gateway" in refused(command(*apply, "--key", secret(fresh_database, "gateway")))
    mine, other = secret(fresh_database, "finance"), secret(fresh_database, "admin")
    few = {"BILLING_CORRECTION_APPROVAL": "52"}
    ended = command(*apply, "--key", mine, **few)
    assert (ended.returncode, "waits for approval" in ended.stdout) == (1, True), ended.stderr
    approve = ("reconcile", "approve", "march", "--reason", "seen")
    assert "another key" in refused(command(*approve, BILLING_KEY=mine))
    ended = command(*approve, "--json", BILLING_KEY=other)
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert (report["state"], report["posted"]["credits"]) == ("applied", 53)
    assert report["asked_by"] != report["approved_by"]
    assert command("reconcile", "compare", str(manifest)).returncode == 0
    assert command("verify").returncode == 0


def test_the_environments_admin_key_posts_as_it_does_over_http(
    command: Billing,  # noqa: F811
    charges: None,
    fresh_database: str,
    tmp_path: Path,
) -> None:
    """One ring of keys for both doors: what the service takes in a header, `--key` takes too, by the same name."""
    manifest = tmp_path / "march.csv"
    manifest.write_text(HEADER + "acme,one,0,2048,2048\n")
    house = "the-key-of-the-house"
    compared = command(
        "reconcile", "compare", str(manifest), "--id", "march", "--json", "--key", house, BILLING_ADMIN_KEY=house
    )
    assert json.loads(compared.stdout)["created_by"] == "environment"
    apply = ("reconcile", "apply", "march", "--reason", "why", "--json")
    assert "no such key" in refused(command(*apply, "--key", house))
    assert "no such key" in refused(command(*apply, "--key", house, BILLING_ADMIN_KEY=f"not-{house}"))
    few = {"BILLING_ADMIN_KEY": house, "BILLING_CORRECTION_APPROVAL": "52"}
    waits = json.loads(command(*apply, "--key", house, **few).stdout)
    assert (waits["state"], waits["asked_by"]) == ("awaiting_approval", "environment")
    approve = ("reconcile", "approve", "march", "--reason", "seen", "--json")
    assert "another key" in refused(command(*approve, BILLING_KEY=house, **few))
    report = json.loads(command(*approve, "--key", secret(fresh_database, "admin"), **few).stdout)
    assert (report["state"], report["asked_by"], report["posted"]["credits"]) == ("applied", "environment", 53)


def test_a_folder_of_images(command: Billing, charges: None, tmp_path: Path) -> None:  # noqa: F811
    folder = tmp_path / "images"
    picture(folder / "acme" / "one" / "0.png", 1024, 1024)
    picture(folder / "acme" / "two" / "0.png", 2048, 16)
    (folder / "acme" / "two" / "1.webp").write_bytes(b"no picture")
    (folder / ".hidden").write_bytes(b"")
    ended = command("reconcile", "compare", str(folder), "--json")
    assert ended.returncode == 1, ended.stderr
    (line,) = json.loads(ended.stdout)["data"]
    assert (line["request_id"], line["index"], line["kind"], line["difference_credits"]) == (
        "two",
        0,
        "wrong_size_tier",
        53,
    )

    flat = tmp_path / "flat"
    picture(flat / "one_0.png", 1024, 1024)
    picture(flat / "two" / "1.png", 1024, 1024)
    ended = command("reconcile", "compare", str(flat), "--account", "acme", "--json")
    assert [line["kind"] for line in json.loads(ended.stdout)["data"]] == ["count_differs", "charged_not_delivered"]
    ended = command("reconcile", "compare", str(flat))
    assert (ended.returncode, "one_0.png is not named ACCOUNT/REQUEST/INDEX.png" in ended.stderr) == (2, True), (
        ended.stderr
    )


def test_parquet_needs_pyarrow(command: Billing, charges: None, tmp_path: Path, monkeypatch) -> None:  # noqa: F811
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    file = tmp_path / "m.parquet"
    file.write_bytes(b"PAR1")
    ended = command("reconcile", "compare", str(file))
    assert (ended.returncode, "install `billing[parquet]`" in ended.stderr) == (2, True)
