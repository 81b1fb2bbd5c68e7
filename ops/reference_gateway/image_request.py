"""What a customer asks for: OpenAI's parameters, and how they go on to billing and to the provider."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from billing.client.documents import Operation

from .errors import Refused, invalid

MOST_IMAGES = 16
_SIZES_OF_TIERS = {"1K": "1024x1024", "2K": "2048x2048", "4K": "3840x2160"}
_OURS = {"callback_url", "response_format", "uploads"}
"""Members that the provider is not told of; uploads go as files."""
_OF_TRANSPORT = {"extra_body", "extra_headers", "extra_query", "timeout"}
"""Options of a client's call, which some clients send along: they ask for nothing."""


def _encodes(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can spell
        raise ValueError("is not Unicode text") from None
    return text


Text = Annotated[str, AfterValidator(_encodes)]
Word = Annotated[Text, Field(min_length=1, max_length=128)]
EndUser = Annotated[Text, Field(max_length=256)]


class Terms(TypedDict):
    """What billing is told of a request."""

    model: str
    operation: Operation
    n: int
    size: str
    quality: str
    end_user: str | None


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form, passed on as it came and looked at by nobody here."""

    field: Literal["image[]", "mask"]
    content: bytes
    content_type: str

    def part(self) -> tuple[str, tuple[str, bytes, str]]:
        """As httpx takes it. The customer's name of the file stays here."""
        name = f"{self.field.removesuffix('[]')}.{self.content_type.partition('/')[2]}"
        return self.field, (name, self.content, self.content_type)


class Source(BaseModel):
    """An image to edit in a JSON body: a data URL, or an address that the provider fetches, not we."""

    model_config = ConfigDict(extra="forbid")
    image_url: Annotated[Text, Field(pattern=r"^(data:image/[a-z0-9.+-]+;base64,|https://)")]


class ImageRequest(BaseModel):
    """A request for images. What is null, or of a client's transport, is as if it were absent; unknown parameters are
    refused, as OpenAI does.

    Models, sizes and qualities are not checked here: the price book knows them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    prompt: Annotated[Text, Field(min_length=1, max_length=32_000)]
    model: Word = "gpt-image-2"
    n: Annotated[int, Field(ge=1, le=10)] = 1
    size: Word = "auto"
    quality: Word = "auto"
    background: Literal["transparent", "opaque", "auto"] | None = None
    moderation: Literal["low", "auto"] | None = None
    output_format: Literal["png", "jpeg", "webp", "avif"] | None = None
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = None
    response_format: Literal["b64_json"] | None = None
    safety_identifier: EndUser | None = None
    user: EndUser | None = None
    stream: bool = False
    partial_images: Annotated[int, Field(ge=0, le=3)] | None = None
    callback_url: Annotated[Text, Field(max_length=2_000)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _what_is_asked(cls, members: Any) -> Any:
        if isinstance(members, dict):
            return {name: said for name, said in members.items() if said is not None and name not in _OF_TRANSPORT}
        return members

    @property
    def operation(self) -> Operation:
        return "generation"

    def terms(self) -> Terms:
        """What billing is told."""
        return Terms(
            model=self.model,
            operation=self.operation,
            n=self.n,
            size=self.size,
            quality=self.quality,
            end_user=self.safety_identifier or self.user or None,
        )

    def to_provider(self) -> dict[str, Any]:
        """The body as httpx takes it: what was said, and no more than the model beside it."""
        body = self.model_dump(exclude_none=True, exclude_unset=True, exclude=_OURS)
        body |= {"model": self.model, "size": _SIZES_OF_TIERS.get(self.size, self.size)}
        return {"json": body}

    def digest(self) -> str:
        """SHA-256 of all that was asked, but how many."""
        asked = self.model_dump(exclude_none=True, exclude={"n", "uploads"})
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


class Edit(ImageRequest):
    """A request to edit images: files of a form, or sources in JSON."""

    input_fidelity: Literal["high", "low"] | None = None
    images: Annotated[list[Source], Field(max_length=MOST_IMAGES)] = []
    mask: Source | None = None
    uploads: tuple[Upload, ...] = ()

    @model_validator(mode="after")
    def _has_an_image(self) -> Edit:
        uploaded = sum(upload.field == "image[]" for upload in self.uploads)
        if len(self.uploads) - uploaded > 1:
            raise ValueError("an edit takes one mask")
        if not 1 <= uploaded + len(self.images) <= MOST_IMAGES:
            raise ValueError(f"an edit takes 1 to {MOST_IMAGES} images")
        return self

    @property
    def operation(self) -> Operation:
        return "edit"

    def to_provider(self) -> dict[str, Any]:
        body: dict[str, Any] = super().to_provider()["json"]
        if not self.uploads:
            return {"json": body}
        fields = {name: json.dumps(value) if isinstance(value, bool) else str(value) for name, value in body.items()}
        return {"data": fields, "files": [upload.part() for upload in self.uploads]}

    def digest(self) -> str:
        digest = hashlib.sha256(super().digest().encode())
        for upload in self.uploads:
            digest.update(f"{upload.field} {len(upload.content)}\n".encode())
            digest.update(upload.content)
        return digest.hexdigest()


def said_badly(error: ValidationError) -> Refused:
    """The first thing that is wrong with a request, without repeating what was said."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    param = ".".join(str(part) for part in first["loc"]) or None
    if first["type"] == "extra_forbidden":
        return invalid(f"Unknown parameter: {param!r}.", param, code="unknown_parameter")
    if first["type"] == "missing":
        return invalid(f"Missing required parameter: {param!r}.", param, code="missing_required_parameter")
    return invalid(f"{param}: {first['msg']}" if param else first["msg"], param)
