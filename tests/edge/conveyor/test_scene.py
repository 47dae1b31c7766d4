import numpy as np
import pytest

from edge.conveyor import LABELS
from edge.conveyor.chance import Chance
from edge.conveyor.materials import MATERIALS, STEEL
from edge.conveyor.scene import REACH, SLOT, STRETCH, lay_parts, set_up
from edge.conveyor.sprite import draw_part

LINES = [set_up(3, number) for number in range(40)]


def parts(line, slots):
    return [part for slot in slots for part in lay_parts(line, slot, 480)]


def test_every_class_has_its_materials():
    assert tuple(MATERIALS) == LABELS


def test_classes_come_equally_often():
    counts = np.bincount(
        [part.class_id for line in LINES for part in parts(line, range(120)) if part.class_id >= 0]
    )
    assert len(counts) == len(LABELS)
    assert counts.min() > 0.85 * counts.mean()
    assert counts.max() < 1.15 * counts.mean()


def test_some_stretches_are_empty_and_some_crowded():
    per_slot = [
        len(parts(line, range(s * STRETCH, (s + 1) * STRETCH))) / STRETCH
        for line in LINES
        for s in range(20)
    ]
    assert 0.08 < np.mean(np.array(per_slot) == 0) < 0.25
    assert 0.05 < np.mean(np.array(per_slot) > 1.5) < 0.3


def test_parts_are_large_enough_to_be_named_at_half_the_size():
    lengths = [p.length for line in LINES for p in parts(line, range(60)) if p.class_id >= 0]
    assert min(lengths) >= 2 * 24


def test_what_is_not_a_part_lies_there_too():
    share = np.mean([p.class_id < 0 for line in LINES for p in parts(line, range(60))])
    assert 0.08 < share < 0.16


def test_nothing_reaches_farther_than_the_margin_that_is_searched():
    largest = sorted(
        ((line, part) for line in LINES for part in parts(line, range(60))),
        key=lambda result: -result[1].length,
    )
    for line, part in largest[:60]:
        chance = Chance(*part.name)
        sprite = draw_part(part.shape, STEEL, part.length, part.turn, line.light, chance)
        column = sprite.outline.column + sprite.margin
        assert max(column, sprite.cover.shape[1] // 3 - column) <= REACH


@pytest.mark.parametrize("slot", [-7, 0, 12345])
def test_parts_lie_in_their_slot_or_on_one_that_does(slot):
    for line in LINES:
        for part in lay_parts(line, slot, 480):
            assert slot - 1 <= part.along / SLOT <= slot + 2
