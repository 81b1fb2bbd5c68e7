"""Why a charge costs what it costs: every way a charge can go, on a real ledger, and what is said of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from billing.books.explain.report import explain
from billing.core.charges import Reported
from billing.core.commands import Authorize, Correct, IssueGrant, OpenAccount, Refund, Settle, Void
from billing.core.languages import LANGUAGES
from billing.core.prices import PUBLISHED, PriceBook, PriceBooks
from billing.core.refusals import AccountNotFound, ChargeNotFound
from billing.posting import Posting
from billing.store.engine import read_engine
from tests.api.service import with_a_clock

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MODEL = "gpt-image-2"


class Town:
    """One account `acme` on a ledger whose clock the test sets: `await town(Command, …)`, then `await town.why(…)`."""

    def __init__(self, posting: Posting, engine: Any, owner: asyncpg.Connection, books: PriceBooks) -> None:
        self._posting, self._engine, self._owner, self._books = posting, engine, owner, books

    async def __call__(self, command: Any, *args: Any, **more: Any) -> Any:
        return await self._posting.post(command("acme", *args, **more))

    async def clock(self, after: timedelta) -> None:
        await self._owner.execute("UPDATE clock.reading SET at = $1", NOON + after)

    async def steps(self, request_id: str = "r", lang: str = "en") -> Any:
        """The steps, each sentence of both languages written from its facts."""
        told = {
            code: (await explain(self._engine, self._books, "acme", request_id, language)).steps
            for code, language in LANGUAGES.items()
        }
        assert all(step.text and step.title for steps in told.values() for step in steps)
        assert len({repr([step.facts for step in steps]) for steps in told.values()}) == 1
        return told[lang]

    async def why(self, request_id: str = "r", lang: str = "en", *, leave_out: int = 0) -> list[str]:
        """The sentences, from the step after `leave_out` on."""
        return [step.text for step in (await self.steps(request_id, lang))[leave_out:]]

    async def facts(self, kind: str, request_id: str = "r") -> list[dict[str, Any]]:
        return [step.facts for step in await self.steps(request_id) if step.kind == kind]


@pytest.fixture
def books() -> PriceBooks:
    return PriceBooks([PriceBook.of(1, datetime(2020, 1, 1, tzinfo=UTC), PUBLISHED)])


@pytest.fixture
def town(fresh_database: str, books: PriceBooks, run: Any) -> Any:
    with_a_clock(fresh_database)
    owner = run(asyncpg.connect(fresh_database))
    posting = Posting(fresh_database, lambda: books, lanes=1)
    run(posting.__aenter__())
    engine = read_engine(fresh_database, size=1)
    town = Town(posting, engine, owner, books)
    run(town.clock(timedelta(0)))
    yield town
    run(posting.__aexit__())
    run(engine.dispose())
    run(owner.close())


def image(index: int, width: int | None = 1024, height: int | None = 1024) -> Reported:
    return Reported(index, "succeeded", width, height, None)


def failed(index: int, reason: str | None = None) -> Reported:
    return Reported(index, "failed", None, None, reason)


async def opened(town: Town, credits: int = 1_000, **settings: Any) -> None:
    await town(OpenAccount, **settings)
    if credits:
        await town(IssueGrant, "bought", "purchase", credits)


async def test_the_whole_of_it_in_english(town):
    """Two grants, an image in a smaller tier than the quote's, a failure, and what was refunded of it."""
    await town(OpenAccount)
    await town(IssueGrant, "promo", "promotion", 10, expires_at=NOON + 30 * DAY)
    await town(IssueGrant, "bought", "purchase", 12_345)
    await town(Authorize, "r", MODEL, n=2, size="3840x2160", quality="auto", operation="edit", price_version=1)
    await town.clock(MINUTE)
    await town(Settle, "r", (image(0, 1672, 941), failed(1, "content policy")))
    await town.clock(HOUR)
    await town(Refund, "r", "f1", "the fox had five legs", credits=60)
    assert await town.why() == [
        "Asked for 2 images from gpt-image-2: size 3840x2160, quality auto, edit, sync. "
        "The request insisted on price version 1.",
        "Quality auto is billed as high. Size 3840x2160 has a long edge of 3840 px. "
        "Tier 4K goes up to 3840 px: 0 px below its limit, 1792 px above tier 2K (up to 2048 px).",
        "133 credits for each image × 2 = 266 credits, by price version 1.",
        "Authorized on 2 March 2026 at 12:00:00 UTC with 12,355 credits available. The quote, 266 credits, was held "
        "until 2 March 2026 at 12:15:00 UTC at the latest, leaving 12,089 credits available.",
        "Output 0 measures 1672×941: its long edge is 1672 px. "
        "Tier 2K goes up to 2048 px: 376 px below its limit, 136 px above tier 1K (up to 1536 px). "
        "Price in 2K at quality high, version 1: 67 credits.",
        "Output 1 failed: “content policy”. Not charged.",
        "Settled on 2 March 2026 at 12:01:00 UTC: 67 + 0 = 67 credits. That is 199 credits less than quoted.",
        "Journal row 3: 10 credits from grant promo (promotion, priority 10, expires on 1 April 2026 at 12:00:00 UTC). "
        "It comes before bought: its priority number, 10, is lower than 50.",
        "Journal row 4: 57 credits from grant bought (purchase, priority 50, never expires). It covers the rest.",
        "Posted balance: 12,355 → 12,288 credits.",
        "Refund f1 on 2 March 2026 at 13:00:00 UTC: 60 credits. Reason given: “the fox had five legs”. "
        "Posted balance: 12,288 → 12,348 credits.",
        "Journal row 5: 57 credits back to grant bought.",
        "Journal row 6: 3 credits back to grant promo.",
        "67 billed − 60 refunded = 7 credits.",
    ]


