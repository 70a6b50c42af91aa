"""Captions all at once: every text position [MASK], and the least sure pieces predicted again."""

from keras import ops

from kaleido.tasks.captioning.captions import IMPOSSIBLE, Captions, SpecialTokens
from kaleido.tasks.captioning.model import Captioner


def mask_predict(captioner: Captioner, batch, pieces: SpecialTokens, length: int, rounds: int = 1) -> Captions:
    """Predicts every piece from the photo; then, each time fewer of them, the least sure ones from the others as well.

    The first round, which is all there is in the paper's captioning, also says where the caption ends. The others are
    those of Mask-Predict (Ghazvininejad et al., 2019). A caption has a piece at least.

    Args:
        captioner: With the decoder `mask_predict`.
        batch: Of photos; texts are not looked at.
        pieces: Of the vocabulary.
        length: Positions T of a caption, [CLS] and [SEP] included.
        rounds: How often to predict.
    """
    place = ops.arange(length)
    photos = batch["positions"].shape[0]
    masked = ops.broadcast_to(ops.where(place == 0, pieces.begin, pieces.mask), (photos, length))
    forbidden = pieces.forbidden()
    at_end = ops.cast(ops.arange(pieces.count) == pieces.end, "float32") * IMPOSSIBLE

    def predict(tokens, seen, forbidden):
        logits = captioner({**batch, "token_ids": tokens, "token_mask": seen})["caption"]
        sure = ops.log_softmax(ops.cast(logits, "float32")) + forbidden
        found = ops.where(place == 0, pieces.begin, ops.cast(ops.argmax(sure, axis=-1), "int32"))
        return found, ops.max(sure, axis=-1)

    not_empty = ops.where(place == 1, 1.0, 0.0)[:, None] * at_end
    tokens, sure = predict(masked, ops.ones_like(masked), forbidden + not_empty)
    ended = ops.any(tokens == pieces.end, axis=1)
    end = ops.where(ended, ops.cast(ops.argmax(tokens == pieces.end, axis=1), "int32"), length)[:, None]
    seen = ops.cast(place <= end, "int32")
    open_to_change = (place > 0) & (place < end)
    for past in range(1, rounds):
        count = (end - 1) * (rounds - past) // rounds
        order = ops.argsort(ops.argsort(ops.where(open_to_change, sure, -IMPOSSIBLE), axis=1), axis=1)
        again = open_to_change & (ops.cast(order, "int32") < count)
        found, surer = predict(ops.where(again, pieces.mask, tokens), seen, forbidden + at_end)
        tokens, sure = ops.where(again, found, tokens), ops.where(again, surer, sure)
    said = (place > 0) & (place <= end)
    return Captions(tokens, ops.sum(ops.where(said, sure, 0.0), axis=1))
