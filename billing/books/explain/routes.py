"""GET /v1/accounts/{account_id}/charges/{request_id}/explain."""

from fastapi import Response

from billing.books.explain.models import AcceptLanguage, Explanation, ExplanationLanguage
from billing.books.explain.report import LANGUAGES, explain, preferred
from billing.core.refusals import AccountNotFound, ChargeNotFound
from billing.http.auth import Reading
from billing.http.charges import CHARGE
from billing.http.parameters import AccountId, RequestId
from billing.http.problems import responses
from billing.http.route import Router

router = Router(tags=["charges"])


@router.get(f"{CHARGE}/explain", response_model=Explanation, responses=responses(AccountNotFound, ChargeNotFound))
async def explain_charge(
    account_id: AccountId,
    request_id: RequestId,
    response: Response,
    caller: Reading,
    lang: ExplanationLanguage = None,
    accept_language: AcceptLanguage = None,
) -> Explanation:
    """Why the charge costs what it costs, step by step, from the request down to the journal.

    In the language that `lang` names, or else the one that `Accept-Language` prefers; the facts are the same in each.
    """
    language = LANGUAGES[lang or preferred(accept_language)]
    explained = await explain(caller.service.engine, caller.service.books, account_id, request_id)
    response.headers["Content-Language"] = language.code
    response.headers["Vary"] = "Accept-Language"
    return Explanation.of(explained, language)
