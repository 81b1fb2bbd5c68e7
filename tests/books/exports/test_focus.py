"""Costs against FOCUS: its rules in our own words, and the validator that the FinOps Foundation publishes."""

import csv
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from billing.books.exports.question import ExportQuestion
from billing.core.refusals import Invalid

from .conftest import Export

Row = dict[str, str]
DECIMAL, PRICE = r"-?\d+\.\d{6,9}", r"\d+\.\d{18}"
INSTANT = r"\d{4}-\d\d-\d\dT00:00:00Z"
PROJECT = Path(__file__).parents[3]

# Columns of a version beside what a value of theirs must look like, and whether there must be one: always, never, or
# here and there. https://focus.finops.org/focus-specification/
ALWAYS = {
    **dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost", "ListCost", "PricingCurrencyEffectiveCost", "PricingQuantity"), DECIMAL),
    **dict.fromkeys(("ContractedUnitPrice", "ListUnitPrice", "PricingCurrencyContractedUnitPrice", "PricingCurrencyListUnitPrice"), PRICE),
    **dict.fromkeys(("BillingPeriodEnd", "BillingPeriodStart", "ChargePeriodEnd", "ChargePeriodStart"), INSTANT),
    **dict.fromkeys(
        ("BillingAccountId", "BillingAccountName", "BillingAccountType", "ChargeDescription", "InvoiceIssuerName", "ProviderName",
         "PublisherName", "ServiceName", "SkuId", "SkuMeter", "SkuPriceId", "PricingUnit"), r".+"),
    "BillingCurrency": "[A-Z]{3}", "ChargeCategory": "Usage|Purchase", "ChargeFrequency": "One-Time|Usage-Based",
    "PricingCategory": "Standard", "PricingCurrency": "[A-Z]{3}|CREDITS", "ServiceCategory": "AI and Machine Learning",
    "ServiceSubcategory": "Generative AI", "Tags": r"\{\}",
}  # fmt: skip
SOMETIMES = {
    "ChargeClass": "Correction",
    "ConsumedQuantity": DECIMAL,
    "ConsumedUnit": "Images",
    "SkuPriceDetails": r"\{.+\}",
}
NEVER = (
    "AvailabilityZone", "CapacityReservationId", "CapacityReservationStatus", "CommitmentDiscountCategory", "CommitmentDiscountId",
    "CommitmentDiscountName", "CommitmentDiscountQuantity", "CommitmentDiscountStatus", "CommitmentDiscountType",
    "CommitmentDiscountUnit", "InvoiceId", "RegionId", "RegionName", "ResourceId", "ResourceName", "ResourceType", "SubAccountId",
    "SubAccountName", "SubAccountType",
)  # fmt: skip
SINCE_1_3 = {
    **dict.fromkeys(("HostProviderName", "ServiceProviderName"), ".+"),
    **dict.fromkeys(
        ("AllocatedMethodDetails", "AllocatedMethodId", "AllocatedResourceId", "AllocatedResourceName", "AllocatedTags", "ContractApplied"),
        "",
    ),
}  # fmt: skip
OURS = {"x_Model", "x_SizeTier", "x_Quality"}


def product(price: str, cost: str) -> Callable[[Row], bool]:
    def holds(row: Row) -> bool:
        return round(Decimal(row[price]) * Decimal(row["PricingQuantity"]), 9) == Decimal(row[cost])

    return holds


def details(row: Row) -> bool:
    found = json.loads(row["SkuPriceDetails"] or "{}")
    return all(name.startswith("x_") and isinstance(value, str) for name, value in found.items())