async def test_the_whole_of_it_in_spanish(town):
    """The same charge, in the glossary's words."""
    await town(OpenAccount)
    await town(IssueGrant, "promo", "promotion", 10, expires_at=NOON + 30 * DAY)
    await town(IssueGrant, "bought", "purchase", 12_345)
    await town(Authorize, "r", MODEL, n=2, size="3840x2160", quality="auto", operation="edit", price_version=1)
    await town.clock(MINUTE)
    await town(Settle, "r", (image(0, 1672, 941), failed(1, "content policy")))
    await town.clock(HOUR)
    await town(Refund, "r", "f1", "the fox had five legs", credits=60)
    assert await town.why(lang="es") == [
        "Solicitud de 2 imágenes con el modelo gpt-image-2: tamaño 3840x2160, calidad auto, edición, modo síncrono. "
        "La solicitud exigía la versión 1 de la tarifa.",
        "La calidad auto se cobra como high. El tamaño 3840x2160 tiene un lado largo de 3840 px. "
        "El tramo 4K llega hasta 3840 px: 0 px por debajo de su límite y 1792 px por encima del tramo 2K (hasta 2048 px).",
        "133 créditos por imagen × 2 = 266 créditos, según la versión 1 de la tarifa.",
        "Autorizado el 2 de marzo de 2026, 12:00:00 UTC, con un saldo disponible de 12\u00a0355 créditos. "
        "Se retuvo el importe previsto, 266 créditos, con vencimiento el 2 de marzo de 2026, 12:15:00 UTC; "
        "el saldo disponible pasó a 12\u00a0089 créditos.",
        "Imagen 0: mide 1672×941; su lado largo es de 1672 px. "
        "El tramo 2K llega hasta 2048 px: 376 px por debajo de su límite y 136 px por encima del tramo 1K (hasta 1536 px). "
        "Precio en 2K con calidad high, versión 1 de la tarifa: 67 créditos.",
        "Imagen 1: fallida, «content policy». No se cobra.",
        "Liquidado el 2 de marzo de 2026, 12:01:00 UTC: 67 + 0 = 67 créditos. Diferencia con lo previsto: 199 créditos menos.",
        "Asiento 3: 10 créditos del lote promo (promoción, prioridad 10, caduca el 1 de abril de 2026, 12:00:00 UTC). "
        "Va antes que bought: su número de prioridad, 10, es menor que 50.",
        "Asiento 4: 57 créditos del lote bought (compra, prioridad 50, no caduca). Cubre el resto.",
        "Saldo contable: 12\u00a0355 → 12\u00a0288 créditos.",
        "Reembolso f1, 2 de marzo de 2026, 13:00:00 UTC: 60 créditos. Motivo indicado: «the fox had five legs». "
        "Saldo contable: 12\u00a0288 → 12\u00a0348 créditos.",
        "Asiento 5: 57 créditos de vuelta al lote bought.",
        "Asiento 6: 3 créditos de vuelta al lote promo.",
        "Cobrado, 67 − reembolsado, 60 = 7 créditos.",
    ]


