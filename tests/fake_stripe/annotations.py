"""Holds JSON against the classes of the `stripe` package: does each field exist there, is its value of its type?

The library's annotations name classes that it imports for type checkers only, so they are evaluated here, with the
names of the class, its module and the package; what is in none of them is taken for anything.
"""

import builtins
import sys
import types
import typing
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, ForwardRef, Literal, Union

import stripe
from stripe import StripeObject
from stripe._list_object import ListObject
from stripe._stripe_object import UntypedStripeObject

RESOURCES = {
    "balance_transaction": stripe.BalanceTransaction,
    "charge": stripe.Charge,
    "checkout.session": stripe.checkout.Session,
    "customer": stripe.Customer,
    "dispute": stripe.Dispute,
    "event": stripe.Event,
    "item": stripe.LineItem,
    "payment_intent": stripe.PaymentIntent,
    "payment_method": stripe.PaymentMethod,
    "payout": stripe.Payout,
    "price": stripe.Price,
    "refund": stripe.Refund,
}


class _Names(dict[str, Any]):
    def __init__(self, owner: type) -> None:
        module = vars(sys.modules[owner.__module__])
        super().__init__({**vars(stripe), **module, **vars(owner)})

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name):
            raise KeyError(name)  # then it is looked up there
        return Any


def annotations(owner: type) -> dict[str, Any]:
    """Field → type, those of the class itself."""
    names = _Names(owner)
    return {name: evaluated(kind, names) for name, kind in vars(owner).get("__annotations__", {}).items()}


def evaluated(kind: Any, names: Any) -> Any:
    if isinstance(kind, ForwardRef):
        kind = kind.__forward_arg__
    return eval(kind, {}, names) if isinstance(kind, str) else kind


def problems(value: Any, kind: Any, names: Any, where: str) -> Iterator[str]:
    """What is wrong with `value` as a `kind`, a sentence each."""
    kind = evaluated(kind, names)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or isinstance(kind, typing.TypeVar):
        return
    if origin in (Union, types.UnionType):
        yield from _union(value, arguments, names, where)
    elif origin is Literal:
        if value not in arguments:
            yield f"{where}: {value!r} is none of {arguments}"
    elif origin in (list, ListObject) or kind is ListObject:
        items = value.get("data") if isinstance(value, dict) else value
        if not isinstance(items, list):
            yield f"{where}: no list: {value!r}"
            return
        for number, item in enumerate(items):
            yield from problems(item, arguments[0], names, f"{where}[{number}]")
    elif origin in (dict, UntypedStripeObject) or kind in (dict, UntypedStripeObject):
        if not isinstance(value, dict):
            yield f"{where}: no object: {value!r}"
    elif isinstance(kind, type) and issubclass(kind, StripeObject):
        yield from resource_problems(value, kind, where)
    elif kind is Decimal:
        if not isinstance(value, str | Decimal):  # the library reads the text
            yield f"{where}: no decimal: {value!r}"
    elif type(value) is not kind:
        yield f"{where}: {value!r} is no {kind.__name__}"


def _union(value: Any, arguments: tuple[Any, ...], names: Any, where: str) -> Iterator[str]:
    kinds = [evaluated(kind, names) for kind in arguments]
    if value is None and type(None) in kinds:
        return
    kinds = [kind for kind in kinds if kind is not type(None)]
    # `Union[Literal[…], str]` is how the library writes an enumeration that may grow: today's members are the Literal.
    if any(typing.get_origin(kind) is Literal for kind in kinds):
        kinds = [kind for kind in kinds if kind is not str]
    if isinstance(value, dict) and (named := RESOURCES.get(value.get("object", ""))):
        kinds = [named] if named in kinds or Any in kinds else kinds
    tried = [list(problems(value, kind, names, where)) for kind in kinds]
    yield from min(tried, key=len)


def resource_problems(value: Any, owner: type, where: str) -> Iterator[str]:
    """What is wrong with `value` as an object of the class `owner`."""
    if not isinstance(value, dict):
        yield f"{where}: no object: {value!r}"
        return
    fields, names = annotations(owner), _Names(owner)
    for name in value:
        if name not in fields:
            yield f"{where}.{name}: unknown to {owner.__qualname__}"
    for name, kind in fields.items():
        if typing.get_origin(kind) is typing.ClassVar:
            continue
        if name in value:
            yield from problems(value[name], kind, names, f"{where}.{name}")
        elif type(None) not in typing.get_args(kind):
            yield f"{where}.{name}: missing, though {owner.__qualname__} always has it"