RULES: dict[str, Callable[[Row], bool]] = {
    "a purchase costs nothing effectively": lambda row: row["ChargeCategory"] == "Usage" or not Decimal(row["EffectiveCost"]),
    "what is used is measured, what is bought is not": lambda row: (row["ConsumedQuantity"] != "") is (row["ChargeCategory"] == "Usage"),
    "a quantity has its unit": lambda row: (row["ConsumedQuantity"] != "") is (row["ConsumedUnit"] != ""),
    "list price times quantity is list cost": product("ListUnitPrice", "ListCost"),
    "contracted price times quantity is contracted cost": product("ContractedUnitPrice", "ContractedCost"),
    "a price in credits times quantity is the cost in credits": lambda row: (
        row["PricingCurrency"] != "CREDITS" or product("PricingCurrencyListUnitPrice", "PricingCurrencyEffectiveCost")(row)
    ),
    "what is bought is priced in its currency": lambda row: (
        row["ChargeCategory"] == "Usage" or row["PricingCurrency"] == row["BillingCurrency"]
    ),
    "a period ends after it begins": lambda row: row["ChargePeriodStart"] < row["ChargePeriodEnd"] <= row["BillingPeriodEnd"],
    "details are flat, and ours": details,
}  # fmt: skip


@pytest.fixture
def in_csv(export: Export) -> Callable[[str], list[Row]]:
    def read(version: str) -> list[Row]:
        with export("costs", "csv", focus=version).path.open(newline="") as file:
            return list(csv.DictReader(file, strict=True))

    return read


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_every_column_and_rule_that_matters(in_csv: Callable[[str], list[Row]], version: str) -> None:
    rows = in_csv(version)
    wanted = {**ALWAYS, **dict.fromkeys(NEVER, ""), **(SINCE_1_3 if version == "1.3" else {})}
    assert set(rows[0]) == {*wanted, *SOMETIMES, *OURS}
    wrong = [
        (name, row[name]) for row in rows for name, form in wanted.items() if re.fullmatch(form, row[name]) is None
    ]
    wrong += [
        (name, row[name]) for row in rows for name, form in SOMETIMES.items() if row[name] and not re.fullmatch(form, row[name])
    ]  # fmt: skip
    wrong += [(rule, str(row)) for row in rows for rule, holds in RULES.items() if not holds(row)]
    assert wrong == []
    assert {row["PricingUnit"] for row in rows} == {"Images", "Credits"}
    one_sku = {(row["SkuPriceId"], row["SkuId"]) for row in rows}
    assert len({price for price, _ in one_sku}) == len(one_sku)
    nameless = [row for row in rows if row["BillingAccountId"] == "acme"]
    assert {row["BillingAccountName"] for row in nameless} == {"acme"}


def test_a_charge_in_two_currencies_has_its_images_in_parts_that_sum_to_them(
    in_csv: Callable[[str], list[Row]],
) -> None:
    """A row's price could not be told where all images stood in one of them: cost times nothing is nothing."""
    parts = [row for row in in_csv("1.2") if Decimal(row["PricingQuantity"]) % 1 and row["PricingUnit"] == "Images"]
    assert len({row["BillingCurrency"] for row in parts}) > 1
    by_kind: dict[tuple[str, ...], Decimal] = {}
    for row in parts:
        kind = row["BillingAccountId"], row["ChargePeriodStart"], row["SkuPriceId"]
        by_kind[kind] = by_kind.get(kind, Decimal()) + Decimal(row["PricingQuantity"])
    assert {images % 1 for images in by_kind.values()} == {0}


def test_parquet_and_json_hold_what_csv_holds(export: Export, in_csv: Callable[[str], list[Row]]) -> None:
    rows = in_csv("1.3")
    as_parquet, as_json = (export("costs", format, focus="1.3") for format in ("parquet", "jsonl"))
    types = dict(duckdb.sql(f"SELECT column_name, column_type FROM (DESCRIBE FROM '{as_parquet.path}')").fetchall())
    assert {types[name] for name, form in ALWAYS.items() if form == DECIMAL} == {"DECIMAL(38,9)"}
    assert {types[name] for name, form in ALWAYS.items() if form == PRICE} == {"DECIMAL(38,18)"}
    assert {types[name] for name, form in ALWAYS.items() if form == INSTANT} == {"TIMESTAMP WITH TIME ZONE"}
    documents = [json.loads(line, parse_float=Decimal) for line in as_json.path.read_text().splitlines()][:-1]
    numbers = [name for name, form in ALWAYS.items() if form in (DECIMAL, PRICE)]
    quoted = ", ".join(f'"{name}"' for name in numbers)
    values = [tuple(Decimal(row[name]) for name in numbers) for row in rows]
    assert duckdb.sql(f"SELECT {quoted} FROM '{as_parquet.path}'").fetchall() == values
    assert [tuple(document[name] for name in numbers) for document in documents] == values
    assert [document["SkuPriceDetails"] for document in documents] == [row["SkuPriceDetails"] or None for row in rows]
    assert as_json.totals.document()["focus"] == "1.3"


