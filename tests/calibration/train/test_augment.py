from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cv2", reason="needs the extra opencv")

from calibration.checkpoints.training_recipe import Augment
from calibration.train.augment import (
    PAD,
    Image,
    Placing,
    augmented,
    compose,
    flip,
    mosaic_placings,
    recolor,
)

SIZE = 64


def image(height, width, seed, boxes):
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image(pixels, np.array(boxes, np.float32).reshape(-1, 4), np.arange(len(boxes)))


FOUR = [
    image(40, 64, 0, [(0, 0, 20, 20), (30, 10, 60, 38)]),
    image(64, 30, 1, [(5, 40, 25, 64)]),
    image(48, 64, 2, [(0, 0, 64, 48)]),
    image(64, 64, 3, []),
]


def plain_mosaic(size, images, center):
    """Pixel by pixel, at scale 1: which image, and which pixel of it, is at x, y."""
    canvas = np.full((size, size, 3), PAD, np.uint8)
    for y in range(size):
        for x in range(size):
            i = 2 * (y >= center[1]) + (x >= center[0])
            height, width = images[i].image.shape[:2]
            px = x - center[0] + (width if i % 2 == 0 else 0)
            py = y - center[1] + (height if i < 2 else 0)
            if 0 <= px < width and 0 <= py < height:
                canvas[y, x] = images[i].image[py, px]
    return canvas


@pytest.mark.parametrize("center", [(32, 32), (20, 45), (48, 16)])
def test_a_mosaic_equals_a_plain_one(center):
    sides = [p.image.shape[:2] for p in FOUR]
    made = compose(SIZE, FOUR, mosaic_placings(SIZE, sides, [1.0] * 4, center))
    np.testing.assert_array_equal(made.image, plain_mosaic(SIZE, FOUR, center))
    expected = []
    for i, p in enumerate(FOUR):
        height, width = p.image.shape[:2]
        dx = center[0] - (width if i % 2 == 0 else 0)
        dy = center[1] - (height if i < 2 else 0)
        low = (0 if i % 2 == 0 else center[0], 0 if i < 2 else center[1])
        high = (center[0] if i % 2 == 0 else SIZE, center[1] if i < 2 else SIZE)
        for label, (x1, y1, x2, y2) in zip(p.class_ids, p.boxes, strict=True):
            cut = (
                max(x1 + dx, low[0]), max(y1 + dy, low[1]),
                min(x2 + dx, high[0]), min(y2 + dy, high[1]),
            )  # fmt: skip
            w, h = cut[2] - cut[0], cut[3] - cut[1]
            if w > 2 and h > 2 and w * h > 0.2 * (x2 - x1) * (y2 - y1):
                expected.append((*cut, label))
    result = np.column_stack([made.boxes, made.class_ids])
    np.testing.assert_allclose(result, np.array(expected), atol=1e-4)


def test_a_box_stays_on_its_object_at_any_scale():
    pixels = np.zeros((40, 50, 3), np.uint8)
    pixels[10:30, 15:40] = 255
    thing = Image(pixels, np.array([[15, 10, 40, 30]], np.float32), np.array([0]))
    for scale in (0.5, 1.0, 1.6):
        made = compose(SIZE, [thing], [Placing(scale, 3, -4, (0, 0, SIZE, SIZE))])
        ys, xs = np.nonzero((made.image > 180).all(2))
        histograms = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        np.testing.assert_allclose(made.boxes[0], histograms, atol=1.01)


def test_what_is_hardly_seen_is_no_object():
    thing = image(40, 40, 0, [(0, 0, 40, 40)])
    assert len(compose(SIZE, [thing], [Placing(1.0, 30, 56, (0, 0, SIZE, SIZE))]).boxes) == 0
    assert len(compose(SIZE, [thing], [Placing(1.0, 30, 30, (0, 0, SIZE, SIZE))]).boxes) == 1


def test_an_image_that_lies_outside_leaves_the_canvas_gray():
    made = compose(SIZE, FOUR[:1], [Placing(1.0, SIZE, 0, (0, 0, SIZE, SIZE))])
    assert (made.image == PAD).all()
    assert made.boxes.shape == (0, 4)


@pytest.mark.parametrize(("horizontal", "vertical"), [(True, False), (False, True), (True, True)])
def test_a_mirrored_box_shows_the_mirrored_pixels(horizontal, vertical):
    p = FOUR[0]
    mirrored = flip(p, horizontal=horizontal, vertical=vertical)
    for before, after in zip(p.boxes.astype(int), mirrored.boxes.astype(int), strict=True):
        crop = p.image[before[1] : before[3], before[0] : before[2]]
        crop = crop[:: -1 if vertical else 1, :: -1 if horizontal else 1]
        np.testing.assert_array_equal(
            mirrored.image[after[1] : after[3], after[0] : after[2]], crop
        )


def test_recoloring_changes_brightness_within_its_bounds():
    gray = np.full((8, 8, 3), 100, np.uint8)
    values = {
        int(recolor(gray, Augment(hue=0, saturation=0, value=0.4), np.random.default_rng(i)).max())
        for i in range(50)
    }
    assert min(values) >= 59
    assert max(values) <= 140
    assert len(values) > 10


def test_recoloring_by_nothing_changes_a_channel_by_rounding_only():
    before = FOUR[3].image
    after = recolor(before, Augment(hue=0, saturation=0, value=0), np.random.default_rng(0))
    assert np.abs(before.astype(int) - after).max() <= 6  # OpenCV keeps hue in steps of 2 degrees


@pytest.mark.parametrize("count", [1, 4])
def test_the_same_randomness_gives_the_same_image(count):
    first, second, other = (
        augmented(SIZE, FOUR[:count], Augment(), np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.boxes, second.boxes)
    assert (first.image != other.image).any()
    assert first.image.shape == (SIZE, SIZE, 3)
    assert ((first.boxes >= 0) & (first.boxes <= SIZE)).all()