class TestTheRequest:
    async def test_in_flight(self, town):
        await opened(town, 15)
        await town(Authorize, "r", MODEL)
        assert await town.why() == [
            "Asked for 1 image from gpt-image-2: size auto, quality auto, generation, sync.",
            "Quality auto is billed as high. Size auto is quoted in tier 1K.",
            "14 credits for each image × 1 = 14 credits, by price version 1. "
            "Larger images are billed as delivered: 133 credits at most.",
            "Authorized on 2 March 2026 at 12:00:00 UTC with 15 credits available. The quote, 14 credits, was held "
            "until 2 March 2026 at 12:15:00 UTC at the latest, leaving 1 credit available.",
            "Nothing is billed yet: the hold ends when the charge is settled or voided, "
            "on 2 March 2026 at 12:15:00 UTC at the latest.",
        ]
        assert await town.why(lang="es", leave_out=3) == [
            "Autorizado el 2 de marzo de 2026, 12:00:00 UTC, con un saldo disponible de 15 créditos. Se retuvo el "
            "importe previsto, 14 créditos, con vencimiento el 2 de marzo de 2026, 12:15:00 UTC; "
            "el saldo disponible pasó a 1 crédito.",
            "Aún no se ha cobrado nada: la retención termina cuando el cargo se liquida o se anula, "
            "como muy tarde el 2 de marzo de 2026, 12:15:00 UTC.",
        ]

    async def test_a_named_tier_and_a_quality_as_asked(self, town):
        await opened(town)
        await town(Authorize, "r", MODEL, size="4K", quality="medium")
        assert (await town.why())[1:3] == [
            "Quality medium is billed as asked. Size 4K is itself a tier.",
            "34 credits for each image × 1 = 34 credits, by price version 1.",
        ]

    async def test_the_most_is_held(self, town):
        await opened(town, 140, hold="max")
        await town(Authorize, "r", MODEL)
        assert (await town.why())[3] == (
            "Authorized on 2 March 2026 at 12:00:00 UTC with 140 credits available. The most it can come to, "
            "133 credits, was held until 2 March 2026 at 12:15:00 UTC at the latest, leaving 7 credits available."
        )
        (facts,) = await town.facts("authorized")
        assert (facts["held_credits"], facts["available_after_credits"], facts["seq"]) == (133, 7, 1)

    async def test_a_credit_limit(self, town):
        await opened(town, 0, credit_limit=20)
        await town(Authorize, "r", MODEL)
        assert "That includes a credit limit of 20 credits." in (await town.why())[3]

    async def test_a_flat_price(self, town):
        await opened(town, 5)
        await town(Authorize, "r", "gpt-image-1.5", n=2, size="1024x1536", quality="low", outputs=(image(0), image(1)))
        assert await town.why(leave_out=1) == [
            "Quality low is billed as asked. Size 1024x1536 has a long edge of 1536 px. "
            "Tier 1K goes up to 1536 px: 0 px below its limit.",
            "1 credit for each image × 2 = 2 credits, by price version 1. The price is the same in every size tier.",
            "Authorized on 2 March 2026 at 12:00:00 UTC with 5 credits available. Charged in one step, without a hold.",
            "Output 0 measures 1024×1024: its long edge is 1024 px. Tier 1K goes up to 1536 px: 512 px below its limit. "
            "Price in 1K at quality low, version 1: 1 credit.",
            "Output 1 measures 1024×1024: its long edge is 1024 px. Tier 1K goes up to 1536 px: 512 px below its limit. "
            "Price in 1K at quality low, version 1: 1 credit.",
            "Settled on 2 March 2026 at 12:00:00 UTC: 1 + 1 = 2 credits. That is what was quoted.",
            "Journal row 2: 2 credits from grant bought (purchase, priority 50, never expires). It covers the whole "
            "bill: it was first in order (lowest priority number, then earliest expiry, then oldest).",
            "Posted balance: 5 → 3 credits.",
        ]

    async def test_the_book_of_its_day(self, town, books):
        """A charge is explained by the book it was authorized under, whatever applies by now."""
        await opened(town)
        await town(Authorize, "r", MODEL, outputs=(image(0),))
        dearer = {MODEL: PUBLISHED[MODEL] | {"tiers": [{"name": "1K", "max_edge": 2000}], "prices": 99}}
        later = PriceBook.of(2, NOON - DAY, dearer)
        town._books = PriceBooks([*books, later])
        assert (await town.why())[4] == (
            "Output 0 measures 1024×1024: its long edge is 1024 px. Tier 1K goes up to 1536 px: 512 px below its limit. "
            "Price in 1K at quality high, version 1: 14 credits."
        )


