"""What is ONNX Runtime's own; the rest is in test_contract.py."""

from __future__ import annotations

import numpy as np
import pytest

from edge.backends import describe, open_backend
from edge.backends.base import TensorSpec
from edge.detector import Detector
from edge.errors import ModelError
from edge.overrides import Overrides
from edge.recognize import open_model

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

INPUT = TensorSpec("image", (1, 3, 64, 96))


def network(**side):
    """Boxes of RT-DETR's official export, as far as the sizes go, with these inputs beside."""
    helper, kinds = onnx.helper, onnx.TensorProto
    value = helper.make_tensor_value_info
    nodes = [helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0)]
    outputs = [value("mean", kinds.FLOAT, (1,))]
    for name, kind in side.items():
        nodes.append(helper.make_node("Identity", [name], [f"{name}/given"]))
        outputs.append(value(f"{name}/given", *kind))
    graph = helper.make_graph(
        nodes,
        "side",
        [value("image", kinds.FLOAT, (1, 3, "h", "w")), *(value(n, *s) for n, s in side.items())],
        outputs,
    )
    opsets = [helper.make_opsetid("", 13)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return {"onnx": model.SerializeToString()}


FLOAT, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64


@pytest.mark.parametrize(
    ("name", "kind", "given"),
    [
        ("scale_factor", FLOAT, [[1.0, 1.0]]),
        ("im_shape", FLOAT, [[64.0, 96.0]]),
        ("orig_target_sizes", INT64, [[96, 64]]),
    ],
)
def test_what_an_export_asks_beside_the_image_is_answered_for_the_input(name, kind, given):
    for shape in ((1, 2), ("n", 2)):
        files = network(**{name: (kind, shape)})
        assert [spec.name for spec in describe("onnxruntime", files).inputs] == ["image"]
        backend = open_backend("onnxruntime", files, INPUT, ["mean", f"{name}/given"])
        backend.input_view()[...] = 3
        mean, answer = backend.run()
        assert mean.values.tolist() == [3]
        assert answer.values.tolist() == given
        backend.close()


def test_an_input_that_is_not_known_is_still_refused():
    with pytest.raises(ModelError, match="one input image is wanted, found image, mask"):
        open_backend("onnxruntime", network(mask=(FLOAT, (1, 2))), INPUT, ["mean"])
    files = network(scale_factor=(FLOAT, (4,)))
    with pytest.raises(ModelError, match=r"scale_factor is tensor\(float\) \[4\], \(1, 2\) is wan"):
        open_backend("onnxruntime", files, INPUT, ["mean"])


def test_a_pp_yoloe_with_its_scale_factor_is_recognized(tmp_path):
    from operator_cases import Builder

    from calibration.canonical import for_targets

    b = Builder()
    cells = 64 // 8 * 64 // 8 + 64 // 16 * 64 // 16 + 64 // 32 * 64 // 32
    flat = b.op("Reshape", b.conv("images", 3, 6, 3, strides=(8, 8)), np.array([1, 6, -1]))
    wide = b.op("Concat", flat, flat, axis=2)
    wide = b.op("Slice", wide, np.array([0]), np.array([cells]), np.array([2]))
    corners, scores = b.op("Split", wide, np.array([4, 2]), axis=1, outputs=2)
    scale = b.op("Concat", "scale_factor", "scale_factor", axis=1)
    boxes = b.op("Div", b.op("Transpose", corners, perm=(0, 2, 1)), scale, name="boxes")
    results = [boxes, b.op("Sigmoid", scores, name="scores")]
    path = tmp_path / "ppyoloe.onnx"
    path.write_bytes(b.model(results, (1, 3, 64, 64), more_inputs={"scale_factor": (1, 2)}))
    opened = open_model([path], Overrides(family="ppyoloe+"))
    spec = opened.package.spec
    assert (spec.form, spec.input_name, len(spec.labels)) == ("boxes-scores", "images", 2)
    with Detector.load(opened.package, conf=0.1) as detector:
        detector(np.zeros((48, 64, 3), np.uint8))
    written = for_targets(opened, ("onnxruntime", "tflite")).package
    assert [artifact.backend for artifact in written.artifacts] == ["onnxruntime", "tflite"]
