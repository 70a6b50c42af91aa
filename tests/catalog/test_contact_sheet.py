import numpy as np
import pytest
from PIL import Image

from kaleido.catalog.contact_sheet import MARGIN, contact_sheet, with_truth
from kaleido.catalog.product import Part, Photo


def test_pictures_lie_row_by_row_and_keep_their_shape():
    pictures = [Image.new("RGB", (20, 40), colour) for colour in ("red", "lime", "blue")]
    sheet = np.asarray(contact_sheet(pictures, ["one", "two\nlines", "schön \u4e2d"], columns=2, cell=80))
    for index, colour in enumerate([(255, 0, 0), (0, 255, 0), (0, 0, 255)]):
        rows, columns = np.nonzero((sheet == colour).all(-1))
        assert np.ptp(rows) == 79 and np.ptp(columns) == 39
        assert columns.min() == MARGIN + index % 2 * (80 + MARGIN) + 20
    first, third = (np.nonzero((sheet == colour).all(-1))[0].min() for colour in [(255, 0, 0), (0, 0, 255)])
    assert third > first + 80


def test_any_mode_and_size():
    pictures = [Image.new("L", (1, 500), 9), Image.new("RGBA", (7, 3)), Image.new("P", (5, 5))]
    sheet = contact_sheet(pictures, ["x" * 500, "", "z"], columns=6, cell=40)
    assert sheet.mode == "RGB" and sheet.width == 3 * (40 + MARGIN) + MARGIN


def test_captions_must_match():
    for pictures, captions in (([], []), ([Image.new("L", (2, 2))], [])):
        with pytest.raises(ValueError, match="One caption a picture"):
            contact_sheet(pictures, captions)


def test_truth_is_drawn_where_it_is():
    mask = Image.new("L", (20, 20))
    mask.paste(255, (5, 5, 15, 15))
    photo = Photo("1", "photos/1.png", parts=(Part("hem", ("long",), (10.0, 10.0, 20.0, 20.0)),))
    marked = np.asarray(with_truth(Image.new("RGB", (20, 20), "white"), photo, mask, 100))
    black = (marked == 0).all(-1)
    assert black[25:75, 25].all() and black[25, 25:50].all() and not black[:25].any()
    box = (marked == (0xD6, 0x27, 0x28)).all(-1)
    assert box[50, 50:100].all() and box[50:100, 99].all() and not box[:50].any()