class TestWithoutABill:
    async def test_voided(self, town):
        await opened(town)
        await town(Authorize, "r", MODEL)
        await town.clock(MINUTE)
        await town(Void, "r", 'provider said "no" {reason} [bold]\n\x1b[31m\u202e')
        assert await town.why(leave_out=4) == [
            "Voided on 2 March 2026 at 12:01:00 UTC: the hold of 14 credits was released and nothing is billed. "
            'Reason given for voiding it: “provider said "no" {reason} [bold]\\n\\x1b[31m\\u202e”.',
        ]
        assert await town.why(lang="es", leave_out=4) == [
            "Anulado el 2 de marzo de 2026, 12:01:00 UTC: se liberó la retención de 14 créditos y no se cobra nada. "
            'Motivo indicado de la anulación: «provider said "no" {reason} [bold]\\n\\x1b[31m\\u202e».',
        ]
        (facts,) = await town.facts("voided")
        assert facts["reason"] == 'provider said "no" {reason} [bold]\n\x1b[31m\u202e'

    async def test_expired_by_the_clock_alone(self, town):
        """No job has written it down yet."""
        await opened(town)
        await town(Authorize, "r", MODEL, hold_seconds=60)
        await town.clock(2 * MINUTE)
        assert await town.why(leave_out=4) == [
            "The hold of 14 credits ended on 2 March 2026 at 12:01:00 UTC without a settlement: nothing is billed. "
            "It can be settled late until 3 March 2026 at 12:01:00 UTC.",
        ]
        assert await town.why(lang="es", leave_out=4) == [
            "La retención de 14 créditos venció el 2 de marzo de 2026, 12:01:00 UTC, sin liquidación: no se cobra nada. "
            "Admite liquidación fuera de plazo hasta el 3 de marzo de 2026, 12:01:00 UTC.",
        ]

    async def test_voided_after_it_had_expired(self, town):
        await opened(town)
        await town(Authorize, "r", MODEL, hold_seconds=60)
        await town.clock(HOUR)
        await town(Void, "r")
        assert await town.why(leave_out=4) == [
            "Voided on 2 March 2026 at 13:00:00 UTC, after its hold of 14 credits had ended on "
            "2 March 2026 at 12:01:00 UTC: nothing is billed.",
        ]

    async def test_nobody_and_nothing(self, town):
        with pytest.raises(AccountNotFound):
            await town.steps()
        await opened(town)
        with pytest.raises(ChargeNotFound):
            await town.steps()


class TestOutputs:
    async def test_unmeasured_and_not_reported(self, town):
        await opened(town)
        await town(Authorize, "r", MODEL, n=3, size="2K", quality="low")
        await town(Settle, "r", (image(0, None, None), failed(1)))
        assert await town.why(leave_out=4) == [
            "Output 0 came back but was not measured: the quoted tier, 2K, applies. "
            "Price in 2K at quality low, version 1: 2 credits.",
            "Output 1 failed, with no reason given. Not charged.",
            "Output 2 was not reported, which counts as failed. Not charged.",
            "Settled on 2 March 2026 at 12:00:00 UTC: 2 + 0 + 0 = 2 credits. That is 4 credits less than quoted.",
            "Journal row 2: 2 credits from grant bought (purchase, priority 50, never expires). It covers the whole "
            "bill: it was first in order (lowest priority number, then earliest expiry, then oldest).",
            "Posted balance: 1,000 → 998 credits.",
        ]
        assert (await town.why(lang="es"))[4:7] == [
            "Imagen 0: entregada, pero sin medir; se aplica el tramo previsto, 2K. "
            "Precio en 2K con calidad low, versión 1 de la tarifa: 2 créditos.",
            "Imagen 1: fallida, sin motivo indicado. No se cobra.",
            "Imagen 2: no se informó de ella y cuenta como fallida. No se cobra.",
        ]

    async def test_every_output_failed(self, town):
        await opened(town)
        await town(Authorize, "r", MODEL)
        await town(Settle, "r", ())
        assert await town.why(leave_out=5) == [
            "Settled on 2 March 2026 at 12:00:00 UTC: 0 credits. That is 14 credits less than quoted.",
            "Journal row 2: a bill of 0 credits.",
            "Posted balance: 1,000 → 1,000 credits.",
        ]

    async def test_past_the_last_tier_and_not_asked_for(self, town):
        await opened(town)
        await town(Authorize, "r", MODEL)
        await town(Settle, "r", (image(0, 4000, 1000), image(1, 1536, 1537)))
        assert (await town.why())[4:7] == [
            "Output 0 measures 4000×1000: its long edge is 4000 px. "
            "That is 160 px past the last tier, 4K (up to 3840 px), whose price applies. "
            "Price in 4K at quality high, version 1: 133 credits.",
            "Output 1 measures 1536×1537: its long edge is 1537 px. "
            "Tier 2K goes up to 2048 px: 511 px below its limit, 1 px above tier 1K (up to 1536 px). "
            "Price in 2K at quality high, version 1: 67 credits. It goes beyond what was asked for (1 image). Not charged.",
            "Settled on 2 March 2026 at 12:00:00 UTC: 133 + 0 = 133 credits. That is 119 credits more than quoted.",
        ]
        assert (await town.why(lang="es"))[4:7] == [
            "Imagen 0: mide 4000×1000; su lado largo es de 4000 px. "
            "Supera en 160 px el último tramo, 4K (hasta 3840 px), cuyo precio se aplica. "
            "Precio en 4K con calidad high, versión 1 de la tarifa: 133 créditos.",
            "Imagen 1: mide 1536×1537; su lado largo es de 1537 px. "
            "El tramo 2K llega hasta 2048 px: 511 px por debajo de su límite y 1 px por encima del tramo 1K (hasta 1536 px). "
            "Precio en 2K con calidad high, versión 1 de la tarifa: 67 créditos. Excede lo solicitado (1 imagen). No se cobra.",
            "Liquidado el 2 de marzo de 2026, 12:00:00 UTC: 133 + 0 = 133 créditos. Diferencia con lo previsto: 119 créditos más.",
        ]
        past, beyond = await town.facts("output")
        assert (past["distance_to_edge"], past["past_last_edge"], past["flags"]) == (-160, 160, ["unpriced_size"])
        assert (beyond["distance_to_edge"], beyond["tier_before"], beyond["tier_before_max_edge"]) == (511, "1K", 1536)
        assert (beyond["distance_from_tier_before"], beyond["tier_credits"], beyond["credits"]) == (1, 67, 0)

    async def test_capped(self, town):
        await opened(town, overage="cap")
        await town(Authorize, "r", MODEL, quality="medium")
        await town(Settle, "r", (image(0, 3840, 2160),))
        said = await town.why()
        assert said[2].endswith("Larger images are not billed above the quote.")
        assert said[4].endswith("Price in 4K at quality medium, version 1: 34 credits. Capped at the quoted 4 credits.")
        assert (await town.why(lang="es"))[4].endswith(": 34 créditos. Con tope en lo previsto: 4 créditos.")
        assert (await town.facts("quoted"))[0]["max_credits"] == 4

    async def test_a_difference_of_one(self, town):
        await opened(town)
        await town(Authorize, "r", MODEL, size="2K", quality="low")
        await town(Settle, "r", (image(0),))
        assert (await town.why())[5].endswith("UTC: 1 credit. That is 1 credit less than quoted.")
        assert (await town.why(lang="es"))[5].endswith("UTC: 1 crédito. Diferencia con lo previsto: 1 crédito menos.")


