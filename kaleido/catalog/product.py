"""Products with their texts and photos, as importers make them and everything else reads them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kaleido.untrusted import NO_OTHER_KEYS, Finite

SPLITS = ("train", "validation", "test")

Box = tuple[Finite, Finite, Finite, Finite]
"""Box (x1, y1, x2, y2) in pixels of the photo; x2 and y2 are exclusive."""


@dataclass(frozen=True, slots=True)
class Part:
    """Part that the product's text names, with its place in a photo (generated catalogues only).

    Attributes:
        name: Name of the part, for example `collar`.
        words: Words of the product's text that name it, lower case, for example `("v-neck",)`.
        box: Bounding box in the photo.
    """

    __pydantic_config__ = NO_OTHER_KEYS

    name: str
    words: tuple[str, ...]
    box: Box


@dataclass(frozen=True, slots=True)
class Photo:
    """Photo of a product.

    Attributes:
        id: Identifier, unique in the catalogue.
        uri: `SOURCE/PATH`: a key of the catalogue's sources, then a file of a folder, a member of a zip, or a row of
            an HDF5 file.
        view: View of the product, for example `front`, `back` or `zoom`; empty if unknown.
        mask_uri: Uri of a grey picture of the photo's size, 255 on the product and 0 elsewhere; empty if unknown.
        box: True bounding box of the product; None if unknown.
        parts: Parts with known places; empty if unknown.
    """

    __pydantic_config__ = NO_OTHER_KEYS

    id: str
    uri: str
    view: str = ""
    mask_uri: str = ""
    box: Box | None = None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Product:
    """Product of a catalogue.

    Attributes:
        id: Identifier, unique in the catalogue.
        title: Name; may be empty if `description` is not.
        photos: Photos, at least one.
        description: Free text; may be empty if `title` is not.
        category: Category, for example `dresses`; empty if unlabelled.
        subcategory: Sub-category, for example `cocktail dresses`; empty if unlabelled.
        split: `train`, `validation` or `test` if prescribed; empty to leave the choice to `prepare`.
        attributes: Further columns as text.
    """

    __pydantic_config__ = NO_OTHER_KEYS

    id: str
    title: str = ""
    photos: tuple[Photo, ...] = ()
    description: str = ""
    category: str = ""
    subcategory: str = ""
    split: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Title and description joined, as the model reads them."""
        title, description = self.title.strip(), self.description.strip()
        if not title or not description:
            return title or description
        return f"{title} {description}" if title[-1] in ".!?" else f"{title}. {description}"
