"""Vectors of what is searched for."""

import numpy as np

from kaleido.errors import UserError
from kaleido.pretrained.inputs import Photo
from kaleido.pretrained.model import Model
from kaleido.text import Tokenizer


def query_vector(model: Model, kind: str, where: str, text: str | None, photo: Photo | None) -> np.ndarray:
    """Computes the vector of a text, a photo or both: float32 [d], of length 1.

    Args:
        model: The model that made the index.
        kind: Kind of the vectors of the index, `image` or `fused`.
        where: Place of the index, for messages.
        text: A text.
        photo: A photo in any form that `Model` takes.

    Raises:
        UserError: if the photo cannot be read, or the model cannot encode what is given.
    """
    try:
        if kind != "fused":
            vectors = []
            if text is not None:
                vectors.append(model.encode_text([text], batch_size=1, progress=False)[0])
            if photo is not None:
                vectors.append(model.encode_image([photo], batch_size=1, progress=False)[0])
            return unit(np.sum(vectors, axis=0))
        if photo is not None:
            return unit(model.embed([photo], text, batch_size=1, progress=False)[0])
    except UserError as error:
        # What to do with one of many photos is no advice here.
        raise UserError(str(error).partition("; repair or remove it")[0]) from None
    raise UserError(
        f"{where}: this index has the model's vectors of photo and text together; search with a photo, or make an "
        "index with a two-tower model"
    )


def unknown_words(tokenizer: Tokenizer, text: str) -> str:
    """Says what a searcher should know of the unknown words of a text; empty if there are none.

    Raises:
        UserError: if the text has no word that the vocabulary has.
    """
    encoding = tokenizer.encode(text)
    unknown = encoding.ids == tokenizer.unk_id
    words = set(encoding.word_ids.tolist())
    if words and not unknown.any():
        return ""
    what = f"characters that the model's vocabulary does not have: {text!r:.100}"
    if words <= set(encoding.word_ids[unknown].tolist()):
        raise UserError(f"every word has {what}; search in the language of the texts that the model was trained on")
    return f"some words have {what}; these count as unknown"


def unit(vector: np.ndarray) -> np.ndarray:
    """Scales a vector to length 1, in float32."""
    return (vector / max(float(np.linalg.norm(vector)), 1e-12)).astype(np.float32)