def test_versions_that_are_not_written() -> None:
    for report, version in (("costs", "1.4"), ("usage", "1.2")):
        with pytest.raises(Invalid, match="focus"):
            ExportQuestion(report, "csv", focus=version)
    assert ExportQuestion("costs", "csv", period="2026-10", focus="1.3").file_name == "costs-2026-10-focus-1.3.csv"
    assert ExportQuestion("costs", "csv", period="2026-10").file_name == "costs-2026-10.csv"


# What the validator has against any file like ours. Its FormatCurrency knows ISO 4217 alone, while CurrencyFormat lets a
# virtual currency be text; of InvoiceId it wants null in every row, and null in none.
BEYOND_US = {"PricingCurrency-C-003-M", "PricingCurrency-C-000-C", "InvoiceId-C-005-C"}
APPLIES = (
    "ACCOUNT_NAMING_SUPPORTED", "AVAILABILITY_ZONE_SUPPORTED", "BILLING_BASED_ON_PROVISIONED_RESOURCES_SUPPORTED",
    "MULTIPLE_BILLING_ACCOUNT_TYPES_SUPPORTED", "MULTIPLE_PRICING_CATEGORIES_SUPPORTED", "MULTIPLE_SUB_ACCOUNT_TYPES_SUPPORTED",
    "NEGOTIATED_PRICING_SUPPORTED", "PRICING_BILLING_CURRENCY_DIFFERENCES_SUPPORTED", "PUBLIC_PRICE_LIST_SUPPORTED",
    "REGION_SUPPORTED", "RESOURCE_TYPE_ASSIGNMENT_SUPPORTED", "SUB_ACCOUNT_SUPPORTED", "TAGGING_SUPPORTED", "UNIT_PRICING_SUPPORTED",
    "USAGE_MEASUREMENT_SUPPORTED", "VIRTUAL_CURRENCY_SUPPORTED",
)  # fmt: skip


@pytest.fixture
def validator(tmp_path: Path) -> Iterator[Callable[[Path], dict[str, str]]]:
    """Rules beside what came of them. The validator looks for its list of currencies below where it is run."""
    judges = PROJECT / ".judges"
    found = next(judges.glob("focus/lib/python3.*/site-packages/focus_validator"), None)
    if found is None:
        said = "no focus-validator: `make judges` installs it where there is a Python 3.12"
        if os.environ.get("BILLING_JUDGES") == "required" and not (judges / "no-python3.12").exists():
            pytest.fail(said)
        pytest.skip(said)
    (tmp_path / "focus_validator").symlink_to(found)

    def judge(path: Path) -> dict[str, str]:
        command = [str(judges / "focus/bin/focus-validator"), "--data-file", str(path), "--validate-version", "1.2"]
        command += ["--block-download", "--applicability-criteria", ",".join(APPLIES)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr
        return dict(re.findall(r"^\S+ (\S+): (PASS|FAIL|SKIPPED)", ran.stdout, re.MULTILINE))

    yield judge
    shutil.rmtree(tmp_path / "logs", ignore_errors=True)


@pytest.mark.parametrize(("format", "version"), [("csv", "1.2"), ("parquet", "1.2"), ("parquet", "1.3")])
def test_the_public_validator(export: Export, validator: Any, format: str, version: str) -> None:
    """It has the rules of 1.2, which a file of 1.3 keeps too."""
    found = validator(export("costs", format, focus=version).path)
    assert len(found) == 578
    assert {rule for rule, verdict in found.items() if verdict == "FAIL"} == BEYOND_US
    assert sum(verdict == "PASS" for verdict in found.values()) >= 300
