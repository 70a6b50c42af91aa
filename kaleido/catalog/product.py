"""What every importer yields and everything later consumes: a product, its text and its photos."""

from collections.abc import Mapping
from dataclasses import dataclass, field

SPLITS = ("train", "validation", "test")

Box = tuple[float, float, float, float]
"""[x1, y1, x2, y2] in pixels of the photo, x2 and y2 exclusive."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part that the product's text names and whose place in a photo is known (generated catalogues only).

    Attributes:
        name: The part, for example `collar`.
        words: The words of the product's text that name it, lower case, for example `("v-neck",)`.
        box: Where it is in the photo.
    """

    name: str
    words: tuple[str, ...]
    box: Box


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo of a product.

    Attributes:
        id: Unique in the catalogue.
        uri: `SOURCE/PATH`: a key of the catalogue's sources, then the path inside that source: a file of a folder, a
            member of a zip, or a row of an HDF5 file.
        view: `front`, `back`, `zoom`, ... or empty where unknown.
        mask_uri: A grey picture of the photo's size, 255 on the product and 0 off it; empty where unknown.
        box: The product's true bounding box, None where unknown.
        parts: Parts with known places; empty where unknown.
    """

    id: str
    uri: str
    view: str = ""
    mask_uri: str = ""
    box: Box | None = None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Product:
    """One product of a catalogue.

    Attributes:
        id: Unique in the catalogue.
        title: Its name; may be empty if `description` is not.
        description: Free text; may be empty if `title` is not.
        category: For example `dresses`; empty where unlabelled.
        subcategory: For example `cocktail dresses`; empty where unlabelled.
        photos: At least one.
        split: `train`, `validation` or `test` where the catalogue prescribes it; empty where preparation may choose.
        attributes: Further columns, kept as text.
    """

    id: str
    title: str
    photos: tuple[Photo, ...]
    description: str = ""
    category: str = ""
    subcategory: str = ""
    split: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Title and description joined: what the model reads."""
        title, description = self.title.strip(), self.description.strip()
        if not title or not description:
            return title or description
        return f"{title} {description}" if title[-1] in ".!?" else f"{title}. {description}"
