"""The hosted checkout page, plain: what is sold, for how much, and a button for each way it can go."""

from html import escape

from .expansion import line_items
from .world import Object, World

_STYLE = (
    "body{font:16px system-ui;max-width:26rem;margin:3rem auto;padding:0 1rem;color:#1a1f36}"
    "h1{font-size:1rem;color:#697386}table{width:100%;border-collapse:collapse}td{padding:.4rem 0}"
    "td:last-child{text-align:right}.total{font-size:1.6rem;font-weight:600;border-top:1px solid #e3e8ee}"
    "button{font:inherit;display:block;width:100%;margin:.5rem 0;padding:.6rem;border:1px solid #c1c9d2;"
    "border-radius:6px;background:#fff;cursor:pointer}button.main{background:#635bff;color:#fff;border:0}"
    ".note{background:#fef2f2;padding:.6rem;border-radius:6px}small{color:#697386}"
)
_WITHOUT_CENTS = {"clp", "jpy", "krw", "vnd"}


def checkout(world: World, session: Object, note: str | None = None) -> str:
    """HTML of the page of an open session; `note` tells what went wrong before."""
    rows = "".join(
        f"<tr><td>{escape(item['description'])} × {item['quantity']}</td>"
        f"<td>{money(item['amount_total'], item['currency'])}</td></tr>"
        for item in line_items(world, session)["data"]
    )
    asked = session["_payment"].get("setup_future_usage")
    choice = "" if asked else '<label><input type="checkbox" name="save"> Save this card for future purchases</label>'
    if asked:
        choice = "<small>The card is saved for future purchases.</small>"
    return _page(
        f"{f'<p class=note>{escape(note)}</p>' if note else ''}"
        f"<table>{rows}<tr class=total><td>Total</td>"
        f"<td>{money(session['amount_total'], session['currency'])}</td></tr></table>"
        f"<form method=post>{choice}"
        f"<button class=main name=card value=pm_card_visa>Pay with 4242 4242…</button>"
        f"<button name=card value=pm_card_authenticationRequired>Pay with a card that asks for 3-D Secure</button>"
        f"<button name=card value=pm_card_chargeDeclined>Pay with a card that is declined</button>"
        f"<button name=card value=pm_usBankAccount>Pay by bank debit (takes days)</button>"
        f"<button name=card value=cancel>← Cancel</button></form>"
    )


def authentication() -> str:
    """HTML of the bank's question."""
    return _page(
        "<p>Your bank asks: is it you?</p><form method=post>"
        "<button class=main name=secure value=complete>Complete authentication</button>"
        "<button name=secure value=fail>Fail authentication</button></form>"
    )


def notice(text: str) -> str:
    return _page(f"<p>{escape(text)}</p>")


def money(amount: int, currency: str) -> str:
    """`amount` in minor units."""
    if currency in _WITHOUT_CENTS:
        return f"{amount:,} {currency.upper()}"
    return f"{amount // 100:,}.{amount % 100:02} {currency.upper()}"


def _page(body: str) -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Checkout (fake Stripe)</title><style>{_STYLE}</style><h1>Fake Stripe · no money moves</h1>{body}</html>"
    )
