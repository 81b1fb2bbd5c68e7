"""Parameters that several routes take from their path or query."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Path, Query, Response
from pydantic import BeforeValidator

from billing.core.instants import instant_of
from billing.core.refusals import Invalid
from billing.core.text import IDENTIFIER
from billing.http.service import Service, service_of

AccountId = Annotated[str, Path(pattern=IDENTIFIER, max_length=64, description="as it was chosen at its opening")]
RequestId = Annotated[
    str, Path(pattern=IDENTIFIER, max_length=64, description="of the charge, as the gateway chose it")
]
Limit = Annotated[int, Query(ge=1, le=200, description="how many at most, 1 to 200")]
Cursor = Annotated[str | None, Query(max_length=1000, description="`next_cursor` of the page before")]
Moment = Annotated[datetime, BeforeValidator(instant_of)]
Start = Annotated[Moment | None, Query(description="RFC 3339, inclusive")]
End = Annotated[Moment | None, Query(description="RFC 3339, exclusive")]
OneAccount = Annotated[
    str | None, Query(pattern=IDENTIFIER, max_length=64, description="of this account only; default: of all")
]
The = Annotated[Service, Depends(service_of)]
Search = Annotated[str | None, Query(max_length=256, description="only those with exactly this, up to 256 characters")]


def clean(**searched: str | None) -> None:
    """Raises Invalid for what PostgreSQL could not even compare with."""
    for name, value in searched.items():
        if value is not None and ("\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value)):
            raise Invalid.of(name, "must not contain NUL or unpaired surrogates")


def answered(response: Response, replayed: bool, *, created: int = 201) -> None:
    """201 for what is new; 200 and a header for a call that had been answered before."""
    if replayed:
        response.status_code = 200
        response.headers["Idempotent-Replayed"] = "true"
    else:
        response.status_code = created
