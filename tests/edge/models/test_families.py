"""What every family must do; a new row is tested by being there."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from edge import models
from edge.errors import UnsupportedModelError
from edge.models import FAMILIES
from edge.models.shapes import points
from edge.types import Size


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
class TestEveryFamily:
    def test_is_found_by_its_name(self, family):
        assert models.family(family.name) is family
        assert all(models.form(family.name, name) is form for name, form in family.forms.items())

    def test_says_where_its_arithmetic_comes_from(self, family):
        assert len(family.source) > 10

    def test_does_not_take_any_output_for_its_own(self, family):
        assert family.recognise({}, family.input) is None
        assert family.recognise({"output": (1000,)}, family.input) is None
        assert family.recognise({"a": (3, 7, 9), "b": (5,)}, family.input) is None


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
        found = FAMILIES["yolov6lite"].recognise(self.LITE, Size(320, 320))
        assert (found.form, found.classes) == ("heads", 80)
        assert found.outputs == ("out0", "out1", "out2", "out3")
        assert FAMILIES["yolov6"].recognise(self.LITE, Size(320, 320)) is None

    def test_another_input_size_does_not_fit(self):
        assert FAMILIES["yolov6lite"].recognise(self.LITE, Size(640, 640)) is None

    def test_maps_of_unequal_channels_do_not_fit(self):
        assert (
            FAMILIES["yolov6lite"].recognise({**self.LITE, "out3": (85, 5, 5)}, Size(320, 320))
            is None
        )

    def test_yolov6_by_its_rows(self):
        found = FAMILIES["yolov6"].recognise({"outputs": (8400, 85)}, Size(640, 640))
        assert (found.form, found.classes, found.strides) == ("rows", 80, (8, 16, 32))

    def test_the_four_level_yolov6_by_its_rows(self):
        found = FAMILIES["yolov6"].recognise({"outputs": (34000, 85)}, Size(1280, 1280))
        assert found.strides == (8, 16, 32, 64)

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
