"""What every family must do; a new row is tested by being there."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pages
import pytest
import small_detector

from edge import Detector, models, package
from edge.errors import UnsupportedModelError
from edge.formats.ncnn_examples import Ending
from edge.models import FAMILIES
from edge.models.anchor_heads import without_raw_maps
from edge.models.base import Family, OutputLayout, Preprocessing, Recognition, Seen
from edge.models.shapes import points
from edge.overrides import Overrides
from edge.recognize import open_model
from edge.types import Candidates, Size


def probe_of(shapes, size):
    return Seen("images", size, {n: np.zeros(shape, np.float32) for n, shape in shapes.items()})


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
class TestEveryFamily:
    def test_is_found_by_its_name(self, family):
        assert models.family(family.name) is family
        assert all(models.layout(family.name, n) is each for n, each in family.layouts.items())

    def test_says_where_its_arithmetic_comes_from(self, family):
        assert len(family.source) > 10

    def test_does_not_take_any_output_for_its_own(self, family):
        for shapes in ({}, {"output": (1000,)}, {"a": (3, 7, 9), "b": (5,)}):
            assert family.recognize(probe_of(shapes, family.input)) is None


def test_an_unknown_family_lists_the_known():
    with pytest.raises(UnsupportedModelError, match=r"'yolo99'; known: .*yolov6"):
        models.family("yolo99")


def test_an_unknown_form_lists_the_known():
    with pytest.raises(UnsupportedModelError, match="no output form 'x'; known: rows, heads"):
        models.layout("yolov6", "x")


class TestRecognizing:
    LITE = MappingProxyType(
        {"out3": (84, 5, 5), "out0": (84, 40, 40), "out2": (84, 10, 10), "out1": (84, 20, 20)}
    )

    def test_yolov6lite_by_its_four_maps_in_any_order(self):
        result = FAMILIES["yolov6lite"].recognize(probe_of(self.LITE, Size(320, 320)))
        assert (result.form, result.classes) == ("heads", 80)
        assert result.outputs == ("out0", "out1", "out2", "out3")
        assert FAMILIES["yolov6"].recognize(probe_of(self.LITE, Size(320, 320))) is None

    def test_another_input_size_does_not_fit(self):
        assert FAMILIES["yolov6lite"].recognize(probe_of(self.LITE, Size(640, 640))) is None

    def test_maps_of_unequal_channels_do_not_fit(self):
        unequal = {**self.LITE, "out3": (85, 5, 5)}
        assert FAMILIES["yolov6lite"].recognize(probe_of(unequal, Size(320, 320))) is None

    @pytest.mark.parametrize(
        ("size", "rows", "strides"), [(640, 8400, (8, 16, 32)), (1280, 34000, (8, 16, 32, 64))]
    )
    def test_yolov6_by_its_rows_whose_objectness_is_one(self, size, rows, strides):
        table = np.ones((rows, 85), np.float32)
        result = FAMILIES["yolov6"].recognize(Seen("images", Size(size, size), {"outputs": table}))
        assert (result.form, result.classes, result.strides) == ("rows", 80, strides)

    def test_yolov6_0_1_by_the_name_of_its_input(self):
        table = np.full((8400, 85), 0.5, np.float32)
        for name, recognized in (("image_arrays", True), ("images", False)):
            result = FAMILIES["yolov6"].recognize(Seen(name, Size(640, 640), {"outputs": table}))
            assert (result is not None) == recognized

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


def shown(shapes, *, size=640, name="images", chosen=False, pick=None):
    """Outputs as a network of these shapes might give them: logits of both signs."""
    rng = np.random.default_rng(0)
    outputs = {n: rng.normal(0, 3, shape).astype(np.float32) for n, shape in shapes.items()}
    for output, change in (pick or {}).items():
        outputs[output] = change(outputs[output])
    return Seen(name, Size(size, size), outputs, chosen)


def probable(values):
    return 1 / (1 + np.exp(-values))


def pixels(values):
    values = probable(values)
    values[..., :4] *= 600
    return values


def planes_of_pixels(values):
    return pixels(values.T).T


def halves(values):
    """The first 80 columns probabilities, the rest logits."""
    return np.concatenate([probable(values[:, :80]), values[:, 80:]], 1)


def listed(*parts, unit=600):
    """Rows as suppression leaves them: whole classes, corners in order, best first."""

    def change(values):
        count = len(values)
        low = probable(values[:, :2]) * unit / 2
        columns = {
            "image": np.zeros((count, 1)),
            "corners": np.concatenate([low, low + probable(values[:, 2:4]) * unit / 2], 1),
            "center": probable(values[:, :4]) * unit,
            "score": np.sort(probable(values[:, :1]), 0)[::-1],
            "class": np.arange(count)[:, None] % 80,
        }
        return np.concatenate([columns[part] for part in parts], 1).astype(np.float32)

    return change


def trained(first, last):
    """What a trained head gives for an image of nothing: low logits of classes, others of boxes.

    `first` and `last` are numbers of channels, the classes' negative.
    """

    def change(values):
        axis = next(i for i, n in enumerate(values.shape) if n == abs(first) + abs(last))
        channels = np.moveaxis(values, axis, 0)
        for count, part in ((first, channels[: abs(first)]), (last, channels[-abs(last) :])):
            part -= 15 if count < 0 else 0
        return values

    return change


SEVEN = listed("image", "corners", "class", "score")
SIX = listed("corners", "score", "class")
CLASS_FIRST = listed("class", "score", "corners")


def changed(shapes, change, **options):
    return shown(shapes, pick=dict.fromkeys(shapes, change), **options)


def by_level(count, *, size=640, strides=(8, 16, 32), form="maps"):
    """Shapes of outputs of each level."""
    sides = [size // stride for stride in strides]
    shape = {
        "maps": lambda n: (count, n, n),
        "maps-last": lambda n: (n, n, count),
        "rows": lambda n: (n * n, count),
        "planes": lambda n: (count, n * n),
    }[form]
    return {f"{count}-{n}": shape(n) for n in sides}


def ending_in_shares(values, axis):
    """The first channel a probability, the last 80 a softmax."""
    channels = np.moveaxis(values, axis, 0)
    channels[0] = probable(channels[0])
    channels[-80:] = np.exp(channels[-80:]) / np.exp(channels[-80:]).sum(0)
    return values


def low_scores(values):
    """Objectness and the one class of three anchors, as of a network that sees nothing."""
    values.reshape(3, 6, *values.shape[1:])[:, 4:] -= 15
    return values


PAIR = {"a": listed("corners"), "b": probable}


def signed(look, *signs):
    return replace(look, signs=frozenset(signs))


FOUR = (8, 16, 32, 64)
RAW = {"output": (3, 80, 80, 85), "b": (3, 40, 40, 85), "c": (3, 20, 20, 85)}
FCOS_MAPS = {f"{c}/{i}": (c, n, n) for c in (80, 4, 1) for i, n in enumerate((80, 40, 20, 10, 5))}
FORMS = [
    # raw maps of anchors show no family, but first layers may
    (
        changed(by_level(18, size=256, strides=(16, 32)), low_scores, size=256),
        {("yolov3", "heads"), ("yolov4", "heads-two")},
    ),
    (
        shown(by_level(255)),
        {(n, "heads") for n in ("yolov3", "yolov4", "yolov5", "yolov7", "yolov7-tiny")},
    ),
    (signed(shown(by_level(255)), "no focus", "six"), {("yolov5", "heads")}),
    (signed(shown(RAW), "no focus", "leaky"), {("yolov7-tiny", "heads")}),
    (signed(shown(RAW), "focus", "leaky"), {("yolov5", "heads")}),
    (
        signed(shown(RAW), "no focus"),
        {("yolov7", "heads"), ("yolov7-tiny", "heads"), ("yolov5", "heads")},
    ),
    # what is shown, and all that may be concluded
    (shown({"outputs": (0, 7)}), {("yolov6", "end2end_7")}),
    (shown({"output": (3, 7)}, pick={"output": SEVEN}), {("yolov7", "end2end_7")}),
    (
        shown(
            {"num_dets": (1,), "det_boxes": (5, 4), "det_scores": (5,), "det_classes": (5,)},
        ),
        {("yolov6", "end2end")},
    ),
    (shown({"output": (25200, 85)}, pick={"output": pixels}), {("yolov7", "rows")}),
    (shown({"output0": (25200, 85)}, pick={"output0": pixels}), {("yolov5", "rows")}),
    (shown(RAW), {("yolov7", "heads"), ("yolov7-tiny", "heads"), ("yolov5", "heads")}),
    (shown({"output0": (84, 8400)}, pick={"output0": planes_of_pixels}), {("yolov8", "planar")}),
    (
        shown({"output0": (84, 8400)}, pick={"output0": probable}),
        {("yolov8", "planar-fractions")},
    ),
    (shown({"output": (8400, 85)}, pick={"output": pixels}), {("yolox", "rows")}),
    (shown({"output": (8400, 85)}, pick={"output": probable}), {("yolox", "raw-rows")}),
    (shown({"output0": (300, 6)}, pick={"output0": SIX}), {("yolov10", "end2end_6")}),
    (shown({"output0": (300, 6)}, pick={"output0": np.zeros_like}), {("yolov10", "end2end_6")}),
    (
        shown({"output0": (300, 6)}, pick={"output0": listed("center", "score", "class", unit=1)}),
        {("rtdetr", "end2end_6")},
    ),
    (
        shown({"output0": (300, 6)}, pick={"output0": listed("corners", "score", "class", unit=1)}),
        {("yolov10", "end2end_6-fractions")},
    ),
    (shown({"Identity": (25200, 85)}, pick={"Identity": probable}), {("yolov5", "rows-fractions")}),
    (shown({"output0": (300, 84)}, pick={"output0": probable}), {("rtdetr", "rows")}),
    (shown({"labels": (300,), "boxes": (300, 4), "scores": (300,)}), {("rtdetr", "end2end")}),
    (shown({"logits": (300, 80), "pred_boxes": (300, 4)}), {("rtdetr", "set")}),
    (shown({"pred_logits": (100, 92), "pred_boxes": (100, 4)}), {("detr", "set")}),
    (
        shown({"a": (8400, 4), "b": (80, 8400)}),
        {("ppyoloe", "boxes-scores"), ("ppyoloe+", "boxes-scores")},
    ),
    (
        shown({"a": (12, 6), "b": (1,)}, pick={"a": CLASS_FIRST}),
        {("ppyoloe", "end2end"), ("ppyoloe+", "end2end")},
    ),
    (shown({"output": (8500, 112)}, pick={"output": halves}), {("nanodet-plus", "rows")}),
    (shown({"output": (8400, 112)}, pick={"output": halves}), {("nanodet", "rows")}),
    (shown(FCOS_MAPS, name="input_image"), {("fcos", "heads")}),
    (shown(FCOS_MAPS, name="input"), {("fcos", "heads-product")}),
    (
        shown({"hm": (80, 160, 160), "wh": (2, 160, 160), "reg": (2, 160, 160)}),
        {("centernet", "heads")},
    ),
    (
        shown(
            {f"out{i}": (84, n, n) for i, n in enumerate((80, 40, 20, 10))},
            pick={
                f"out{i}": lambda v: np.concatenate([probable(v[:80]), v[80:]]) for i in range(4)
            },
        ),
        {("yolov6lite", "heads")},
    ),
    # raw heads, however they lie
    (changed(by_level(144), trained(64, -80)), {("yolov8", "heads")}),
    (changed(by_level(144), trained(-80, 64)), {("yolov8", "maps")}),
    (changed(by_level(107), trained(64, -43)), {("yolov8", "heads")}),
    (changed(by_level(144, form="maps-last"), trained(64, -80)), {("yolov8", "boxes-maps-last")}),
    (changed({"out0": (8400, 144)}, trained(64, -80)), {("yolov8", "boxes-rows-logits")}),
    (shown({"out0": (8400, 144)}), {("yolov8", "boxes-rows-logits")}),  # random weights
    (changed({"out0": (144, 8400)}, trained(64, -80)), {("yolov8", "boxes-planes-logits")}),
    (changed({"out0": (112, 8500)}, trained(-80, 32)), {("nanodet-plus", "planes-logits")}),
    (changed({"out0": (8500, 112)}, trained(-80, 32)), {("nanodet-plus", "rows-logits")}),
    (changed({"out0": (8400, 112)}, trained(-80, 32)), {("nanodet", "rows-logits")}),
    (changed({"out0": (8400, 124)}, trained(-80, 44)), {("nanodet", "rows-logits")}),
    (
        shown(
            {**by_level(80, form="rows"), **by_level(32, form="rows")},
            pick=dict.fromkeys(by_level(80), probable),
        ),
        {("nanodet", "split-rows")},
    ),
    (
        shown(
            {**by_level(80, form="rows"), **by_level(4, form="rows")},
            pick=dict.fromkeys(by_level(80), probable),
        ),
        {("nanodet", "split-rows")},
    ),
    (
        shown(
            {**by_level(80, strides=FOUR, form="rows"), **by_level(32, strides=FOUR, form="rows")},
            pick=dict.fromkeys(by_level(80, strides=FOUR), probable),
        ),
        {("picodet", "split-rows")},
    ),
    (
        shown({"758": (85, 40, 40)}, pick={"758": lambda v: ending_in_shares(v, 0)}),
        {("fastestdet", "first")},
    ),
    (
        shown(
            by_level(95, strides=(16, 32), form="maps-last"),
            pick={f"95-{n}": lambda v: ending_in_shares(probable(v), 2) for n in (40, 20)},
        ),
        {("yolo-fastestv2", "last")},
    ),
    (
        shown({"output0": (84, 34000)}, pick={"output0": planes_of_pixels}),
        {("yolov8", "planar")},
    ),
]


@pytest.mark.parametrize(("look", "expected"), FORMS, ids=[str(i) for i in range(len(FORMS))])
def test_outputs_of_the_documented_shapes_are_recognized(look, expected):
    matches = {(f.name, f.recognize(look)) for f in FAMILIES.values() if f.recognize(look)}
    results = {(name, recognition.form) for name, recognition in matches}
    if expected is None:  # shapes that several heads have: an error will list them
        assert len(results) > 1
    else:
        assert results == expected
    for _, recognition in matches:
        assert recognition.classes in (None, 1, 80, 91, 43)
        assert set(recognition.outputs) <= set(look.outputs)


@pytest.mark.parametrize(
    ("shapes", "task"),
    [
        ({"output0": (116, 8400)}, "segmentation"),
        ({"output0": (116, 8400), "output1": (32, 160, 160)}, "segmentation"),
        ({"output0": (56, 8400)}, "pose"),
        ({"output0": (20, 8400)}, "oriented-box"),  # the angle is no probability
        ({"output0": (300, 38), "output1": (32, 160, 160)}, "segmentation"),
        ({"output0": (300, 38)}, "segmentation"),
        ({"output0": (300, 57)}, "pose"),
        ({"output0": (300, 7)}, "oriented-box"),
        ({"output0": (1, 1000)}, "classification"),
        ({"output0": (1, 5)}, "classification"),
    ],
)
def test_models_for_other_tasks_are_refused_by_name(shapes, task):
    look = shown(shapes)
    if next(iter(shapes.values()))[1:] == (8400,):  # centers and sizes are not negative
        look.outputs["output0"][:4] = np.abs(look.outputs["output0"][:4])
    with pytest.raises(UnsupportedModelError, match=f"{task} model"):
        FAMILIES["yolov8"].recognize(look)


def rows_of_cells(classes, count, *, objectness=None, unit=1.0, size=96):
    """A table of a row for each of some cells: centers all over the image, sizes, scores."""
    rng = np.random.default_rng(classes)
    rows = rng.uniform(0.001, 0.2, (count, 5 + classes)).astype(np.float32)
    rows[:, :2] = rng.uniform(0, unit, (count, 2))
    rows[:, 2:4] = rng.uniform(0.05, 0.3, (count, 2)) * unit
    if objectness is not None:
        rows[:, 4] = objectness
    return Seen("images", Size(size, size), {"outputs": rows})


@pytest.mark.parametrize("classes", [1, 2, 3, 30, 44])
@pytest.mark.parametrize(("size", "cells"), [(32, 21), (64, 84), (96, 189), (160, 525)])
def test_a_row_for_each_cell_is_never_taken_for_what_was_found(classes, size, cells):
    look = {"unit": size, "size": size}
    ones = rows_of_cells(classes, cells, objectness=1, **look)
    rounded = rows_of_cells(classes, cells, objectness=0.9989, **look)  # as codes of 8 bits
    thrice = rows_of_cells(classes, 3 * cells, **look)
    for probe, families in ((ones, {"yolov6"}), (rounded, {"yolov6"}), (thrice, {"yolov7"})):
        results = {f.name: f.recognize(probe) for f in FAMILIES.values()}
        known = {name: r for name, r in results.items() if r is not None}
        assert known.keys() == families
        for recognition in known.values():
            assert (recognition.form, recognition.classes) == ("rows", classes)
        chosen = Seen(probe.input_name, probe.input, probe.outputs, chosen=True)
        for name in families:
            assert FAMILIES[name].recognize(chosen).form == "rows"


@pytest.mark.parametrize(
    ("box", "family"),
    [([0, 10, 20, 30, 40, 2, 0.9], "yolov7"), ([100, 120, 300, 400, 0.7, 2], "yolov10")],
)
def test_one_box_is_told_from_classes(box, family):
    row = np.array([box], np.float32)
    classes = np.full_like(row, 1 / len(box))
    size = Size(640, 640)
    assert FAMILIES["yolov8"].recognize(Seen("images", size, {"output": row})) is None
    assert FAMILIES[family].recognize(Seen("images", size, {"output": row})) is not None
    with pytest.raises(UnsupportedModelError, match="classification model"):
        FAMILIES["yolov8"].recognize(Seen("images", size, {"output": classes}))


def test_angles_within_the_range_of_probabilities_are_told_from_a_class():
    planes = np.full((20, 8400), 0.001, np.float32)
    planes[:4] = 300
    size = Size(640, 640)
    probe = Seen("images", size, {"output0": planes})
    assert FAMILIES["yolov8"].recognize(probe).classes == 16
    planes[-1] = 0.785
    with pytest.raises(UnsupportedModelError, match="oriented-box model"):
        FAMILIES["yolov8"].recognize(probe)


def test_a_shape_of_another_task_is_taken_when_the_family_is_chosen():
    look = shown({"output0": (116, 8400)}, chosen=True, pick={"output0": planes_of_pixels})
    assert FAMILIES["yolov8"].recognize(look).classes == 112


def test_a_new_family_is_one_row(tmp_path, monkeypatch):
    pytest.importorskip("onnx")
    box = np.array([[8, 16, 40, 48]], np.float32)

    class Columns(OutputLayout):
        def decode(self, outputs, spec, scoring):
            assert outputs[0].values.shape[-1] == 8  # its columns
            return Candidates(box, np.ones(1, np.float32), np.ones(1, np.int32))

    row = Family(
        name="dummy",
        layouts=MappingProxyType({"columns": Columns(parts=(("boxes", "classes"),))}),
        recognize=lambda probe: Recognition("columns", 2, tuple(probe.outputs), "a dummy"),
        input=Size(64, 64),
        preprocessing=Preprocessing(),
        source="this test",
    )
    monkeypatch.setattr(models, "FAMILIES", MappingProxyType({**FAMILIES, "dummy": row}))
    (tmp_path / "x.onnx").write_bytes(small_detector.detector())
    opened = open_model([tmp_path / "x.onnx"], Overrides(family="dummy"))
    package.write(opened.package, tmp_path / "x.edge")
    with Detector.load(tmp_path / "x.edge", backend="onnxruntime") as detector:
        detections = detector(np.zeros((64, 64, 3), np.uint8))
    assert detections.boxes.tolist() == box.tolist()
    assert detections.class_ids.tolist() == [1]


DECODED = {"output": (25200, 85)}
PLANES = {"output0": (84, 8400)}


@pytest.mark.parametrize(
    ("shapes", "others", "left_out"),
    [
        (DECODED, {"a": (3, 80, 80, 85), "b": (3, 40, 40, 85), "c": (3, 20, 20, 85)}, True),
        (DECODED, {"a": (255, 80, 80), "b": (255, 40, 40), "c": (255, 20, 20)}, True),
        (PLANES, {"a": (144, 80, 80), "b": (144, 40, 40), "c": (144, 20, 20)}, True),
        (PLANES, {"a": (144, 80, 80), "b": (144, 40, 40)}, False),
        ({"output0": (116, 8400)}, {"output1": (32, 160, 160)}, False),
        (DECODED, {"a": (3, 80, 80, 85), "b": (3, 40, 40, 85), "c": (3, 40, 40, 85)}, False),
    ],
)
def test_raw_maps_behind_a_decoded_table_are_left_out(shapes, others, left_out):
    look = shown({**shapes, **others})
    result = without_raw_maps(look)
    assert result.left_out == (tuple(others) if left_out else ())
    assert set(result.outputs) == (set(shapes) if left_out else set(look.outputs))


def test_rtmdet_is_taken_by_its_name_alone():
    shapes = {**by_level(80), **by_level(4)}
    assert FAMILIES["rtmdet"].recognize(shown(shapes)) is None
    result = FAMILIES["rtmdet"].recognize(shown(shapes, chosen=True))
    assert (result.form, result.classes, len(result.outputs)) == ("split", 80, 6)


TWO = {"a": (255, 20, 20), "b": (255, 40, 40)}
THREE = {**TWO, "c": (255, 80, 80)}
PAIRS = ((10.0, 20.0),) * 3


def ended(shapes, scales, *signs, chosen=False):
    """Raw maps that a detection layer read, with input pixels per cell as it has them."""
    end = Ending(dict.fromkeys(shapes, PAIRS), dict(zip(shapes, scales, strict=True)), 80, 0.5, 0.4)
    look = shown(shapes, chosen=chosen)
    return replace(look, ending=end, signs=frozenset(signs))


@pytest.mark.parametrize(
    ("shapes", "scales", "results"),
    [
        (TWO, (32, 16), {"yolov3": "heads"}),
        (THREE, (32, 16, 8), {"yolov3": "heads"}),
        (TWO, (33.6, 16.8), {"yolov4": "heads-two"}),
        (THREE, (33.6, 17.6, 9.6), {"yolov4": "heads"}),
        (THREE, (40, 20, 10), {}),
    ],
)
def test_a_detection_layer_tells_yolov3_from_yolov4_by_its_scales(shapes, scales, results):
    look = ended(shapes, scales, "leaky")
    recognitions = {name: FAMILIES[name].recognize(look) for name in ("yolov3", "yolov4")}
    assert {name: r.form for name, r in recognitions.items() if r} == results
    others = FAMILIES.keys() - {"yolov3", "yolov4"}
    assert not any(FAMILIES[name].recognize(look) for name in others)
    for recognition in filter(None, recognitions.values()):
        assert recognition.outputs[0] == list(shapes)[-1]  # the finest first
        assert recognition.anchors == (PAIRS,) * len(shapes)
        assert "its own threshold of 0.5 and IoU of 0.4" in recognition.evidence


def test_a_network_that_does_not_begin_as_darknets_is_not_read_as_one():
    with pytest.raises(UnsupportedModelError, match=r"not begin as darknet.*--family yolov3"):
        FAMILIES["yolov3"].recognize(ended(TWO, (32, 16)))
    assert FAMILIES["yolov3"].recognize(ended(TWO, (32, 16), chosen=True)).form == "heads"


def test_the_page_on_recognition_names_every_family():
    table = pages.section(pages.read("edge/docs/reference/recognition.md"), "Families")
    assert {name for name in FAMILIES if f"`{name}`" not in table} == set()
