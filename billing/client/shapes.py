"""Where providers put images in their answers.

    OpenAI           {"data": [{"b64_json": "…"}, {"url": "…"}, {"error": {…}}]}
    Gemini           {"candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "…"}}]}}]}
    …

as a table of places and a table of members; `items` reads by them. Nothing else is looked at: no provider's word about
sizes, and no address is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

ITSELF = "itself"
"""The place that is all of an answer."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A place where images stand, `[]` for each of a list or for a single one in its stead. Only what is `mine` there
    counts. The place is known to be empty if `known_by`, by default all of `at`, is there and no image is."""

    whose: str
    at: str
    mine: Callable[[Any], bool] | None = None
    known_by: str | None = None


def _of_type(*names: str) -> Callable[[Any], bool]:
    return lambda item: member(item, "type") in names


def _may_be_one(item: Any) -> bool:
    kind = member(item, "type")
    return kind is None or "image" in str(kind)


def _is_final_part(part: Any) -> bool:
    """Of Gemini's: text is no image, and images in its thoughts are drafts, which Google does not bill either."""
    return not member(part, "thought") and any(member(part, name) for name in ("inlineData", "fileData"))


def _has_an_image(part: Any) -> bool:
    return any(member(part, name) for name in ("image", "image_url"))


def _is_an_item(answer: Any) -> bool:
    """A stream's event with its image, or an item that somebody hands over. Of objects only those are taken that say
    `b64_json`: any library's response has a `url`."""
    names = ("b64_json", "bytesBase64Encoded", "base64", "b64", "image_base64", "url", "inlineData")
    return any(is_there(answer, name) for name in (names if isinstance(answer, Mapping) else names[:1]))


is_call = _of_type("image_generation_call")

# The first place that holds an image is read, so those within others come first.
SHAPES = (
    Shape("MiniMax", "data.image_base64[]"),
    Shape("MiniMax", "data.image_urls[]"),
    Shape("Kling", "data.task_result.images[]"),
    Shape("relays that wrap fal's", "data.images[]"),
    Shape("OpenAI images; Azure, xAI, Together, Recraft, Ideogram, Seedream, CogView", "data[]"),
    Shape("fal, Bedrock, Stable Diffusion web UI, SiliconFlow", "images[]"),
    Shape("Gemini, also on Vertex", "candidates[].content.parts[]", _is_final_part, "candidates"),
    Shape("Vertex Imagen", "predictions[]"),
    Shape("Google's library for Imagen", "generatedImages[]"),
    Shape("OpenAI Responses", "output[]", is_call),
    Shape("OpenAI Responses, streamed item by item", "item", is_call, "nowhere"),
    Shape("OpenAI Responses, the stream's end", "response.output[]", is_call, "nowhere"),
    Shape("chat completions (OpenRouter)", "choices[].message.images[]", None, "choices[].message"),
    Shape("chat completions, streamed", "choices[].delta.images[]", None, "nowhere"),
    Shape("chat completions with parts", "choices[].message.content[]", _has_an_image, "choices[].message"),
    Shape("DashScope, a task", "output.results[]"),
    Shape("DashScope, at once", "output.choices[].message.content[]", _has_an_image, "output.choices"),
    Shape("Replicate, Runway", "output[]", _may_be_one),
    Shape("Gemini interactions", "outputs[]", _of_type("image")),
    Shape("Stability v1", "artifacts[]"),
    Shape("Cloudflare Workers AI", "result.image"),
    Shape("Black Forest Labs", "result.sample"),
    Shape("queues that wrap fal's", "result.images[]"),
    Shape("Leonardo", "generations_by_pk.generated_images[]"),
    Shape("Luma", "assets.image"),
    Shape("fal with one image, Stability v2", "image"),
    Shape("an image by itself", ITSELF, _is_an_item, "nowhere"),
)

# What an item's member of this name holds.
BASE64, ADDRESS, EITHER = "base64", "an address", "either"
MEMBERS = {
    "b64_json": BASE64,
    "bytesBase64Encoded": BASE64,  # Vertex
    "imageBytes": BASE64,  # Google's libraries
    "base64": BASE64,  # Stability
    "b64": BASE64,
    "image_base64": BASE64,
    "image": EITHER,  # Workers AI, DashScope; an object in Google's libraries
    "result": EITHER,  # Responses
    "inlineData": EITHER,  # Gemini: an object, with `data`
    "data": EITHER,
    "url": ADDRESS,
    "image_url": ADDRESS,  # chat completions: an object, with `url`
    "fileData": ADDRESS,  # Gemini: an object, with `fileUri`
    "fileUri": ADDRESS,
    "gcsUri": ADDRESS,  # Vertex
    "uri": ADDRESS,
}


def member(holder: object, name: str) -> Any:
    """A member of parsed JSON, or of an object that stands for it; None if there is none. Google's libraries spell
    `inlineData` as `inline_data`."""
    for spelling in _spellings(name):
        found = holder.get(spelling) if isinstance(holder, Mapping) else getattr(holder, spelling, None)
        if found is not None:
            return found
    return None


@cache
def _spellings(name: str) -> tuple[str, ...]:
    snake = re.sub("[A-Z]", lambda capital: "_" + capital[0].lower(), name)
    return (name,) if snake == name else (name, snake)


def places(holder: object, path: str) -> Iterator[Any]:
    """What stands at the path, nulls apart."""
    name, _, rest = path.partition(".")
    found = holder if name == ITSELF else member(holder, name.removesuffix("[]"))
    several = found if name.endswith("[]") and isinstance(found, (list, tuple)) else [found]
    for one in several:
        if rest:
            yield from places(one, rest)
        elif found is not None:
            yield one


def is_there(holder: object, path: str) -> bool:
    """Whether there is such a place, be it null or an empty list."""
    before, _, name = path.removesuffix("[]").rpartition(".")
    holders = places(holder, before) if before else [holder]
    return any(
        spelling in one if isinstance(one, Mapping) else hasattr(one, spelling)
        for one in holders
        for spelling in _spellings(name)
    )
