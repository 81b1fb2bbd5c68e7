"""What a customer is given of a provider's answer: its images, as items of OpenAI's `data[]`."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from billing.client.items import AnswerItem, read_answer
from billing.client.output import begin_of_base64, output_of
from billing.client.shapes import member
from billing.client.words import untold


def data_of(answer: object, calls: set[str] | None = None) -> list[dict[str, Any]]:
    """The images of an answer, each with `b64_json` or `url`; and what is odd beside them, as it is but for secrets. What
    is reported as failed is not among them, so that as much is given as is billed.

    `calls` are those whose images were given before, for who gives those of a stream event by event: it ends with all
    there was. Those of this answer are added. Raises `NotUnderstood`.
    """
    known = set() if calls is None else calls
    given = []
    for item in read_answer(answer)[0]:
        if item.call in known or output_of(0, item)["status"] == "failed":
            continue
        given.append(_datum(item))
        if item.call is not None:
            known.add(item.call)
    return given


def _datum(item: AnswerItem) -> dict[str, Any]:
    if item.odd:
        found = untold(item.found)
        return dict(found) if isinstance(found, Mapping) else {"odd": found}
    prompt = member(item.found, "revised_prompt")
    beside = {"revised_prompt": prompt} if isinstance(prompt, str) else {}
    if isinstance(item.image, bytes):
        return {"b64_json": base64.b64encode(item.image).decode("ascii"), **beside}
    assert item.image is not None
    begin = None if item.address else begin_of_base64(item.image)
    return {"url": item.image, **beside} if begin is None else {"b64_json": unquote(item.image[begin:]), **beside}
