"""Findings, and the kinds of them."""

from dataclasses import dataclass

KINDS = {
    "duplicate_product": ("Products that are there twice", "Photo and text are those of another product."),
    "duplicate_photo": ("Photos that are there twice", "Another product has the same photo, maybe edited."),
    "mismatch": (
        "Photo and text that do not belong together",
        "The text describes something else than the photo shows.",
    ),
    "wrong_label": ("Labels that are probably wrong", "Photo and text look like another class."),
    "unreadable_photo": ("Photos that cannot be read", "The file is missing, damaged or no picture."),
    "blank_photo": ("Blank photos", "The photo shows nothing but one colour."),
    "tiny_photo": ("Tiny photos", "The photo has too few pixels."),
    "blurred_photo": ("Blurred photos", "The photo is out of focus, moved or was enlarged."),
    "watermarked_photo": ("Watermarked photos", "Letters or a sign lie over the photo."),
    "cut_photo": ("Cut photos", "A part of the product or of the file is missing."),
    "empty_text": ("Empty texts", "The text is missing or a placeholder."),
    "boilerplate_text": ("Boilerplate texts", "The text says nothing about the product."),
    "equal_text": ("Equal texts", "Products with different photos have the same text."),
}
"""Title and meaning of the kinds, in the order of the report."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is probably wrong.

    Attributes:
        kind: A key of `KINDS`.
        product: Id of the product.
        photo: Id of the photo; empty where the finding is about the product's text or labels.
        score: How sure it is, 0..1.
        reason: Why, in a sentence.
        other: Id of the other product, of duplicates and equal texts; empty if there is none.
        other_photo: Id of the other product's photo.
    """

    kind: str
    product: str
    photo: str
    score: float
    reason: str
    other: str = ""
    other_photo: str = ""
