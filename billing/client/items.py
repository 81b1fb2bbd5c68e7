"""The images of a provider's answer, one by one.

An answer in which no shape finds an image is an empty one only if it says so (an empty list in a known place, an error, a
filter's reason) and holds nothing anywhere that looks like an image. Otherwise it is not understood, which is said.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from billing.client.outcome import NotUnderstood, is_of_somebody_behind
from billing.client.shapes import ADDRESS, BASE64, EITHER, MEMBERS, SHAPES, is_call, is_there, member, places
from billing.client.size import format_of


@dataclass(frozen=True, slots=True)
class AnswerItem:
    """One image of an answer: its bytes, its base64, a data URL, or the `address` where it lies. Without one, `why` says
    why there is none; with `odd`, there is something that nobody here can read. `call` is the provider's name of what
    made it, under which a stream may show it twice."""

    image: str | bytes | None = None
    address: bool = False
    why: str | None = None
    odd: bool = False
    call: str | None = None
    found: object = None
    """Where it was found."""


# Words for "not yet": what comes later is not missing.
_NOT_YET = re.compile(
    r"(in[_ ]?)?(queued?|progress|process(ing)?)|pending|running|starting|started|submitted|generating|waiting|dreaming",
    re.IGNORECASE,
)
_FILTERED = ("raiFilteredReason", "blockReason", "finishReason", "finish_reason", "filtered_reason")
_FINE = frozenset({"STOP", "SUCCESS"})
_SHOWN_IN_TEXT = re.compile(r"^data:|data:image/|!\[[^\]]*\]\(")
_BEGINS_WITH_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
URL_SAFE = str.maketrans("-_", "+/")
_TEXTS = (str, bytes, bytearray, memoryview)
_NOTHING = (type(None), bool, int, float)


def is_preview(answer: object) -> bool:
    """Whether it is a stream's partial image, which is no output. Seedream's `partial_succeeded` is one of several
    final ones."""
    kind = member(answer, "type")
    if isinstance(kind, str):
        return kind.endswith("partial_image")
    return member(answer, "partial_image_index") is not None


def is_event(answer: object) -> bool:
    """Whether it is an event of a stream, by its type: `image_generation.completed`, `error`."""
    kind = member(answer, "type")
    return isinstance(kind, str) and ("." in kind or kind == "error")


def read_answer(answer: object) -> tuple[list[AnswerItem], str | None]:
    """The images of what a provider sent, in their order, and why there are fewer than were asked for, if it says so.
    Takes an answer, parsed or as an object of a client library; an image, as bytes, as text or as an item of such an
    answer; or a list of these. Raises `NotUnderstood`."""
    if not isinstance(answer, (list, tuple)):
        return _read_one(answer)
    items: list[AnswerItem] = []
    why: str | None = None
    for one in answer:
        if is_preview(one):
            continue
        item = item_of(one)
        more, its_why = _read_one(one) if item.odd else ([item], None)
        items += more
        why = why or its_why
    if answer and all(map(is_preview, answer)):
        raise NotUnderstood("nothing but previews")
    return items, why


def _read_one(answer: object) -> tuple[list[AnswerItem], str | None]:
    if isinstance(answer, (*_TEXTS, *_NOTHING)):
        item = item_of(answer)
        if item.odd:
            raise NotUnderstood("a text that is neither an image in base64 nor an address")
        return [item], None
    if is_preview(answer):
        raise NotUnderstood("a preview is no image yet")
    odd, known = False, isinstance(member(answer, "error"), Mapping) or member(answer, "type") == "error"
    empty: list[AnswerItem] = []
    for shape in SHAPES:
        items = [item_of(found) for found in places(answer, shape.at) if shape.mine is None or shape.mine(found)]
        if any(item.image is not None for item in items):
            return items, message_of(answer)
        odd = odd or any(item.odd for item in items)
        known = known or any(not item.odd for item in items) or is_there(answer, shape.known_by or shape.at)
        empty = empty or items
    _check_that_it_is_empty(answer)
    why = message_of(answer)
    if why is None and (odd or not known):
        raise NotUnderstood(f"the provider's answer is not understood: {described(answer)}")
    return empty, why


def _check_that_it_is_empty(answer: object) -> None:
    """Raises `NotUnderstood` where images are, or may come, that no shape tells of."""
    if holds_an_image(answer):
        raise NotUnderstood(f"the provider's answer holds an image where none is known to be: {described(answer)}")
    for holder in (answer, *(member(answer, name) for name in ("output", "data", "result", "response"))):
        for name in ("status", "state", "task_status"):
            word = member(holder, name)
            if isinstance(word, str) and _NOT_YET.fullmatch(word):
                raise NotUnderstood(f"the provider is still at work ({word[:40]})")
    if is_of_somebody_behind(error_of(answer)):
        raise NotUnderstood("whoever stands before the provider got no answer from it")


def item_of(found: object) -> AnswerItem:
    """What one place holds."""
    if isinstance(found, (bytes, bytearray, memoryview)):
        return AnswerItem(image=bytes(found)) if found else AnswerItem(why="the image is empty")
    if isinstance(found, str):
        return _text(found, EITHER)
    if isinstance(found, _NOTHING) or found in ([], ()):
        return AnswerItem(why="not an image")
    item = _image_in(found)
    if item is not None and item.image is not None:
        return replace(item, call=member(found, "id") if is_call(found) else None, found=found)
    if holds_an_image(found):
        return AnswerItem(odd=True, found=found)
    why = message_of(found) or _filtered(found)
    if why is not None:
        return AnswerItem(why=why)
    if item is None and (_has_a_place(found) or _is_all_null(found)):
        return AnswerItem(why="no image in this item")
    return AnswerItem(odd=True, found=found)


def _image_in(holder: object, levels: int = 3) -> AnswerItem | None:
    """The image that a member of an item is, or what is odd there; None if all its members are empty."""
    odd = None
    for name, kind in MEMBERS.items():
        held = member(holder, name)
        if isinstance(held, _NOTHING) or held in ("", b"", [], {}):
            continue
        if isinstance(held, (bytes, bytearray, memoryview)):
            return AnswerItem(image=bytes(held))
        item: AnswerItem | None = AnswerItem(odd=True)
        if isinstance(held, str):
            item = _text(held, BASE64 if kind is EITHER and _says_image(holder) else kind)
        elif levels and not isinstance(held, (list, tuple)) and (_has_a_place(held) or _is_all_null(held)):
            item = _image_in(held, levels - 1)
        if item is not None and item.image is not None:
            return item
        odd = odd or item
    return odd


def _has_a_place(holder: object) -> bool:
    return any(is_there(holder, name) for name in MEMBERS)


def _is_all_null(holder: object) -> bool:
    return isinstance(holder, Mapping) and all(value is None for value in holder.values())


def _says_image(holder: object) -> bool:
    mime = member(holder, "mimeType")
    return isinstance(mime, str) and mime.startswith("image/")


def _text(text: str, kind: str) -> AnswerItem:
    """Base64 and addresses are taken at their member's word, so that what cannot be measured is unmeasured. A text that
    nobody promised to be an image must look like one."""
    if not text:
        return AnswerItem(why="no image in this item")
    if text.startswith("data:") or format_of(head_of(text)) is not None:
        return AnswerItem(image=text)
    if kind is ADDRESS or _BEGINS_WITH_SCHEME.match(text):
        return AnswerItem(image=text, address=True)
    return AnswerItem(image=text) if kind is BASE64 else AnswerItem(odd=True)


def head_of(text: str, characters: int = 64) -> bytes:
    """What the first of its characters spell in base64, white space apart; empty if they spell nothing."""
    spelt = "".join(text[: 2 * characters].split())[:characters].translate(URL_SAFE).rstrip("=")
    try:
        return base64.b64decode(spelt + "=" * (-len(spelt) % 4), validate=True)
    except ValueError:  # binascii.Error, or characters that are not ASCII
        return b""


def error_of(answer: object) -> object:
    """The error in an answer or an event: OpenAI's member of this name, or the event itself."""
    return member(answer, "error") or member(member(answer, "response"), "error") or answer


