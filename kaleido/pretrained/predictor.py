"""A trained recogniser, or a model that matches, at work on photos and texts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kaleido.app.model_folder import SavedModel, load_model, max_text_length, read_model_config
from kaleido.errors import UserError
from kaleido.model.compiled import compiled
from kaleido.pretrained.processor import prepare_config_of
from kaleido.pretrained.signatures import CLASSIFY, MATCH, signatures_of
from kaleido.records.config import NO_TEXT
from kaleido.text import Tokenizer, load_tokenizer
from kaleido.text.batch import text_batch


class Predictor:
    """Tells what photos with their texts show, or whether they belong together.

    Args:
        model: With the signature `classify` or `match`; the first of them is asked.
        tokenizer: Of its vocabulary.
        names: Of the classes.
        length: Text positions at most, [CLS] and [SEP] included; what is longer is cut.
        batch_size: Photos at once; fewer are filled up.

    Attributes:
        answers: `classify` or `match`.
        reads_text: Whether it does, or was trained on photos alone.
        cut: Texts that were cut so far.
    """

    def __init__(self, model: SavedModel, tokenizer: Tokenizer, names: Sequence[str], length: int, batch_size: int):
        signatures = signatures_of(model)
        self.answers = CLASSIFY if CLASSIFY in signatures else MATCH
        self.names = list(names)
        self.length = length
        self.reads_text = length > NO_TEXT
        self.cut = 0
        self._tokenizer = tokenizer
        self._batch_size = batch_size
        self._ask = compiled(model, signatures[self.answers])

    @classmethod
    def load(cls, directory: Path, batch_size: int = 16) -> "Predictor":
        """Loads a saved model that recognises or matches.

        Args:
            directory: A run's `model`.
            batch_size: Photos at once.

        Raises:
            UserError: if it does neither, or was not trained on photos.
        """
        content = read_model_config(directory)
        prepared = prepare_config_of(content["records"], directory)
        model = load_model(directory)
        if not signatures_of(model).keys() & {CLASSIFY, MATCH}:
            raise UserError(
                f"{directory}: this model neither recognises nor matches nor captions; name one of `finetune --task "
                f"category`, `retrieval` or `caption`, or of `pretrain` with the task itm. Received: "
                f"{', '.join(content['tasks'])}"
            )
        # Records hold no more of a text, however much of it a model could read.
        length = min(max_text_length(content), prepared.max_stored_tokens + 2)
        return cls(model, load_tokenizer(Path(directory)), content["labels"], length, batch_size)

    def __call__(self, photos: Mapping[str, np.ndarray], texts: Sequence[str]) -> dict[str, np.ndarray]:
        """Answers for at most `batch_size` photos.

        Args:
            photos: `level1` to `level5` and `positions`, as `docs/design.md` defines them.
            texts: One a photo; may be empty.

        Returns:
            Of `classify` `probabilities`, float32 [B, C]; of `match` `score` and `probability`, float32 [B].
        """
        tokens = text_batch(self._tokenizer, texts, self.length)
        self.cut += int(tokens.cut.sum()) if self.reads_text else 0
        batch = {**photos, "token_ids": tokens.token_ids, "token_mask": tokens.token_mask}
        filled = {name: np.resize(values, (self._batch_size, *values.shape[1:])) for name, values in batch.items()}
        return {name: values[: len(texts)] for name, values in self._ask(filled).items()}
