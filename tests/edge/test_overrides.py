from __future__ import annotations

import pytest

from edge import overrides as known
from edge.errors import ModelError
from edge.models import family
from edge.models.base import Preprocessing
from edge.models.metadata import Facts
from edge.overrides import Overrides
from edge.types import Size

BGR = Preprocessing("BGR", (1.0, 2.0, 3.0), (0.1, 0.2, 0.3), (4, 5, 6), "center")
LEVELS = (((10.0, 13.0), (16.0, 30.0)), ((30.0, 61.0), (62.0, 45.0)))


class TestLabels:
    def test_the_user_goes_before_the_file(self):
        facts = Facts(labels=("a", "b"), label_file=("c", "d"))
        assert known.labels(2, Overrides(labels=("x", "y")), facts)[:2] == (("x", "y"), "option")
        assert known.labels(2, Overrides(), facts)[:2] == (("a", "b"), "file")
        assert known.labels(2, Overrides(), Facts(label_file=("c", "d")))[:2] == (
            ("c", "d"),
            "file",
        )

    def test_gaps_in_a_file_of_labels_are_classes_without_a_name(self):
        names, _, _ = known.labels(4, Overrides(), Facts(label_file=("a", "???", "b", "???")))
        assert names == ("a", "class 1", "b", "class 3")

    def test_a_file_of_labels_with_another_count_names_nothing(self):
        names, source, words = known.labels(2, Overrides(), Facts(label_file=("a", "b", "c")))
        assert (names, source) == (("class 0", "class 1"), "assumed")
        assert "--labels" in words

    def test_classes_without_a_name_are_never_called_as_coco_s(self):
        names, _, _ = known.labels(3, Overrides(), Facts())
        assert names == ("class 0", "class 1", "class 2")

    @pytest.mark.parametrize("count", [80, 91])
    def test_as_many_as_coco_has_are_assumed_to_be_coco_s(self, count):
        names, source, words = known.labels(count, Overrides(), Facts())
        assert ("person" in names, source) == (True, "assumed")
        assert "taken for COCO's" in words

    def test_another_count_than_the_outputs_have(self):
        with pytest.raises(ModelError, match="3 classes, got 2 labels"):
            known.labels(3, Overrides(labels=("a", "b")), Facts())


class TestAnchors:
    def test_are_given_in_the_order_of_the_file_s_outputs(self):
        numbers = (62, 45, 30, 61, 16, 30, 10, 13)
        levels, source, _ = known.anchors(
            "yolov3", LEVELS, Overrides(anchors=numbers), None, [1, 0]
        )
        assert levels == (((16, 30), (10, 13)), ((62, 45), (30, 61)))
        assert source == "option"
        same, _, _ = known.anchors("yolov3", LEVELS, Overrides(anchors=numbers), None, [0, 1])
        assert same == (((62, 45), (30, 61)), ((16, 30), (10, 13)))

    def test_of_another_number(self):
        with pytest.raises(ModelError, match=r"--anchors: 2 numbers, wanted 8: .* of 2 \+ 2"):
            known.anchors("yolov3", LEVELS, Overrides(anchors=(1, 2)), None, [0, 1])

    def test_for_a_form_without_any(self):
        with pytest.raises(ModelError, match="--anchors: yolov8 has none"):
            known.anchors("yolov8", (), Overrides(anchors=(1, 2)), None, [0])

    def test_usual_ones_are_said_to_be_that(self):
        _, source, words = known.anchors("yolov5", LEVELS, Overrides(), None, [0, 1])
        assert source == "family"
        assert "the usual ones of yolov5, the file has none" in words


class TestPreprocessing:
    def test_usual_ones_are_a_stated_assumption(self):
        pre, sources, (words,) = known.preprocessing("nanodet", BGR, Overrides(), channels=3)
        assert pre == BGR
        assert set(sources.values()) == {"family"}
        assert words == "color, mean, std, letterbox, pad: as usual for nanodet, no file tells them"

    def test_each_color_keeps_its_numbers_when_the_order_turns(self):
        pre, _, _ = known.preprocessing("nanodet", BGR, Overrides(color="RGB"), channels=3)
        assert (pre.color, pre.mean, pre.scale) == ("RGB", (3.0, 2.0, 1.0), (0.3, 0.2, 0.1))
        assert pre.pad == (6, 5, 4)

    def test_what_the_user_says(self):
        given = Overrides(mean=(128.0,) * 3, std=(64.0,) * 3, letterbox="stretch", pad=(0, 0, 0))
        pre, sources, _ = known.preprocessing("nanodet", BGR, given, channels=3)
        assert pre == Preprocessing("BGR", (128.0,) * 3, (1 / 64,) * 3, (0, 0, 0), "stretch")
        assert sources == {
            "color": "family", "mean": "option", "std": "option",
            "letterbox": "option", "pad": "option",
        }  # fmt: skip

    def test_fractions_are_taken_for_that_and_it_is_said(self):
        given = Overrides(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.5))
        pre, _, words = known.preprocessing("yolox", BGR, given, channels=3)
        assert pre.mean == (127.5,) * 3
        assert pre.scale == (1 / 63.75, 1 / 63.75, 1 / 127.5)
        assert "fractions of 255" in words[0]

    def test_one_channel_is_gray_and_that_is_the_file_s_word(self):
        pre, sources, _ = known.preprocessing("yolov3", Preprocessing(), Overrides(), channels=1)
        assert (pre.color, sources["color"]) == ("GRAY", "file")

    @pytest.mark.parametrize(("color", "channels"), [("RGB", 1), ("GRAY", 3)])
    def test_a_color_that_the_input_has_no_channels_for(self, color, channels):
        with pytest.raises(ModelError, match=f"--color {color.lower()}: the input has"):
            known.preprocessing(
                "yolov3", Preprocessing(), Overrides(color=color), channels=channels
            )


def test_only_what_is_said_of_the_package_leaves_the_reading_alone():
    assert not Overrides(name="a", license="MIT", input=Size(1, 1)).reads
    for given in (
        Overrides(pad=(0, 0, 0)),
        Overrides(anchors=(1.0, 2.0)),
        Overrides(family="yolox"),
    ):
        assert given.reads


def test_every_family_s_usual_preprocessing_is_kept_where_nothing_is_said():
    for name in ("yolov6", "yolox", "nanodet"):
        usual = family(name).preprocessing
        assert known.preprocessing(name, usual, Overrides(), channels=3)[0] == usual
