from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import onnx
import pytest
from networks import image, torch, trained, write_onnx

from calibration.export import export
from calibration.forms import Suppression, forms, module
from calibration.nets.config import NETS, YOLOv7Tiny
from calibration.nets.network import network
from edge.types import Size

ort = pytest.importorskip("onnxruntime")

SIZE = Size(96, 160)  # 315 cells; not square, so that swapped axes show
NAMES = ("yolov6n-v1", "yolov6n-v2", "yolov6n-v3", "yolov7-tiny")
EVERY = [(name, form) for name in NAMES for form in forms(NETS[name])]
RULE = Suppression(score_threshold=0.4, iou_threshold=0.45, limit=20, class_offset=640)
STRICT = replace(RULE, score_threshold=0.97)  # so few rows that no two have nearly one score
RULES = {"end2end-ort": STRICT}

# What upstream's scripts name the tensors, their opset, and the shapes; "." is any name.
FACTS = {
    ("yolov6n-v1", "decoded"): ("image_arrays", {"outputs": (1, 315, 85)}, 12),
    ("yolov6n-v2", "decoded"): ("images", {"outputs": (1, 315, 85)}, 13),
    ("yolov6n-v2", "heads"): (
        "in0",
        {"out0": (1, 84, 12, 20), "out1": (1, 84, 6, 10), "out2": (1, 84, 3, 5)},
        13,
    ),
    ("yolov6n-v2", "end2end"): ("images", {"outputs": (0, 7)}, 12),
    ("yolov6n-v2", "end2end-ort"): (
        "images",
        {
            "num_dets": (1, 1),
            "det_boxes": (1, 0, 4),
            "det_scores": (1, 0),
            "det_classes": (1, 0),
        },
        13,
    ),
    ("yolov7-tiny", "raw"): (
        "images",
        {"output": (1, 3, 12, 20, 85), r"\d+": (1, 3, 6, 10, 85), r"\d+ ": (1, 3, 3, 5, 85)},
        12,
    ),
    ("yolov7-tiny", "grid"): ("images", {"output": (1, 945, 85)}, 12),
    ("yolov7-tiny", "end2end"): ("images", {"output": (0, 7)}, 12),
}
FACTS |= {("yolov6n-v3", form): FACTS["yolov6n-v2", form] for form in forms(NETS["yolov6n-v2"])}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    return {
        (name, form): write_onnx(folder, name, form, SIZE, suppression=RULES.get(form, RULE))
        for name, form in EVERY
    }


def assert_near(result, expected):
    """Within 1e-4 of the largest value, of boxes and of probabilities each for themselves.

    Pixels reach hundreds here; float32 itself differs by 2e-5 of that from double precision.
    """
    assert result.shape == expected.shape
    assert result.size
    parts = ([..., slice(0, 4)], [..., slice(4, None)]) if result.shape[-1] > 4 else ([...],)
    for part in map(tuple, parts):
        limit = 1e-4 * max(1, np.abs(expected[part]).max())
        assert np.abs(result[part] - expected[part]).max() <= limit


def in_order(outputs):
    """The rows of suppressed outputs as one table, by class and place."""
    rows = outputs[0] if len(outputs) == 1 else np.column_stack([array[0] for array in outputs[1:]])
    corners, label = (rows[:, 1:5], rows[:, 5]) if len(outputs) == 1 else (rows[:, :4], rows[:, 5])
    return rows[np.lexsort([*np.round(corners.T), label])]


def run(path, x):
    session = ort.InferenceSession(str(path))
    return session.run(None, {session.get_inputs()[0].name: x.numpy()})


@pytest.mark.parametrize(("name", "form"), EVERY)
def test_names_shapes_and_opset_are_upstream_s(exported, name, form):
    model = onnx.load(exported[name, form])
    onnx.checker.check_model(model, full_check=True)
    input_name, outputs, opset = FACTS[name, form]
    assert [one.name for one in model.graph.input] == [input_name]
    assert [entry.version for entry in model.opset_import] == [opset]
    assert {node.domain for node in model.graph.node} == {""}
    for result, (expected, shape) in zip(model.graph.output, outputs.items(), strict=True):
        assert re.fullmatch(expected.strip(), result.name)
        dims = result.type.tensor_type.shape.dim
        assert tuple(0 if dim.dim_param else dim.dim_value for dim in dims) == shape


