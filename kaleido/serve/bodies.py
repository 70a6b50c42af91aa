"""Bodies of requests and answers."""

import base64
import binascii
import json
from typing import Annotated, Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

LONGEST_TEXT, LONGEST_FILTER, MOST_LABELS, LONGEST_ID = 2000, 2000, 1000, 1000
DEFAULT_TOP = 24

JSON, FORM = "application/json", "multipart/form-data"


def _photo_bytes(value: Any) -> Any:
    """Decodes base64, also with the beginning of a `data:` address; bytes of an upload stay as they are."""
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value.rpartition("base64,")[2], validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("must be the photo's bytes in base64") from None


def _lines(value: Any) -> Any:
    """Cuts a form's field into lines."""
    items = [value] if isinstance(value, str) else value
    if isinstance(items, list) and all(isinstance(item, str) for item in items):
        return [line.strip() for item in items for line in item.splitlines() if line.strip()]
    return items


Photo = Annotated[
    bytes | None,
    BeforeValidator(_photo_bytes, json_schema_input_type=str | None),
    Field(description="The bytes of a picture file: an uploaded file, or base64 in JSON."),
]
Text = Annotated[str | None, Field(max_length=LONGEST_TEXT, description="Words, of any language the model has seen.")]
Where = Annotated[
    str | None,
    Field(max_length=LONGEST_FILTER, description="Filter on columns: `category = 'dresses' and price < 50`."),
]
Top = Annotated[int, Field(ge=1, description="Number of results.")]
Rerank = Annotated[int, Field(ge=0, le=100, description="How many of the first results the matching head sorts again.")]
Identifier = Annotated[str, Field(min_length=1, max_length=LONGEST_ID, description="Id of a product.")]


class Body(BaseModel):
    """A request's body; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class PhotoBody(Body):
    """A photo."""

    photo: Photo = None


class PhotoAndText(PhotoBody):
    """A photo, a text, or both."""

    text: Text = None


class SearchBody(PhotoAndText):
    """Query of a search: a text, a photo, or both (like this photo, but as the text says)."""

    where: Where = None
    top: Top = DEFAULT_TOP
    rerank: Rerank = 0


class ClassifyBody(PhotoAndText):
    """Photo and text to predict labels of."""

    top: Annotated[int, Field(ge=1, le=1000, description="Number of labels.")] = 3


class TagBody(PhotoBody):
    """A photo, and the labels to choose from; `{label}` in a prompt stands for each of them."""

    labels: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]],
        BeforeValidator(_lines),
        Field(min_length=1, max_length=MOST_LABELS, description="Labels in free text; one a line in a form."),
    ]
    prompts: Annotated[
        list[Annotated[str, Field(max_length=LONGEST_TEXT)]],
        BeforeValidator(_lines),
        Field(min_length=1, max_length=20, description="Texts that a label is put into."),
    ] = ["{label}"]
    threshold: Annotated[float | None, Field(description="Least cosine of a label that is given.")] = None
    top: Annotated[int, Field(ge=1, le=MOST_LABELS, description="Number of labels.")] = 5


class WhyBody(PhotoBody):
    """A photo and a text."""

    text: Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]


class Error(BaseModel):
    """Tells why a request was refused."""

    error: str


class Label(BaseModel):
    """A label with its probability."""

    label: str
    probability: float


class HitAnswer(BaseModel):
    """A found product."""

    id: str
    score: Annotated[float, Field(description="Cosine of query and photo.")]
    match: Annotated[float | None, Field(description="Probability by the matching head, where it was asked for.")]
    title: str
    photo: Annotated[str | None, Field(description="Key of the photo, for /api/thumbnail.")]
    fields: Annotated[dict[str, Any], Field(description="Columns of the catalogue.")]


class Hits(BaseModel):
    """Found products, the best first."""

    hits: list[HitAnswer]
    milliseconds: float
    notes: Annotated[list[str], Field(description="What was not read of the text.")]


class Product(BaseModel):
    """A product; caption and labels where they were asked for and a model can tell."""

    id: str
    title: str
    photos: list[str]
    fields: dict[str, Any]
    caption: str | None = None
    labels: dict[str, list[Label]] | None = None


class Labels(BaseModel):
    """Labels by the name of what they tell."""

    labels: dict[str, list[Label]]


class Tag(BaseModel):
    """A label with the cosine of photo and label."""

    label: str
    score: float


class Tags(BaseModel):
    """The best of the given labels."""

    tags: list[Tag]


class Word(BaseModel):
    """A word of the text and how much it counted."""

    word: str
    weight: float


class Patch(BaseModel):
    """A part of the photo, in pixels [x1, y1, x2, y2], and how much it counted."""

    level: int
    row: int
    column: int
    box: list[int]
    weight: float


class Pair(BaseModel):
    """A word and a patch, by their places in the lists, and how much they belong together."""

    word: int
    patch: int
    weight: float


class Why(BaseModel):
    """Words and patches that made a text and a photo similar."""

    width: int
    height: int
    score: float
    words: list[Word]
    patches: list[Patch]
    pairs: list[Pair]


class Caption(BaseModel):
    """A description of a photo."""

    caption: str


class Vector(BaseModel):
    """A vector of length 1, or the pooled output of an encoder."""

    vector: list[float]


Content = TypeVar("Content", bound=Body)


async def read_body(request: Request, kind: type[Content]) -> Content:
    """Reads a body, as JSON or as a form.

    Raises:
        HTTPException: 400 if it is neither, 415 if it says so, 422 if a field is wrong.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if media == JSON:
            return kind.model_validate_json(await request.body() or b"{}")
        if media == FORM:
            return kind.model_validate(await _form(request))
    except ValidationError as error:
        raise HTTPException(422, describe(error.errors(include_url=False, include_context=False))) from None
    raise HTTPException(415, f"send {JSON} or {FORM}. Received: {media[:100] or 'nothing'}")


async def _form(request: Request) -> dict[str, Any]:
    values: dict[str, Any] = {}
    try:
        async with request.form(max_files=1, max_fields=MOST_LABELS + 20, max_part_size=100_000) as form:
            for name in form:
                found = [await one.read() if isinstance(one, UploadFile) else one for one in form.getlist(name)]
                values[name] = found[0] if len(found) == 1 else found
    except HTTPException:
        raise
    except Exception as error:  # what parsers of damaged forms raise has no end
        raise HTTPException(400, f"the form cannot be read: {type(error).__name__}") from None
    # Browsers send empty fields for what was not filled in.
    return {name: value for name, value in values.items() if value != ""}


def describe(errors: Any) -> str:
    """Says in a line what is wrong with which field."""
    parts = []
    for one in list(errors)[:3]:
        place = ".".join(str(part) for part in one["loc"] if part not in ("query", "body"))
        received = one.get("input")
        shown = f". Received: {json.dumps(received)[:100]}" if isinstance(received, str | int | float) else ""
        parts.append(f"{place and place + ': '}{one['msg'].removeprefix('Value error, ')}{shown}")
    return "; ".join(parts) or "the request is not complete"


def body_schema(kind: type[Body]) -> dict[str, Any]:
    """Describes a body in OpenAPI, as JSON and as a form."""
    schema = kind.model_json_schema()
    form = json.loads(json.dumps(schema))
    if "photo" in form["properties"]:
        form["properties"]["photo"] = {"type": "string", "format": "binary", "title": "Photo"}
        schema["properties"]["photo"] |= {"contentEncoding": "base64"}
    return {"requestBody": {"required": True, "content": {JSON: {"schema": schema}, FORM: {"schema": form}}}}