class TestSettledOddly:
    async def test_late(self, town):
        await opened(town)
        await town(Authorize, "r", MODEL)
        await town.clock(HOUR)
        await town(Settle, "r", (image(0),))
        assert (await town.why())[5] == (
            "Settled on 2 March 2026 at 13:00:00 UTC: 14 credits. That is what was quoted. "
            "Settled late: its hold had ended on 2 March 2026 at 12:15:00 UTC."
        )
        assert (await town.why(lang="es"))[5] == (
            "Liquidado el 2 de marzo de 2026, 13:00:00 UTC: 14 créditos. Es el importe previsto. "
            "Liquidado fuera de plazo: su retención había vencido el 2 de marzo de 2026, 12:15:00 UTC."
        )

    async def test_forced_after_a_void(self, town):
        await opened(town)
        await town(Authorize, "r", MODEL)
        await town.clock(MINUTE)
        await town(Void, "r", "timed out")
        await town.clock(HOUR)
        await town(Settle, "r", (image(0),), force=True)
        assert (await town.why())[5] == (
            "Settled on 2 March 2026 at 13:00:00 UTC: 14 credits. That is what was quoted. Settled by force: its hold "
            "had ended on 2 March 2026 at 12:01:00 UTC, but the images were delivered. "
            "Reason given for voiding it: “timed out”."
        )
        assert (await town.why(lang="es"))[5].endswith(
            "Liquidación forzada: su retención había terminado el 2 de marzo de 2026, 12:01:00 UTC, pero las imágenes "
            "se entregaron. Motivo indicado de la anulación: «timed out»."
        )

    async def test_forced_long_after_it_expired(self, town):
        await opened(town)
        await town(Authorize, "r", MODEL)
        await town.clock(2 * DAY)
        await town(Settle, "r", (image(0),), force=True)
        assert (await town.why())[5].endswith(
            "Settled by force: its hold had ended on 2 March 2026 at 12:15:00 UTC, but the images were delivered."
        )

    async def test_overdrawn_and_the_debt_paid_by_later_grants(self, town):
        await opened(town, 20)
        await town(Authorize, "r", MODEL)
        await town(Settle, "r", (image(0, 3840, 2160),))
        owing = [
            "Settled on 2 March 2026 at 12:00:00 UTC: 133 credits. That is 119 credits more than quoted. "
            "Overdrawn: it is more than was available, and billed because the images were delivered.",
            "Journal row 2: 20 credits from grant bought (purchase, priority 50, never expires). "
            "No other grant had credits left to draw on.",
            "Journal row 3: 113 credits that no grant covered, owed by the account.",
            "Posted balance: 20 → −113 credits.",
        ]
        still = ["Still owed: 113 credits of the debt of row 3."]
        assert await town.why(leave_out=5) == owing + still
        assert (await town.why(lang="es"))[-1] == "Deuda pendiente del asiento 3: 113 créditos."
        await town.clock(HOUR)
        await town(IssueGrant, "second", "purchase", 100)
        paid = ["On 2 March 2026 at 13:00:00 UTC, grant second (purchase) paid 100 credits of the debt of row 3 "
                "(journal row 4). Left to pay: 13 credits."]  # fmt: skip
        assert await town.why(leave_out=5) == owing + paid + ["Still owed: 13 credits of the debt of row 3."]
        await town.clock(2 * HOUR)
        await town(IssueGrant, "third", "plan", 100)
        paid += ["On 2 March 2026 at 14:00:00 UTC, grant third (plan) paid 13 credits of the debt of row 3 "
                 "(journal row 5). Nothing of it is owed any more."]  # fmt: skip
        assert await town.why(leave_out=5) == owing + paid
        assert await town.why(lang="es", leave_out=5) == [
            "Liquidado el 2 de marzo de 2026, 12:00:00 UTC: 133 créditos. Diferencia con lo previsto: 119 créditos más. "
            "En descubierto: supera el saldo disponible y se cobra porque las imágenes se entregaron.",
            "Asiento 2: 20 créditos del lote bought (compra, prioridad 50, no caduca). "
            "Ningún otro lote tenía créditos disponibles.",
            "Asiento 3: 113 créditos que ningún lote cubría; es deuda de la cuenta.",
            "Saldo contable: 20 → −113 créditos.",
            "El 2 de marzo de 2026, 13:00:00 UTC, el lote second (compra) pagó 100 créditos de la deuda del asiento 3 "
            "(asiento 4). Pendiente de pago: 13 créditos.",
            "El 2 de marzo de 2026, 14:00:00 UTC, el lote third (plan) pagó 13 créditos de la deuda del asiento 3 "
            "(asiento 5). Con ello queda saldada.",
        ]
        # Refunded, its credits go back to the grants that paid the debt, last first.
        await town(Refund, "r", "f", "r", credits=20)
        assert await town.why(leave_out=12) == [
            "Journal row 6: 13 credits back to grant third.",
            "Journal row 7: 7 credits back to grant second.",
            "133 billed − 20 refunded = 113 credits.",
        ]


