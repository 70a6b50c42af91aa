"""Captions predicted all at once: every text position is [MASK], and the least certain tokens are predicted again."""

from keras import ops

from kaleido.tasks.captioning.captions import IMPOSSIBLE, Captions, SpecialTokens
from kaleido.tasks.captioning.model import Captioner


def mask_predict(captioner: Captioner, batch, special: SpecialTokens, length: int, rounds: int = 1) -> Captions:
    """Predicts every token from the photo; then, each time fewer of them, the least certain ones from the others too.

    The first round, the only one in the paper's captioning, also decides where the caption ends. The others are those
    of Mask-Predict (Ghazvininejad et al., 2019). A caption has at least one token.

    Args:
        captioner: Model with the decoder `mask_predict`.
        batch: Photos; texts are not read.
        special: Special tokens of the vocabulary.
        length: Positions T of a caption, [CLS] and [SEP] included.
        rounds: Number of predictions.
    """
    place = ops.arange(length)
    photos = batch["positions"].shape[0]
    masked = ops.broadcast_to(ops.where(place == 0, special.begin, special.mask), (photos, length))
    forbidden = special.forbidden()
    at_end = ops.cast(ops.arange(special.count) == special.end, "float32") * IMPOSSIBLE

    def predict(tokens, seen, forbidden):
        logits = captioner({**batch, "token_ids": tokens, "token_mask": seen})["caption"]
        sure = ops.log_softmax(ops.cast(logits, "float32")) + forbidden
        found = ops.where(place == 0, special.begin, ops.cast(ops.argmax(sure, axis=-1), "int32"))
        return found, ops.max(sure, axis=-1)

    not_empty = ops.where(place == 1, 1.0, 0.0)[:, None] * at_end
    tokens, sure = predict(masked, ops.ones_like(masked), forbidden + not_empty)
    ended = ops.any(tokens == special.end, axis=1)
    end = ops.where(ended, ops.cast(ops.argmax(tokens == special.end, axis=1), "int32"), length)[:, None]
    seen = ops.cast(place <= end, "int32")
    open_to_change = (place > 0) & (place < end)
    for past in range(1, rounds):
        count = (end - 1) * (rounds - past) // rounds
        order = ops.argsort(ops.argsort(ops.where(open_to_change, sure, -IMPOSSIBLE), axis=1), axis=1)
        again = open_to_change & (ops.cast(order, "int32") < count)
        found, surer = predict(ops.where(again, special.mask, tokens), seen, forbidden + at_end)
        tokens, sure = ops.where(again, found, tokens), ops.where(again, surer, sure)
    said = (place > 0) & (place <= end)
    return Captions(tokens, ops.sum(ops.where(said, sure, 0.0), axis=1))
