"""Beam search for the likeliest caption, inside the backend's compiler."""

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
    """Searches for the likeliest captions; a finished one is kept until better ones replace it.

    Captions are ranked by log-probability / tokens ** length_penalty, [SEP] counted as a token. A caption has at least
    one token. With one beam this is greedy decoding.

    Args:
        reader: Gives the logits of the next token.
        special: Special tokens of the vocabulary.
        length: Positions T of a caption, [CLS] and [SEP] included.
        beams: Captions K kept of each photo.
        length_penalty: 0 favours short captions, larger values longer ones.
        no_repeat_ngram: Length of the token sequences that never occur twice in a caption; 0 allows it.
    """
    photos = reader.photos
    shape = (photos, beams)
    first = ops.broadcast_to(ops.arange(length) == 0, (*shape, length))
    tokens = ops.where(first, special.begin, special.pad)
    # All beams are alike at first, and the second best of them would be the best one again.
    scores = ops.broadcast_to(ops.where(ops.arange(beams) == 0, 0.0, IMPOSSIBLE), shape)
    forbidden = special.forbidden()
    # Whatever the rules forbid, the best of the allowed tokens are among so many of a beam's likeliest ones.
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
    # `top_k` sorts, so the best is the first.
    return Captions(tokens[:, 0], scores[:, 0])


def _of_parents(values, parents):
    """Takes [B, K, ...] from the beams int32 [B, K] that were gone on from."""
    index = ops.reshape(parents, (*parents.shape, *[1] * (len(values.shape) - 2)))
    return ops.take_along_axis(values, index, axis=1)


def _repeating(tokens, place, size, candidates):
    """Which candidates int32 [B, K, M] would end an n-gram that is in the caption already: bool [B, K, M].

    `place` is that of the last token of tokens [B, K, T], T > size; [CLS] is part of no n-gram.
    """
    starts = tokens.shape[2] - size
    same = ops.ones((*tokens.shape[:2], starts), bool)
    for offset in range(size - 1):
        last = ops.take(tokens, ops.maximum(place - size + 2 + offset, 0), axis=2)
        same = same & (tokens[:, :, 1 + offset : 1 + offset + starts] == last[:, :, None])
    ends = ops.arange(starts) + size
    # Nothing is known yet that follows the last n - 1 tokens.
    same = same & (ends <= place) & (place >= size - 1)
    return ops.any(same[:, :, None, :] & (candidates[:, :, :, None] == tokens[:, :, None, size:]), axis=-1)