class TestTheOrderOfGrants:
    async def test_priority_then_expiry_then_age(self, town):
        await town(OpenAccount)
        await town(IssueGrant, "old", "purchase", 3)
        await town(IssueGrant, "young", "purchase", 3)
        await town(IssueGrant, "ends", "purchase", 3, expires_at=NOON + DAY)
        await town(IssueGrant, "plan", "plan", 3)
        await town(IssueGrant, "spare", "purchase", 9)
        await town(Authorize, "r", MODEL, outputs=(image(0),))
        drawn = [said for said in await town.why() if said.startswith("Journal row")]
        never = "never expires)."
        assert drawn == [
            f"Journal row 6: 3 credits from grant plan (plan, priority 20, {never} "
            "It comes before ends: its priority number, 20, is lower than 50.",
            "Journal row 7: 3 credits from grant ends (purchase, priority 50, expires on 3 March 2026 at 12:00:00 UTC). "
            "It comes before old: same priority, and it expires earlier.",
            f"Journal row 8: 3 credits from grant old (purchase, priority 50, {never} "
            "It comes before young: same priority and expiry, and it is older.",
            f"Journal row 9: 3 credits from grant young (purchase, priority 50, {never} "
            "It comes before spare: same priority and expiry, and it is older.",
            f"Journal row 10: 2 credits from grant spare (purchase, priority 50, {never} It covers the rest.",
        ]
        assert [facts["why"] for facts in await town.facts("transfer")] == [
            "before_by_priority",
            "before_by_expiry",
            "before_by_age",
            "before_by_age",
            "covers_rest",
        ]
        (es,) = [said for said in await town.why(lang="es") if "lote ends" in said]
        assert es == (
            "Asiento 7: 3 créditos del lote ends (compra, prioridad 50, caduca el 3 de marzo de 2026, 12:00:00 UTC). "
            "Va antes que old: misma prioridad y caduca antes."
        )

    async def test_what_was_kept_of_a_grant_that_expired_under_the_hold(self, town):
        await town(OpenAccount)
        await town(IssueGrant, "ends", "promotion", 14, expires_at=NOON + MINUTE)
        await town(Authorize, "r", MODEL)
        await town.clock(2 * MINUTE)
        await town(Settle, "r", (image(0),))
        assert await town.why(leave_out=6) == [
            "Journal row 2: 14 credits from grant ends (promotion, priority 10, expires on 2 March 2026 at 12:01:00 UTC). "
            "It had expired by then, but these credits were kept for this hold. It covers the whole bill: "
            "it was first in order (lowest priority number, then earliest expiry, then oldest).",
            "Posted balance: 14 → 0 credits.",
        ]


