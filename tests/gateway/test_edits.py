"""Edits: forms as the official client sends them, and JSON; uploads reach the provider as they were."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import httpx
import pytest

from .city import City, Customer, GatewayProgram
from .pictures import png, sizes_of

DAY, MASK = png(640, 480), png(640, 480, "RGBA")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_an_image_and_a_mask(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer()
    with gateway.openai(customer) as client:
        answer = client.images.edit(
            model="gpt-image-2",
            prompt="by night, one image",
            image=("day.png", DAY, "image/png"),
            mask=("mask.png", MASK, "image/png"),
            size="1536x1024",
            quality="medium",
            n=2,
        )
    assert sizes_of(answer) == [(1536, 1024)] * 2
    charge = customer.the_charge()
    assert (charge["operation"], charge["settled_credits"]) == ("edit", 2 * 4)
    assert customer.balance() == (992, 0)
    (call,) = city.stand_in.calls("by night, one image")
    assert call["form"]
    assert call["images"] == [_digest(DAY), _digest(MASK)]
    assert (call["n"], call["size"]) == ("2", "1536x1024")


def test_several_images(gateway: GatewayProgram, city: City) -> None:
    customer, pictures = city.customer(), [png(64, 64), png(80, 64), png(96, 64)]
    with gateway.openai(customer) as client:
        answer = client.images.edit(
            model="gpt-image-2", prompt="all three [sizes=2048x1152]", image=pictures, quality="low"
        )
    assert sizes_of(answer) == [(2048, 1152)]
    assert customer.the_charge()["settled_credits"] == 2
    (call,) = city.stand_in.calls("all three")
    assert call["images"] == [_digest(picture) for picture in pictures]


def test_json(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer()
    with gateway.openai(customer) as client:
        answer = client.post(
            "/images/edits",
            cast_to=dict[str, Any],
            body={
                "model": "gpt-image-2",
                "prompt": "by night, as JSON",
                "images": [{"image_url": _data_url(DAY)}],
                "mask": {"image_url": _data_url(MASK)},
                "quality": "low",
            },
        )
    assert len(answer["data"]) == 1
    charge = customer.the_charge()
    assert (charge["operation"], charge["settled_credits"]) == ("edit", 1)
    (call,) = city.stand_in.calls("by night, as JSON")
    assert not call["form"]
    assert call["images"] == [_digest(DAY), _digest(MASK)]


def _data_url(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


BAD_FORMS: dict[str, tuple[dict[str, Any], list[tuple[str, Any]], str | None]] = {
    "no image": ({"prompt": "p"}, [("mask", ("m.png", MASK, "image/png"))], None),
    "an empty image": ({"prompt": "p"}, [("image", ("i.png", b"", "image/png"))], "image"),
    "two masks": (
        {"prompt": "p"},
        [("image", ("i.png", DAY)), ("mask", ("m.png", MASK)), ("mask", ("m.png", MASK))],
        None,
    ),
    "seventeen images": ({"prompt": "p"}, [("image[]", ("i.png", b"x"))] * 17, None),
    "thirty images": ({"prompt": "p"}, [("image[]", ("i.png", b"x"))] * 30, None),
    "an unknown file": ({"prompt": "p"}, [("image", ("i.png", DAY)), ("video", ("v.mp4", b"x"))], "video"),
    "no prompt": ({}, [("image", ("i.png", DAY))], "prompt"),
    "n is no number": ({"prompt": "p", "n": "many"}, [("image", ("i.png", DAY))], "n"),
    "n is too much": ({"prompt": "p", "n": "11"}, [("image", ("i.png", DAY))], "n"),
    "n twice": ({"prompt": "p", "n": ["1", "2"]}, [("image", ("i.png", DAY))], "n"),
    "an image that is text": ({"prompt": "p", "image": "https://x"}, [("mask", ("m.png", MASK))], "image"),
    "an unknown field": ({"prompt": "p", "colour": "red"}, [("image", ("i.png", DAY))], "colour"),
    "a prompt without end": ({"prompt": "p" * 40_000}, [("image", ("i.png", DAY))], "prompt"),
    "a prompt of a megabyte": ({"prompt": "p" * 1_000_000}, [("image", ("i.png", DAY))], None),
}


@pytest.mark.parametrize(("fields", "files", "param"), BAD_FORMS.values(), ids=BAD_FORMS.keys())
def test_bad_forms(
    gateway: GatewayProgram, city: City, fields: dict[str, Any], files: list[tuple[str, Any]], param: str | None
) -> None:
    customer = city.customer()
    for path in ("/v1/images/edits", "/v1/async/images/edits"):
        answer = gateway.post(customer, path, None, data=fields, files=files)
        _refused(answer, param)
    assert customer.charges() == []


BROKEN_FORMS = {
    "no boundary": ("multipart/form-data", b"--x\r\n\r\n--x--"),
    "another boundary": ("multipart/form-data; boundary=y", b"--x\r\n\r\n--x--"),
    "no end": ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nab'),
    "no name": ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\nab\r\n--x--\r\n"),
    "nothing": ("multipart/form-data; boundary=x", b""),
    "noise": ("multipart/form-data; boundary=x", bytes(range(256)) * 4),
    "an empty boundary": ("multipart/form-data; boundary=", b"----"),
    "a charset that is none": (
        "multipart/form-data; boundary=x; charset=nonsense",
        b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nab\r\n--x--\r\n',
    ),
    "a urlencoded form": ("application/x-www-form-urlencoded", b"prompt=p"),
    "a header of a part that is not Latin": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="\xff\xfe"; filename="\xff"\r\n\r\nab\r\n--x--\r\n',
    ),
}


@pytest.mark.parametrize(("content_type", "body"), BROKEN_FORMS.values(), ids=BROKEN_FORMS.keys())
def test_forms_that_are_none(gateway: GatewayProgram, city: City, content_type: str, body: bytes) -> None:
    customer = city.customer()
    answer = gateway.post(customer, "/v1/images/edits", content=body, headers={"Content-Type": content_type})
    _refused(answer, ...)


def _refused(answer: httpx.Response, param: Any) -> None:
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert param is ... or error["param"] == param, error


def test_an_image_that_is_none_is_the_providers_to_refuse(gateway: GatewayProgram, city: City) -> None:
    customer: Customer = city.customer()
    answer = gateway.post(
        customer, "/v1/images/edits", data={"prompt": "noise"}, files={"image": ("i.png", b"no image at all")}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_image")
    assert answer.headers["X-Billing-Outcome"] == "voided"
    assert customer.balance() == (1_000, 0)