@pytest.mark.parametrize(("name", "form"), EVERY)
def test_onnx_runtime_gives_what_torch_gives(exported, name, form):
    x = image(SIZE)
    with torch.no_grad():
        expected = module(trained(name), form, SIZE, RULES.get(form, RULE))(x)
    result = run(exported[name, form], x)
    expected = (expected,) if torch.is_tensor(expected) else expected
    assert len(result) == len(expected)
    expected = [tensor.numpy() for tensor in expected]
    assert [array.dtype for array in result] == [array.dtype for array in expected]
    if form.startswith("end2end"):  # equal scores may come in either order
        result, expected = [in_order(result)], [in_order(expected)]
    for get, want in zip(result, expected, strict=True):
        assert_near(get, want)


def test_the_objectness_column_is_one_from_the_second_layout_on(exported):
    x = image(SIZE)
    for name in NAMES[:3]:
        column = run(exported[name, "decoded"], x)[0][..., 4]
        assert (column == 1).all() == (name != "yolov6n-v1")


def boxes_of_yolov6(level, stride, layout):
    rows = []
    for y, x in np.ndindex(*level.boxes.shape[2:]):
        a, b, c, d = level.boxes[0, :, y, x].tolist()
        if layout == 1:
            box = (x + a, y + b, np.exp(c), np.exp(d))
        else:
            box = (x + 0.5 + (c - a) / 2, y + 0.5 + (d - b) / 2, a + c, b + d)
        rows.append([value * stride for value in box])
    return rows


def boxes_of_yolov7(level, stride, anchors):
    rows = []
    for a, y, x in np.ndindex(*level.shape[1:4]):
        tx, ty, tw, th = level[0, a, y, x, :4].double().sigmoid().tolist()
        center = ((2 * tx - 0.5 + x) * stride, (2 * ty - 0.5 + y) * stride)
        rows.append([*center, (2 * tw) ** 2 * anchors[a][0], (2 * th) ** 2 * anchors[a][1]])
    return rows


def by_hand(x, name):
    """Boxes of the raw levels, one by one, by the formulas of the papers."""
    net = trained(name)
    with torch.no_grad():
        levels = net(x)
    rows = []
    for i, level in enumerate(levels):
        if name == "yolov7-tiny":
            rows += boxes_of_yolov7(level, (8, 16, 32)[i], net.config.anchors[i])
        else:
            rows += boxes_of_yolov6(level, (8, 16, 32)[i], net.config.layout)
    return np.array(rows, np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_boxes_follow_the_formulas(exported, name):
    x = image(SIZE)
    result = run(exported[name, "grid" if name == "yolov7-tiny" else "decoded"], x)[0]
    assert_near(result[0, :, :4], by_hand(x, name))


@pytest.mark.parametrize(("name", "form"), [one for one in EVERY if one[1].startswith("end2end")])
def test_suppression_keeps_the_best_of_what_overlaps(exported, name, form):
    x = image(SIZE)
    rows = run(exported[name, "grid" if name == "yolov7-tiny" else "decoded"], x)[0][0]
    corners = np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2], 1)
    scores = rows[:, 5:] * rows[:, 4:5]
    if form == "end2end":
        best = scores.argmax(1)
        offset = corners + best[:, None].astype(np.float32) * np.float32(640)
        kept = greedy(offset, scores.max(1), RULE)
        expected = np.concatenate(
            [np.zeros((len(kept), 1)), corners[kept], best[kept, None], scores.max(1)[kept, None]],
            1,
        )
        result = run(exported[name, form], x)[0]
    else:
        pairs = [(i, c) for c in range(80) for i in greedy(corners, scores[:, c], STRICT)]
        pairs.sort(key=lambda pair: -scores[pair])
        expected = np.array([[*corners[i], scores[i, c], c] for i, c in pairs])
        count, boxes, score, labels = (one[0] for one in run(exported[name, form], x))
        assert count[0] == len(pairs) == len(score) - 1
        assert (score[-1], labels[-1]) == (0, -1)  # the row that upstream appends
        result = np.concatenate([boxes, score[:, None], labels[:, None]], 1)[:-1]
    assert len(expected) > 3
    assert_near(result, expected)