class TestRefunds:
    async def test_of_debt_that_is_still_owed(self, town):
        await opened(town, 14)
        await town(Authorize, "r", MODEL)
        await town(Settle, "r", (image(0, 2048, 2048),))
        await town(Refund, "r", "f", "too large")
        assert await town.why(leave_out=9) == [
            "Refund f on 2 March 2026 at 12:00:00 UTC: 67 credits. Reason given: “too large”. "
            "Posted balance: −53 → 14 credits.",
            "Journal row 4: 53 credits less debt, which no grant had paid.",
            "Journal row 5: 14 credits back to grant bought.",
            "67 billed − 67 refunded = 0 credits.",
        ]
        assert (await town.why(lang="es"))[10] == "Asiento 4: 53 créditos menos de deuda, que ningún lote había pagado."

    async def test_that_pays_another_charge_s_debt(self, town):
        await opened(town, 28)
        await town(Authorize, "first", MODEL, outputs=(image(0),))
        await town(Authorize, "second", MODEL)
        await town(Settle, "second", (image(0, 2048, 2048),))
        await town.clock(HOUR)
        await town(Refund, "first", "f", "blurred")
        assert await town.why("first", leave_out=8) == [
            "Refund f on 2 March 2026 at 13:00:00 UTC: 14 credits. Reason given: “blurred”. "
            "Posted balance: −53 → −39 credits.",
            "Journal row 5: 14 credits of grant bought, to pay what the account owed.",
            "14 billed − 14 refunded = 0 credits.",
        ]
        assert await town.why("second", leave_out=9) == [
            "On 2 March 2026 at 13:00:00 UTC, through refund f of another charge, grant bought (purchase) paid 14 credits "
            "of the debt of row 4 (journal row 5). Left to pay: 39 credits.",
            "Still owed: 39 credits of the debt of row 4.",
        ]
        assert (await town.why("second", "es"))[9] == (
            "El 2 de marzo de 2026, 13:00:00 UTC, mediante el reembolso f de otro cargo, el lote bought (compra) pagó "
            "14 créditos de la deuda del asiento 4 (asiento 5). Pendiente de pago: 39 créditos."
        )

    async def test_to_a_grant_that_has_ended(self, town):
        await town(OpenAccount)
        await town(IssueGrant, "ends", "promotion", 14, expires_at=NOON + HOUR)
        await town(Authorize, "r", MODEL, outputs=(image(0),))
        await town.clock(DAY)
        await town(Refund, "r", "f", "late complaint", outputs=(0,))
        assert (await town.why())[9] == (
            "Journal row 3: 14 credits of grant ends, which had ended, to the new grant refund:f:1, "
            "which expires on 2 April 2026 at 12:00:00 UTC."
        )
        assert (await town.why(lang="es"))[9] == (
            "Asiento 3: 14 créditos del lote ends, ya terminado, al lote nuevo refund:f:1, "
            "que caduca el 2 de abril de 2026, 12:00:00 UTC."
        )
        assert (await town.facts("refund"))[0]["outputs"] == [{"index": 0, "credits": 14}]
        (returned,) = await town.facts("returned")
        assert (returned["from_grant_id"], returned["to_grant_id"], returned["seq"]) == ("ends", "refund:f:1", 3)


