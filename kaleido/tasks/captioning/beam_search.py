"""Searches for the most probable caption by beam search, compiled by the backend."""

from keras import ops, tree

from kaleido.tasks.captioning.caption_reader import Reader
from kaleido.tasks.captioning.captions import IMPOSSIBLE, Captions, SpecialTokens


def beam_search(
    reader: Reader,
    special: SpecialTokens,
    length: int,
    beams: int = 1,
    length_penalty: float = 1.0,
    no_repeat_ngram: int = 0,
) -> Captions:
    """Searches for the most probable captions; a finished caption is kept until better ones replace it.

    Captions are ranked by log-probability / tokens ** length_penalty, [SEP] counted as a token. A caption has at least
    one token. With one beam this is greedy decoding.

    Args:
        reader: Reader that computes the logits of the next token.
        special: Special tokens of the vocabulary.
        length: Number of positions T of a caption, including [CLS] and [SEP].
        beams: Number of beams K per photo.
        length_penalty: Exponent of the caption length; 0 favours short captions, larger values longer ones.
        no_repeat_ngram: Length of n-grams that never occur twice in a caption; 0 allows repetition.
    """
    photos = reader.photos
    shape = (photos, beams)
    first = ops.broadcast_to(ops.arange(length) == 0, (*shape, length))
    tokens = ops.where(first, special.begin, special.pad)
    # All beams start equal, so only the first may be extended in the first step; the others would duplicate it.
    scores = ops.broadcast_to(ops.where(ops.arange(beams) == 0, 0.0, IMPOSSIBLE), shape)
    forbidden = special.forbidden()
    # The `beams` best allowed tokens are among the `kept` most probable ones, however many n-grams are forbidden.
    starts = max(length - no_repeat_ngram, 0) if no_repeat_ngram else 0
    kept = min(special.count, beams + starts + 1)

    def unfinished(place, tokens, scores, lengths, ended, state):
        return ~ops.all(ended)

    def advance(place, tokens, scores, lengths, ended, state):
        logits, state = reader.read(state, ops.take(tokens, place, axis=2), place)
        logits = ops.cast(logits, "float32")
        likeliest, candidates = ops.top_k(logits + forbidden, kept)
        candidates = ops.cast(candidates, "int32")
        following = likeliest - ops.logsumexp(logits, axis=-1, keepdims=True)
        following = following + ops.where((place == 0) & (candidates == special.end), IMPOSSIBLE, 0.0)
        if starts:
            following = following + ops.where(_repeating(tokens, place, no_repeat_ngram, candidates), IMPOSSIBLE, 0.0)
        following = ops.where(ended[:, :, None], ops.where(ops.arange(kept) == 0, 0.0, IMPOSSIBLE), following)
        candidates = ops.where(ended[:, :, None], special.pad, candidates)
        lengths = ops.where(ended, lengths, place + 1)
        sums = scores[:, :, None] + following
        ranks = sums / ops.cast(lengths, "float32")[:, :, None] ** length_penalty
        _, best = ops.top_k(ops.reshape(ranks, (photos, -1)), beams)
        best = ops.cast(best, "int32")
        scores = ops.take_along_axis(ops.reshape(sums, (photos, -1)), best, axis=1)
        chosen = ops.take_along_axis(ops.reshape(candidates, (photos, -1)), best, axis=1)
        parents = best // kept
        if beams > 1:
            state = tree.map_structure(lambda values: _of_parents(values, parents), state)
            tokens, lengths, ended = (_of_parents(values, parents) for values in (tokens, lengths, ended))
        tokens = ops.where(ops.arange(length) == place + 1, chosen[:, :, None], tokens)
        return place + 1, tokens, scores, lengths, ended | (chosen == special.end), state

    none = ops.zeros(shape, "int32")
    start = (ops.convert_to_tensor(0, "int32"), tokens, scores, none, none > 0, reader.begin(beams, length))
    _, tokens, scores, *_ = ops.while_loop(unfinished, advance, start, maximum_iterations=length - 1)
    # `top_k` sorts, so the first beam is the best.
    return Captions(tokens[:, 0], scores[:, 0])


def _of_parents(values, parents):
    """Selects from values [B, K, ...] the beams that were extended, int32 [B, K]."""
    index = ops.reshape(parents, (*parents.shape, *[1] * (len(values.shape) - 2)))
    return ops.take_along_axis(values, index, axis=1)


def _repeating(tokens, place, size, candidates):
    """Finds the candidates int32 [B, K, M] that would complete an n-gram already in the caption: bool [B, K, M].

    `place` is the position of the last token in tokens [B, K, T], T > size. [CLS] is not part of any n-gram.
    """
    starts = tokens.shape[2] - size
    same = ops.ones((*tokens.shape[:2], starts), bool)
    for offset in range(size - 1):
        last = ops.take(tokens, ops.maximum(place - size + 2 + offset, 0), axis=2)
        same = same & (tokens[:, :, 1 + offset : 1 + offset + starts] == last[:, :, None])
    ends = ops.arange(starts) + size
    # Only complete n-grams are compared, and only once n - 1 tokens exist.
    same = same & (ends <= place) & (place >= size - 1)
    return ops.any(same[:, :, None, :] & (candidates[:, :, :, None] == tokens[:, :, None, size:]), axis=-1)
