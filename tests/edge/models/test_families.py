"""What every family must do; a new row is tested by being there."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pytest

from edge import models
from edge.errors import UnsupportedModelError
from edge.models import FAMILIES
from edge.models.base import Seen
from edge.models.shapes import points
from edge.types import Size


def seen(shapes, size):
    return Seen("images", size, {n: np.zeros(shape, np.float32) for n, shape in shapes.items()})


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
class TestEveryFamily:
    def test_is_found_by_its_name(self, family):
        assert models.family(family.name) is family
        assert all(models.form(family.name, name) is form for name, form in family.forms.items())

    def test_says_where_its_arithmetic_comes_from(self, family):
        assert len(family.source) > 10

    def test_does_not_take_any_output_for_its_own(self, family):
        for shapes in ({}, {"output": (1000,)}, {"a": (3, 7, 9), "b": (5,)}):
            assert family.recognise(seen(shapes, family.input)) is None


def test_an_unknown_family_lists_the_known():
    with pytest.raises(UnsupportedModelError, match=r"'yolo99'; known: .*yolov6"):
        models.family("yolo99")


def test_an_unknown_form_lists_the_known():
    with pytest.raises(UnsupportedModelError, match="no output form 'x'; known: rows, heads"):
        models.form("yolov6", "x")


class TestRecognising:
    LITE = MappingProxyType(
        {"out3": (84, 5, 5), "out0": (84, 40, 40), "out2": (84, 10, 10), "out1": (84, 20, 20)}
    )

    def test_yolov6lite_by_its_four_maps_in_any_order(self):
        found = FAMILIES["yolov6lite"].recognise(seen(self.LITE, Size(320, 320)))
        assert (found.form, found.classes) == ("heads", 80)
        assert found.outputs == ("out0", "out1", "out2", "out3")
        assert FAMILIES["yolov6"].recognise(seen(self.LITE, Size(320, 320))) is None

    def test_another_input_size_does_not_fit(self):
        assert FAMILIES["yolov6lite"].recognise(seen(self.LITE, Size(640, 640))) is None

    def test_maps_of_unequal_channels_do_not_fit(self):
        unequal = {**self.LITE, "out3": (85, 5, 5)}
        assert FAMILIES["yolov6lite"].recognise(seen(unequal, Size(320, 320))) is None

    @pytest.mark.parametrize(
        ("size", "rows", "strides"), [(640, 8400, (8, 16, 32)), (1280, 34000, (8, 16, 32, 64))]
    )
    def test_yolov6_by_its_rows_whose_objectness_is_one(self, size, rows, strides):
        table = np.ones((rows, 85), np.float32)
        found = FAMILIES["yolov6"].recognise(Seen("images", Size(size, size), {"outputs": table}))
        assert (found.form, found.classes, found.strides) == ("rows", 80, strides)

    def test_yolov6_0_1_by_the_name_of_its_input(self):
        table = np.full((8400, 85), 0.5, np.float32)
        for name, recognised in (("image_arrays", True), ("images", False)):
            found = FAMILIES["yolov6"].recognise(Seen(name, Size(640, 640), {"outputs": table}))
            assert (found is not None) == recognised

    @pytest.mark.parametrize(
        ("size", "strides", "count"),
        [
            (320, (8, 16, 32), 2100),
            (416, (8, 16, 32), 3549),
            (640, (8, 16, 32), 8400),
            (416, (8, 16, 32, 64), 3598),
            (640, (8, 16, 32, 64, 128), 8525),
        ],
    )
    def test_points_count_part_cells_as_whole(self, size, strides, count):
        assert points(Size(size, size), strides) == count
