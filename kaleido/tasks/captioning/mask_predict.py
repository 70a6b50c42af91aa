"""Generates captions by Mask-Predict: predicts all tokens at once, then the least certain ones again."""

from keras import ops

from kaleido.tasks.captioning.captions import IMPOSSIBLE, Captions, SpecialTokens
from kaleido.tasks.captioning.model import Captioner


def mask_predict(captioner: Captioner, batch, special: SpecialTokens, length: int, rounds: int = 1) -> Captions:
    """Predicts all tokens from the photo, then predicts fewer and fewer of the least certain tokens again.

    The first round, the only one in the paper, also decides the length of the caption. Later rounds, which see the
    tokens that are kept, follow Mask-Predict (Ghazvininejad et al., 2019). A caption has at least one token.

    Args:
        captioner: Model with the decoder `mask_predict`.
        batch: Batch of photos; its texts are not read.
        special: Special tokens of the vocabulary.
        length: Number of positions T of a caption, including [CLS] and [SEP].
        rounds: Number of prediction rounds.
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
    counted = (place > 0) & (place <= end)
    return Captions(tokens, ops.sum(ops.where(counted, sure, 0.0), axis=1))
