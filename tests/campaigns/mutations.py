"""Ways to damage bytes."""

import random

NUMBERS = [value.to_bytes(size, order) for size in (2, 4, 8) for order in ("little", "big")
           for value in (0, 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1)]  # fmt: skip


def mutate(data: bytes, rng: random.Random, tokens: list[bytes] = NUMBERS) -> bytes:
    """Damages bytes in one to eight places, and now and then not at all.

    Args:
        data: What to damage.
        rng: Decides.
        tokens: Put in, or over what is there.
    """
    changed = bytearray(data)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 4, 8))):
        place = rng.randrange(len(changed) + 1)
        stop = min(len(changed), place + rng.choice((1, 1, 2, 8, 64, 1000)))
        token = rng.choice(tokens)
        match rng.randrange(9):
            case 0 | 1 if place < len(changed):
                changed[place] ^= 1 << rng.randrange(8)
            case 2 if place < len(changed):
                changed[place] = rng.randrange(256)
            case 3:
                del changed[place:stop]
            case 4:
                changed[place:place] = changed[place:stop]
            case 5:
                changed[place:place] = rng.randbytes(rng.choice((1, 4, 40)))
            case 6:
                changed[place:place] = token
            case 7:
                changed[place : place + len(token)] = token
            case 8:
                del changed[place:]
    return bytes(changed)


def mutate_lines(data: bytes, rng: random.Random, tokens: list[bytes]) -> bytes:
    """Drops, doubles and swaps lines, then damages bytes."""
    lines = data.splitlines(keepends=True)
    for _ in range(rng.choice((0, 1, 3))):
        one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        match rng.randrange(3):
            case 0 if len(lines) > 1:
                del lines[one]
            case 1:
                lines.insert(other, lines[one])
            case 2:
                lines[one], lines[other] = lines[other], lines[one]
    return mutate(b"".join(lines), rng, tokens)