def message_of(holder: object) -> str | None:
    """Why there is no image, as an answer or an item says it: `{"error": {"code", "message"}}` as OpenAI has it, a bare
    text, `errors` (Stability, Cloudflare), `code` and `message` side by side (DashScope, a stream's error), within
    `response` (Responses, streamed), a filter's reason (Gemini)."""
    error = member(holder, "error") or member(member(holder, "response"), "error")
    if isinstance(error, str) and error:
        return error
    if (said := _said(error)) is not None:
        return said
    errors = member(holder, "errors")
    if isinstance(errors, (list, tuple)) and errors:
        return _said(errors[0]) or str(errors[0])
    says_why = isinstance(member(holder, "code"), str) or member(holder, "type") == "error"
    if says_why and isinstance(member(holder, "message"), str):
        return _said(holder)
    filters = (_filtered(place) for place in (member(holder, "promptFeedback"), *places(holder, "candidates[]")))
    return next(filter(None, filters), None)


def _said(error: object) -> str | None:
    parts = [str(part) for part in (member(error, "code"), member(error, "message")) if part]
    return ": ".join(parts) or None


def _filtered(holder: object) -> str | None:
    reasons = (member(holder, name) for name in _FILTERED)
    return next((reason for reason in reasons if isinstance(reason, str) and reason.upper() not in _FINE), None)


def holds_an_image(answer: object) -> bool:
    """Whether anything in parsed JSON, however deep, looks like an image. What an error says of data URLs is no image."""
    waiting: list[object] = [answer]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            waiting += (value for name, value in one.items() if name != "message" or _is_text_of_an_image(value))
        elif isinstance(one, (list, tuple)):
            waiting += one
        elif isinstance(one, (str, bytes)) and _looks_like_an_image(one):
            return True
    return False


def _is_text_of_an_image(message: object) -> bool:
    """Of a member that is named `message`: a chat's is an object, an error's is prose."""
    return not isinstance(message, str) or message.startswith("data:") or format_of(head_of(message)) is not None


def _looks_like_an_image(text: str | bytes) -> bool:
    if isinstance(text, str) and _SHOWN_IN_TEXT.search(text):
        return True
    return format_of(head_of(text) if isinstance(text, str) else text) is not None


def described(answer: object) -> str:
    """Its outline, for a log: names only, never what a provider says."""
    if isinstance(answer, Mapping):
        return f"an object of {', '.join(sorted(map(repr, answer))[:8]) or 'nothing'}"[:200]
    return type(answer).__name__
