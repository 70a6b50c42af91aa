"""The search for the likeliest caption, piece by piece, inside the backend's compiler."""

from keras import ops, tree

from kaleido.model.caption_reader import Reader
from kaleido.model.captions import IMPOSSIBLE, Captions, Pieces


def beam_search(
    reader: Reader,
    pieces: Pieces,
    length: int,
    beams: int = 1,
    length_penalty: float = 1.0,
    no_repeat_ngram: int = 0,
) -> Captions:
    """Keeps the likeliest captions so far; a finished one stays among them until better ones push it out.

    Captions are ranked by log-probability / pieces ** length_penalty, [SEP] counted as a piece. A caption has a piece
    at least. With one beam this is greedy decoding.

    Args:
        reader: Gives the logits of the next piece.
        pieces: Of the vocabulary.
        length: Positions T of a caption, [CLS] and [SEP] included.
        beams: Captions kept of each photo, K.
        length_penalty: 0 favours short captions, larger values longer ones.
        no_repeat_ngram: No sequence of so many pieces occurs twice in a caption; 0 to allow it.
    """
    photos = reader.photos
    shape = (photos, beams)
    first = ops.broadcast_to(ops.arange(length) == 0, (*shape, length))
    tokens = ops.where(first, pieces.begin, pieces.pad)
    # All beams are alike at first, and the second best of them would be the best one again.
    scores = ops.broadcast_to(ops.where(ops.arange(beams) == 0, 0.0, IMPOSSIBLE), shape)
    forbidden = pieces.forbidden()
    only_end = ops.cast(ops.arange(pieces.count) == pieces.end, "float32") * IMPOSSIBLE
    only_pad = ops.cast(ops.arange(pieces.count) != pieces.pad, "float32") * IMPOSSIBLE

    def unfinished(place, tokens, scores, lengths, ended, state):
        return ~ops.all(ended)

    def advance(place, tokens, scores, lengths, ended, state):
        logits, state = reader.read(state, ops.take(tokens, place, axis=2), place)
        following = ops.log_softmax(ops.cast(logits, "float32")) + forbidden
        following = following + ops.where(place == 0, only_end, 0.0)
        if no_repeat_ngram:
            following = following + IMPOSSIBLE * _repeating(tokens, place, no_repeat_ngram, pieces.count)
        following = ops.where(ended[:, :, None], only_pad, following)
        lengths = ops.where(ended, lengths, place + 1)
        sums = scores[:, :, None] + following
        ranks = sums / ops.cast(lengths, "float32")[:, :, None] ** length_penalty
        _, best = ops.top_k(ops.reshape(ranks, (photos, -1)), beams)
        scores = ops.take_along_axis(ops.reshape(sums, (photos, -1)), best, axis=1)
        best = ops.cast(best, "int32")
        parents, chosen = best // pieces.count, best % pieces.count
        if beams > 1:
            state = tree.map_structure(lambda values: _of_parents(values, parents), state)
            tokens, lengths, ended = (_of_parents(values, parents) for values in (tokens, lengths, ended))
        tokens = ops.where(ops.arange(length) == place + 1, chosen[:, :, None], tokens)
        return place + 1, tokens, scores, lengths, ended | (chosen == pieces.end), state

    none = ops.zeros(shape, "int32")
    start = (ops.convert_to_tensor(0, "int32"), tokens, scores, none, none > 0, reader.begin(beams, length))
    _, tokens, scores, *_ = ops.while_loop(unfinished, advance, start, maximum_iterations=length - 1)
    # `top_k` sorts, so the best is the first.
    return Captions(tokens[:, 0], scores[:, 0])


def _of_parents(values, parents):
    """Takes [B, K, ...] from the beams int32 [B, K] that were gone on from."""
    index = ops.reshape(parents, (*parents.shape, *[1] * (len(values.shape) - 2)))
    return ops.take_along_axis(values, index, axis=1)


def _repeating(tokens, place, size, count):
    """1 for the pieces that would end an n-gram that is in the caption already: float32 [B, K, count].

    `place` is that of the last piece of tokens [B, K, T]; [CLS] is part of no n-gram.
    """
    photos, beams, length = tokens.shape
    starts = length - size
    if starts < 1:
        return ops.zeros((photos, beams, count))
    same = ops.ones((photos, beams, starts), bool)
    for offset in range(size - 1):
        last = ops.take(tokens, ops.maximum(place - size + 2 + offset, 0), axis=2)
        same = same & (tokens[:, :, 1 + offset : 1 + offset + starts] == last[:, :, None])
    ends = ops.arange(starts) + size
    # Of the last n - 1 pieces themselves nothing is known that follows.
    same = same & (ends <= place) & (place >= size - 1)
    rows = ops.broadcast_to(ops.arange(photos * beams)[:, None], (photos * beams, starts))
    followers = ops.reshape(tokens[:, :, size:], (photos * beams, starts))
    found = ops.reshape(ops.cast(same, "float32"), (-1,))
    indices = ops.stack([ops.reshape(rows, (-1,)), ops.reshape(followers, (-1,))], axis=1)
    counted = ops.scatter(indices, found, (photos * beams, count))
    return ops.reshape(ops.minimum(counted, 1.0), (photos, beams, count))
