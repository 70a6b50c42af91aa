"""Photos to test with."""

import io

from PIL import Image


def picture(kind: str = "PNG", size: tuple[int, int] = (24, 32), mode: str = "RGB", **options) -> bytes:
    """An encoded picture."""
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind, **options)
    return buffer.getvalue()