def greedy(boxes, scores, rule):
    boxes = np.concatenate(
        [np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], 1
    )
    kept = []
    for i in np.argsort(-scores, kind="stable"):
        if scores[i] <= rule.score_threshold or len(kept) == rule.limit:
            break
        if all(overlap(boxes[i], boxes[j]) <= rule.iou_threshold for j in kept):
            kept.append(int(i))
    return kept


def overlap(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


def test_an_empty_image_gives_no_rows(exported, tmp_path):
    strict = Suppression(score_threshold=1.0)
    for name, form, columns in (("yolov6n-v3", "end2end", 7), ("yolov7-tiny", "end2end", 7)):
        path = write_onnx(tmp_path, name, form, SIZE, suppression=strict)
        assert run(path, image(SIZE))[0].shape == (0, columns)
    path = write_onnx(tmp_path, "yolov6n-v3", "end2end-ort", SIZE, suppression=strict)
    count, boxes, _, labels = run(path, image(SIZE))
    assert (count.item(), boxes.shape, labels.tolist()) == (0, (1, 1, 4), [[-1]])


def test_one_class_of_yolov7_scores_by_objectness(tmp_path):
    net = network(YOLOv7Tiny(classes=1), seed=3)
    x = image(SIZE)
    rule = Suppression(score_threshold=0.0, iou_threshold=0.99, limit=5)
    with torch.no_grad():
        rows = module(net, "grid", SIZE)(x)
        result = module(net, "end2end", SIZE, rule)(x)
    best = rows[0, :, 4].sort(descending=True).values[:3]
    torch.testing.assert_close(result[:3, 6], best)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("yolov6n-v2", "decoded"),
        ("yolov6n-v2", "heads"),
        ("yolov7-tiny", "raw"),
        ("yolov7-tiny", "grid"),
    ],
)
def test_an_open_batch_takes_any_number_of_images(tmp_path, name, form):
    path = write_onnx(tmp_path, name, form, SIZE, any_batch=True)
    x = image(SIZE, count=3)
    together = run(path, x)
    for i in range(3):
        for many, one in zip(together, run(path, x[i : i + 1]), strict=True):
            assert_near(many[i : i + 1], one)


def test_suppression_of_several_images_says_whose_a_box_is(tmp_path):
    path = write_onnx(tmp_path, "yolov6n-v2", "end2end", SIZE, suppression=RULE, any_batch=True)
    x = image(SIZE, count=2)
    result = run(path, x)[0]
    for i in range(2):
        expected = run(path, x[i : i + 1])[0]
        assert len(expected) > 3
        assert_near(result[result[:, 0] == i][:, 1:], expected[:, 1:])
    with pytest.raises(ValueError, match="of one image"):
        write_onnx(tmp_path, "yolov6n-v2", "end2end-ort", SIZE, any_batch=True)


def test_metadata_goes_into_the_file(tmp_path):
    path = write_onnx(tmp_path, "yolov6n-v2", "heads", SIZE, metadata={"names": "{0: 'a'}"})
    assert {one.key: one.value for one in onnx.load(path).metadata_props} == {"names": "{0: 'a'}"}


def test_an_unknown_form_or_size_is_refused_and_leaves_nothing(tmp_path):
    out = tmp_path / "x.onnx"
    with pytest.raises(ValueError, match=r"the form is one of decoded, heads.*got 'grid'"):
        export(trained("yolov6n-v2"), out, form="grid", size=SIZE)
    with pytest.raises(ValueError, match="multiple of 32, got 100x100"):
        export(trained("yolov6n-v2"), out, form="decoded", size=Size(100, 100))
    assert not list(tmp_path.iterdir())


def test_a_failed_export_leaves_the_old_file(tmp_path, monkeypatch):
    out = tmp_path / "x.onnx"
    out.write_bytes(b"old")

    def fail(*args, **kwargs):
        raise RuntimeError("no space")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(RuntimeError, match="no space"):
        export(trained("yolov6n-v2"), out, form="decoded", size=SIZE)
    assert [path.name for path in tmp_path.iterdir()] == ["x.onnx"]
    assert out.read_bytes() == b"old"
