"""GET /v1/accounts/{account_id}/charges/{request_id}/explain."""

from billing.books.explain.report import ChargeExplanation, explain
from billing.core.refusals import AccountNotFound, ChargeNotFound
from billing.http.auth import Reading
from billing.http.charges import CHARGE
from billing.http.languages import Spoken
from billing.http.parameters import AccountId, RequestId
from billing.http.problems import responses
from billing.http.route import Router

router = Router(tags=["charges"])


@router.get(f"{CHARGE}/explain", responses=responses(AccountNotFound, ChargeNotFound))
async def explain_charge(
    account_id: AccountId, request_id: RequestId, caller: Reading, language: Spoken
) -> ChargeExplanation:
    """Why the charge costs what it costs, step by step, from the request down to the journal.

    In the language that `lang` names, or else the one that `Accept-Language` prefers; the facts are the same in each.
    """
    return await explain(caller.service.engine, caller.service.books, account_id, request_id, language)
