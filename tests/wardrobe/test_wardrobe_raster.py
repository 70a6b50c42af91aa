import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kaleido.wardrobe.raster import Placement, coverage
from kaleido.wardrobe.shapes import ellipse, mirrored, outline, rectangle, stroke

positions = st.floats(-20, 60, allow_nan=False)


def picture(contours, size):
    found = coverage(contours, size)
    result = np.zeros((size, size), np.float32)
    if found:
        area, cover = found
        result[area] = cover
    return result


@given(positions, positions, positions, positions)
def test_area_of_a_rectangle(x1, y1, x2, y2):
    # Quarter rows are the unit of the vertical, so corners there make the coverage exact.
    x1, y1, x2, y2 = (round(v * 4) / 4 for v in (x1, y1, x2, y2))
    drawn = picture(np.array([[(x1, y1), (x2, y1), (x2, y2), (x1, y2)]]), 40)
    width, height = (abs(np.clip(b, 0, 40) - np.clip(a, 0, 40)) for a, b in ((x1, x2), (y1, y2)))
    assert drawn.sum() == width * height


def test_area_of_a_circle():
    drawn = picture(outline(ellipse(20, 20, 15))[None], 40)
    assert abs(drawn.sum() / (np.pi * 15 * 15) - 1) < 0.02
    assert drawn[20, 20] == 1 and drawn[0, 0] == 0


def test_orientation_does_not_matter():
    shape = np.array([[(3, 2), (30, 9), (17, 36)]])
    assert np.array_equal(picture(shape, 40), picture(shape[:, ::-1], 40))


def test_overlap_of_contours_is_not_counted_twice():
    square = outline(rectangle(5, 5, 20, 20))
    assert np.array_equal(picture(np.stack([square, square]), 40), picture(square[None], 40))


def test_stroke_has_its_width_and_no_gaps():
    drawn = picture(stroke(np.array([(5.0, 5.0), (30.0, 5.0), (30.0, 30.0)]), 4, closed=False), 40)
    assert abs(drawn.sum() - 2 * 25 * 4) < 1
    assert drawn[3:7, 28:32].min() == 1


def test_mirrored_is_an_involution():
    shape = [(1, 2, 0.5), (3, 4), (5, 6)]
    assert mirrored(mirrored(shape)) == shape


@given(st.floats(0.5, 5), st.floats(-0.1, 0.1), st.booleans())
def test_units_undo_pixels(scale, tilt, flipped):
    placement = Placement(scale, tilt, (3.0, 40.0), (50.0, 60.0), flipped)
    x, y = placement.units(100)
    pixels = placement.pixels(np.stack([x, y], axis=-1).astype(np.float64))
    assert np.allclose(pixels[..., 0], np.arange(100)[None, :] + 0.5, atol=1e-3)
    assert np.allclose(pixels[..., 1], np.arange(100)[:, None] + 0.5, atol=1e-3)
