import numpy as np
import pytest

from edge.conveyor.chance import Chance
from edge.conveyor.materials import MATERIALS, STEEL
from edge.conveyor.shapes import PARTS, STRAYS
from edge.conveyor.sprite import Light, draw_part, trace_part

LIGHT = Light(0.36, -0.48, 0.8)
FORMS = [*PARTS.items(), *{shape.__name__: shape for shape in STRAYS}.items()]


@pytest.mark.parametrize(("name", "shape"), FORMS)
def test_every_form_is_whole_at_every_angle_and_size(name, shape):
    for i in range(24):
        length = 6 + 9.0 * i
        outline = trace_part(shape, length, i / 24, Chance(i))
        tall, wide = outline.mask.shape
        assert max(tall, wide) <= 1.25 * length + 4  # a square's diagonal, less its round corners
        assert outline.area == outline.mask.sum()
        if length > 40 and name != "scrap":
            assert max(tall, wide) > 0.6 * length
        if length > 40 and name not in (
            "scrap",
            "spring",
        ):  # those end in points, below half a pixel
            assert outline.mask[2:-2].any(axis=1).all()
            assert outline.mask[:, 2:-2].any(axis=0).all()


@pytest.mark.parametrize(("name", "shape"), FORMS)
def test_all_arithmetic_of_a_form_is_in_single_precision(name, shape):
    # In double, or mixed, NumPy 1 and 2 would differ.
    y, x = np.meshgrid(*[np.arange(-9, 10, dtype=np.float32) / np.float32(8)] * 2, indexing="ij")
    for i in range(12):
        relief = shape(x, y, Chance(i))
        for values in (relief.distance, relief.height, relief.tone):
            assert values.dtype == np.float32
            assert values.shape == x.shape
            assert np.isfinite(values).all()


def test_a_turned_part_covers_as_much():
    areas = [trace_part(PARTS["gear"], 120, i / 16, Chance(7)).area for i in range(16)]
    assert max(areas) - min(areas) < 0.02 * max(areas)


def test_parts_have_holes_where_they_should():
    for name in ("nut", "washer", "bearing", "gear"):
        outline = trace_part(PARTS[name], 100, 0.1, Chance(1))
        assert outline.mask.any()
        assert not outline.mask[outline.row, outline.column]


def test_a_sprite_has_color_only_where_the_part_is_and_cover_also_where_its_shadow_is():
    sprite = draw_part(PARTS["nut"], STEEL, 80, 0.2, LIGHT, Chance(2))
    color = sprite.color.reshape(len(sprite.color), -1, 3)
    cover = sprite.cover.reshape(color.shape)
    assert (cover[..., 0] == cover[..., 2]).all()
    mask = np.pad(sprite.outline.mask, sprite.margin)
    assert color[mask].min() > 0
    assert (cover[mask] >= 127).all()
    beside = ~mask & (color.max(axis=-1) == 0)
    assert 20 < cover[beside].max() < 255
    # The lamp is to the upper right, so more shadow falls to the lower left.
    weight = np.where(beside, cover[..., 0], 0)
    rows, columns = np.indices(weight.shape)
    assert (weight * rows).sum() / weight.sum() > sprite.outline.row + sprite.margin + 2
    assert (weight * columns).sum() / weight.sum() < sprite.outline.column + sprite.margin - 2


def test_cover_and_color_never_add_up_to_more_than_white():
    for i, name in enumerate(PARTS):
        for material in MATERIALS[name]:
            sprite = draw_part(PARTS[name], material, 70, 0.3, LIGHT, Chance(i))
            for below in (0, 128, 250):
                left = below - (below * sprite.cover.astype(int) >> 8)
                assert (left + sprite.color).max() <= 255


def test_the_outline_alone_is_that_of_the_sprite():
    for name, shape in PARTS.items():
        sprite = draw_part(shape, STEEL, 60, 0.4, LIGHT, Chance(3))
        outline = trace_part(shape, 60, 0.4, Chance(3))
        assert (outline.mask == sprite.outline.mask).all(), name
        assert (outline.row, outline.column) == (sprite.outline.row, sprite.outline.column)