async def test_figures_are_the_journal_s(town):
    """Seqs, amounts and balances of the steps are those of the journal's rows; none of the charge's is left out."""
    await opened(town, 20)
    await town(Authorize, "r", MODEL)
    await town(Settle, "r", (image(0, 3840, 2160),))
    await town(IssueGrant, "second", "purchase", 100)
    await town(Refund, "r", "f", "r", credits=50)
    journal = await town._owner.fetch(
        "SELECT seq, amount, balance_after, grant_id FROM transfer WHERE book = 'wallet' AND request_id = 'r' ORDER BY seq"
    )
    told = [*await town.facts("transfer"), *await town.facts("returned")]
    assert [(f["seq"], f["credits"], f["balance_after"], f["grant_id"]) for f in told] == [
        tuple(row) for row in journal
    ]
    (refund,) = await town.facts("refund")
    assert (refund["posted_before"], refund["posted_after"]) == (-13, 37)
    (paid,) = await town.facts("debt_paid")
    fills = await town._owner.fetch("SELECT seq, paid_by_seq, grant_id, credits FROM fill")
    assert [tuple(row) for row in fills] == [(paid["seq"], paid["paid_by_seq"], paid["grant_id"], paid["credits"])]
    assert await town._owner.fetchval("SELECT outstanding FROM debt") == 0  # 13 that nobody had paid were refunded
    assert await town.facts("debt") == []


async def test_corrections_and_what_they_draw_and_return(town):
    """The image was larger than was measured, and then there was none: debt and all."""
    await opened(town, 20, credit_limit=50)
    await town(Authorize, "r", MODEL, quality="high", outputs=(image(0, None, None), failed(1)))
    await town(Correct, "c1", "r", (image(0, 2048, 2048),), "measured", "finance")
    await town.clock(HOUR)
    await town(IssueGrant, "more", "promotion", 40)
    await town(Correct, "c2", "r", (failed(0),), "never stored", "finance")
    when = "2 March 2026 at {}:00:00 UTC".format
    assert (await town.why())[8:] == [
        "Posted balance: 20 → 6 credits.",
        f"Correction c1 on {when(12)}: 53 credits more, by what was really delivered. Reason given: “measured”. "
        "Posted balance: 6 → −47 credits.",
        "Output 0 measures 2048×2048: its long edge is 2048 px. Tier 2K goes up to 2048 px: 0 px below its limit, "
        "512 px above tier 1K (up to 1536 px). It cost 14 credits and costs 67 since.",
        "Journal row 3: 6 credits from grant bought (purchase, priority 50, never expires). "
        "No other grant had credits left to draw on.",
        "Journal row 4: 47 credits that no grant covered, owed by the account.",
        f"On {when(13)}, grant more (promotion) paid 40 credits of the debt of row 4 (journal row 5). "
        "Left to pay: 7 credits.",
        f"Correction c2 on {when(13)}: 67 credits less, by what was really delivered. Reason given: “never stored”. "
        "Posted balance: −7 → 60 credits.",
        "Output 0 was not delivered. It cost 67 credits and costs 0 since.",
        "Journal row 6: 7 credits less debt, which no grant had paid.",
        "Journal row 7: 40 credits back to grant more.",
        "Journal row 8: 6 credits back to grant bought.",
        "Journal row 9: 14 credits back to grant bought.",
        "14 billed − 14 by corrections = 0 credits.",
    ]


async def test_a_correction_that_changes_nothing_in_all(town):
    await opened(town)
    await town(Authorize, "r", MODEL, n=2, quality="high", outputs=(image(0), failed(1)))
    await town(Correct, "c1", "r", (failed(0), image(1, None, None)), "indexes were mixed up", "finance")
    await town(Refund, "r", "f1", "blurred", credits=4)
    assert (await town.why())[-7:] == [
        "Correction c1 on 2 March 2026 at 12:00:00 UTC: the same in all, by what was really delivered. "
        "Reason given: “indexes were mixed up”. Posted balance: 986 → 986 credits.",
        "Output 0 was not delivered. It cost 14 credits and costs 0 since.",
        "Output 1 came back but was not measured: the quoted tier, 1K, applies. It cost 0 credits and costs 14 since.",
        "Journal row 3: nothing moves, 0 credits.",
        "Refund f1 on 2 March 2026 at 12:00:00 UTC: 4 credits. Reason given: “blurred”. "
        "Posted balance: 986 → 990 credits.",
        "Journal row 4: 4 credits back to grant bought.",
        "14 billed + 0 by corrections − 4 refunded = 10 credits.",
    ]


async def test_a_debt_that_the_correction_of_another_charge_paid(town):
    await opened(town, 14, credit_limit=50)
    await town(Authorize, "other", MODEL, quality="high", outputs=(image(0),))
    await town(Authorize, "r", MODEL, quality="low", outputs=(image(0),))
    await town(Correct, "c1", "other", (failed(0),), "never stored", "finance")
    assert (await town.why())[-1] == (
        "On 2 March 2026 at 12:00:00 UTC, through a correction of charge other, grant bought (purchase) paid 1 credit "
        "of the debt of row 3 (journal row 4). Nothing of it is owed any more."
    )
