"""Server-sent events as servers may write them, by the WHATWG's rules, cut into chunks anywhere."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.client import (
    AnswerReader,
    Comment,
    Event,
    EventReader,
    EventTooLong,
    NotUnderstood,
    Reading,
    Whole,
    json_of,
    read_events,
)

BOM = "\ufeff"

STREAMS: dict[str, tuple[str, list[Event | Comment]]] = {
    "with a space": ("data: a\n\n", [Event("a")]),
    "without a space": ("data:a\n\n", [Event("a")]),
    "one space is left off, no more": ("data:  a \n\n", [Event(" a ")]),
    "CRLF": ("event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n", [Event("a", "x"), Event("b")]),
    "CR": ("event: x\rdata: a\r\rdata: b\r\r", [Event("a", "x"), Event("b")]),
    "line ends of all kinds": ("data: a\r\ndata: b\rdata: c\n\r\n", [Event("a\nb\nc")]),
    "a byte-order mark": (BOM + "data: a\n\n", [Event("a")]),
    "only the first byte-order mark": (f"{BOM}data: {BOM}a\n\n{BOM}data: b\n\n", [Event(BOM + "a")]),
    "no blank line at the end": ("data: a\n\ndata: b\n", [Event("a"), Event("b")]),
    "no line end at the end": ("event: x\ndata: a", [Event("a", "x")]),
    "several lines": ('data: {"a":\ndata: 1}\n\n', [Event('{"a":\n1}')]),
    "an empty line of data": ("data\ndata:\n\n", [Event("\n")]),
    "empty data": ("data:\n\n", [Event("")]),
    "separators are data": ("data: \u2028\u2029\u0085\v\f\x1c\n\n", [Event("\u2028\u2029\u0085\v\f\x1c")]),
    "a type without data is none": ("event: x\n\ndata: a\n\n", [Event("a")]),
    "the last type counts": ("event: x\nevent: y\ndata: a\n\n", [Event("a", "y")]),
    "the id stays": (
        "id: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
        [Event("a", id="7"), Event("b", id="7"), Event("c")],
    ),
    "an id with NUL is none": ("id: 7\0\ndata: a\n\n", [Event("a")]),
    "unknown fields": ("retry: 10\nfoo: bar\n data: no\nDATA: no\ndata: a\n\n", [Event("a")]),
    "comments": (
        ": alive\n\n:\ndata: a\n:x\ndata: b\n\n",
        [Comment("alive"), Comment(""), Comment("x"), Event("a\nb")],
    ),
    "a comment that looks like data": (":data: a\n\n", [Comment("data: a")]),
    "nothing": ("", []),
    "blank lines": ("\n\n\r\n\r\r", []),
}


def read(text: bytes, cuts: list[int]) -> list[Event | Comment]:
    reader, found, at = EventReader(), [], 0
    for cut in [*sorted(cuts), len(text)]:
        found += reader.feed(text[at:cut])
        at = cut
    return found + reader.close()


@pytest.mark.parametrize(("text", "events"), STREAMS.values(), ids=STREAMS.keys())
def test_every_way_to_write_a_stream_however_it_arrives(text: str, events: list[Event | Comment]) -> None:
    data = text.encode()
    assert read(data, []) == events
    assert read(data, list(range(len(data)))) == events
    for cut in range(len(data)):
        assert read(data, [cut]) == events


@given(st.lists(st.sampled_from(list(STREAMS.values()))), st.data())
def test_streams_in_a_row_mean_the_same_however_they_are_cut(
    streams: list[tuple[str, list[Event | Comment]]], data: st.DataObject
) -> None:
    text = "\n\n".join(one for one, _ in streams).encode()
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=9))
    assert read(text, cuts) == read(text, [])


def test_what_is_no_unicode_spoils_its_own_characters_only() -> None:
    assert read(b"data: a\xffb\n\ndata: \xe2\x82\n\n", []) == [Event("a\ufffdb"), Event("\ufffd")]


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["", "image_generation.completed"]))
def test_what_is_sent_on_is_what_was_read(data: str, type: str) -> None:
    data = data.replace("\r\n", "\n").replace("\r", "\n")
    assert read(bytes(Event(data, type)), []) == [Event(data, type)]
    assert read(bytes(Comment("alive")), []) == [Comment("alive")]


@pytest.mark.parametrize("endless", [b"data: x", b"data: x\n", b": xxxxxxx", b"x"], ids=repr)
def test_an_event_without_end_is_refused_not_kept(endless: bytes) -> None:
    with pytest.raises(EventTooLong, match="more than 1000 bytes") as caught:
        list(read_events([endless] * 1_001, most_bytes=1_000))
    assert isinstance(caught.value, NotUnderstood)


def test_the_limit_is_one_events_not_the_streams() -> None:
    reader = EventReader(most_bytes=1_000)
    assert sum(len(reader.feed(b"data: " + b"x" * 900 + b"\n\n")) for _ in range(100)) == 100


def test_a_type_that_only_the_event_line_names() -> None:
    assert Event('{"b64_json": "x"}', "a.completed").document == {"b64_json": "x", "type": "a.completed"}
    assert Event('{"b64_json": "x"}', "a").complete == Event('{"b64_json": "x", "type": "a"}', "a")
    assert Event('{"type": "b",  "x": 1}', "a").complete.data == '{"type": "b",  "x": 1}'
    assert Event("[DONE]", "a").complete == Event("[DONE]", "a")
    assert Event('{"type": "b", "x": 1}', "a").document == {"type": "b", "x": 1}
    assert Event('{"type": null}', "a").document == {"type": "a"}
    assert Event("[DONE]").document is None
    assert Event("[1]", "a").document is None
    assert Event("it broke", "error").document == {"type": "error", "message": "it broke"}
    assert Event("[" * 100_000).document is None
    assert Event(json.dumps({"a": 1})).document == {"a": 1}


def test_what_is_no_number_in_json_is_none_for_who_is_sent_it_on() -> None:
    """Python reads and writes NaN, and a JavaScript client could read nothing of the answer that it stood in."""
    said = json_of('{"a": NaN, "b": [-Infinity, 1e999], "c": 1.5, "d": 2}')
    assert said == {"a": None, "b": [None, None], "c": 1.5, "d": 2}


def test_a_comment_that_names_us_is_a_sign_of_life_only() -> None:
    assert bytes(Comment("queued for org-whose1234")) == b": \n\n"


BLANKS = [b"\n", b" ", b"\r\n", BOM.encode(), b"\xef"]


@pytest.mark.parametrize("blanks", [BLANKS[:n] * 3 for n in range(4)], ids=repr)
def test_blanks_before_an_answer_are_signs_of_life_and_are_not_kept(blanks: list[bytes]) -> None:
    reader = AnswerReader(most_bytes=40)
    for chunk in [*blanks, *[b" " * 30] * 1_000, b'{"data"', b": []}"]:
        assert reader.feed(chunk) == []
    (whole,) = reader.close()
    assert isinstance(whole, Whole)
    assert whole.document == {"data": []}


@pytest.mark.parametrize("first", [b" ", b"\n", BOM.encode(), b" \n "])
def test_blanks_before_a_stream_mean_what_they_mean(first: bytes) -> None:
    text = first + b"data: a\ndata: b\n\n"
    reader = AnswerReader()
    cut = [part for at in range(len(text)) for part in reader.feed(text[at : at + 1])] + reader.close()
    assert cut == read(text, [])


def test_an_answer_without_end_is_refused_not_kept() -> None:
    with pytest.raises(NotUnderstood, match="more than 1000 bytes"):
        list(Reading(AnswerReader(most_bytes=1_000), [b"{"] * 1_001))


async def test_events_of_a_body_with_and_without_async() -> None:
    chunks = [b"data: a\n\nda", b"ta: b"]

    async def awaited() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    assert [event async for event in read_events(awaited())] == list(read_events(chunks)) == [Event("a"), Event("b")]
    with pytest.raises(TypeError, match="async for"):
        list(read_events(awaited()))
    with pytest.raises(TypeError, match="use `for`"):
        [event async for event in read_events(chunks)]
