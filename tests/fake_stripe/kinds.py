"""What a parameter may be: each kind turns text from the form into a value, or refuses it as Stripe does.

A specification is a dict of names to kinds; a dict in it is a group, a list of one is an array. `Required` marks what
must be there. `read` applies a specification.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .refusals import InvalidRequest

Kind = Any  # a callable (value, param) → value, a dict, a list of one kind, or a Required of one


@dataclass(frozen=True)
class Required:
    kind: Kind


def read(specification: dict[str, Kind], fields: dict[str, Any], within: str = "") -> dict[str, Any]:
    """The values of `fields`. Raises InvalidRequest: parameter_unknown, parameter_missing, or what the kind says."""
    for name in fields:
        if name not in specification:
            param = _param(within, name)
            raise InvalidRequest(f"Received unknown parameter: {param}", code="parameter_unknown", param=param)
    values = {}
    for name, kind in specification.items():
        param = _param(within, name)
        if isinstance(kind, Required):
            if name not in fields:
                raise InvalidRequest(f"Missing required param: {param}.", code="parameter_missing", param=param)
            kind = kind.kind
        if name in fields:
            values[name] = _read_one(kind, fields[name], param)
    return values


def _read_one(kind: Kind, value: Any, param: str) -> Any:
    if isinstance(kind, dict):
        return read(kind, _group(value, param), param)
    if isinstance(kind, list):
        group = _group(value, param)
        if not all(key.isdigit() for key in group):
            raise InvalidRequest("Invalid array", param=param)
        return [_read_one(kind[0], group[key], f"{param}[{key}]") for key in sorted(group, key=int)]
    return kind(value, param)


def _group(value: Any, param: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequest("Invalid object", param=param)
    return value


def _param(within: str, name: str) -> str:
    return f"{within}[{name}]" if within else name


def text(value: Any, param: str) -> str:
    if not isinstance(value, str):
        raise InvalidRequest("Invalid string", param=param)
    if value == "":
        raise InvalidRequest(
            f"You passed an empty string for '{param}'. We assume empty values are an attempt to unset a parameter; "
            f"however '{param}' cannot be unset.",
            code="parameter_invalid_empty",
            param=param,
        )
    return value


def at_most(length: int) -> Callable[[Any, str], str]:
    def limited(value: Any, param: str) -> str:
        if len(text(value, param)) > length:
            raise InvalidRequest(
                f"Invalid string: must be at most {length} characters", code="parameter_invalid_string", param=param
            )
        return value

    return limited


def integer(value: Any, param: str) -> int:
    try:
        return int(text(value, param))
    except ValueError:
        raise InvalidRequest(f"Invalid integer: {value}", code="parameter_invalid_integer", param=param) from None


def amount(value: Any, param: str) -> int:
    """Minor units, as much as one payment may have: 50 to 99,999,999."""
    minor_units = integer(value, param)
    if minor_units < 1:
        raise InvalidRequest("Invalid positive integer", code="parameter_invalid_integer", param=param)
    if minor_units > 99_999_999:
        raise InvalidRequest("Amount must be no more than $999,999.99", code="amount_too_large", param=param)
    return minor_units


def quantity(value: Any, param: str) -> int:
    if (number := integer(value, param)) < 1:
        raise InvalidRequest("Invalid positive integer", code="parameter_invalid_integer", param=param)
    return number


def unit_amount(value: Any, param: str) -> int:
    if (minor_units := integer(value, param)) < 0:
        raise InvalidRequest("Invalid non-negative integer", code="parameter_invalid_integer", param=param)
    return minor_units


def limit(value: Any, param: str) -> int:
    if not 1 <= (number := integer(value, param)) <= 100:
        raise InvalidRequest("Invalid limit: 1 to 100", code="parameter_invalid_integer", param=param)
    return number


def boolean(value: Any, param: str) -> bool:
    if value not in ("true", "false"):
        raise InvalidRequest(f"Invalid boolean: {value}", param=param)
    return value == "true"


def currency(value: Any, param: str) -> str:
    code = text(value, param).lower()
    if len(code) != 3 or not code.isalpha():
        raise InvalidRequest(f"Invalid currency: {value}.", param=param)
    return code


def url(value: Any, param: str) -> str:
    if not text(value, param).startswith(("http://", "https://")):
        raise InvalidRequest(
            "Not a valid URL: an explicit scheme (such as https) must be provided.", code="url_invalid", param=param
        )
    return value


@dataclass(frozen=True)
class OneOf:
    """Raises InvalidRequest for what is not allowed."""

    allowed: tuple[str, ...]

    def __call__(self, value: Any, param: str) -> str:
        if value not in self.allowed:
            raise InvalidRequest(f"Invalid {param}: must be one of {', '.join(self.allowed)}", param=param)
        return str(value)


def one_of(*allowed: str) -> OneOf:
    return OneOf(allowed)


def metadata(value: Any, param: str) -> dict[str, str]:
    """Up to 50 keys of 40 characters, values of 500: more is refused, so a caller learns it here."""
    group = {} if value == "" else _group(value, param)
    if len(group) > 50:
        raise InvalidRequest("Metadata can have at most 50 keys", param=param)
    for key, item in group.items():
        if not isinstance(item, str) or len(key) > 40 or len(item) > 500:
            raise InvalidRequest(
                "Metadata keys have at most 40 characters, values at most 500", param=f"{param}[{key}]"
            )
    return {key: item for key, item in group.items() if item != ""}


def period(value: Any, param: str) -> dict[str, int]:
    """`created`: one second, or bounds. As {"gte": …} and so on, seconds since 1970."""
    if isinstance(value, str):
        moment = integer(value, param)
        return {"gte": moment, "lte": moment}
    return read({"gt": integer, "gte": integer, "lt": integer, "lte": integer}, _group(value, param), param)
