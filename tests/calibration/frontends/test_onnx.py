import numpy as np
import onnx
import pytest
from emitted import canonical, distance, reference
from onnx import TensorProto, helper, numpy_helper
from operator_cases import Builder

from calibration.frontends.onnx import read
from calibration.frontends.simplify import simplify
from calibration.graph import to_model
from edge.errors import ModelError, UnsupportedModelError
from edge.types import Size


def dynamic(builder, output, shape=("batch", 3, "height", "width"), **changes):
    """A file with open axes."""
    model = onnx.load_from_string(builder.model([output], (1, 3, 16, 16)))
    model.graph.ClearField("value_info")
    model.graph.input[0].CopyFrom(
        helper.make_tensor_value_info("images", changes.get("dtype", TensorProto.FLOAT), shape)
    )
    return model


def test_open_axes_take_the_size_asked_for():
    b = Builder()
    model = dynamic(b, b.conv("images", 3, 4))
    graph = read(model.SerializeToString(), input_size=Size(32, 64)).graph
    assert graph.shapes[graph.outputs[0]] == (1, 4, 32, 64)


def test_shape_arithmetic_is_folded():
    """A reshape by a size that the graph itself computes, as exporters write it."""
    b = Builder()
    y = b.conv("images", 3, 4)
    height = b.op("Gather", b.op("Shape", y), np.array([2]), axis=0)
    sizes = b.op("Concat", np.array([1, 4]), height, np.array([-1]), axis=0)
    model = dynamic(b, b.op("Reshape", y, sizes))
    graph = canonical_of(model, Size(8, 24))
    assert [node.op for node in graph.nodes] == ["Conv"]  # to its own shape: nothing is left


def canonical_of(model, size):
    return simplify(read(model.SerializeToString(), input_size=size).graph)


def test_half_precision_becomes_float32():
    b = Builder()
    y = b.op("Cast", b.conv(b.op("Cast", "images", to=TensorProto.FLOAT), 3, 4), to=1)
    model = dynamic(b, y, (1, 3, 16, 16), dtype=TensorProto.FLOAT16)
    for init in model.graph.initializer:
        init.CopyFrom(
            numpy_helper.from_array(numpy_helper.to_array(init).astype(np.float16), init.name)
        )
    graph = canonical_of(model, None)
    assert {values.dtype.name for values in graph.constants.values()} == {"float32"}
    assert [node.op for node in graph.nodes] == ["Conv"]


def test_batch_norm_and_constants_go_into_the_convolution():
    b = Builder()
    y = b.conv("images", 3, 4, 3, bias=False)
    y = b.op("BatchNormalization", y, *(np.abs(b.float_layers(4)) + 0.5 for _ in range(4)))
    y = b.op(
        "Mul",
        b.op("Sub", b.op("Div", y, np.float32(3)), b.float_layers(1, 4, 1, 1)),
        b.float_layers(4, 1, 1),
    )
    content = b.model([y], (1, 3, 16, 16))
    graph = canonical(content)
    x = b.float_layers(1, 3, 16, 16)
    assert [node.op for node in graph.nodes] == ["Conv"]
    result = reference(to_model(graph).SerializeToString(), x)[0]
    assert distance(result, reference(content, x)[0]) < 1e-6


def test_a_convolution_that_others_read_too_is_left_alone():
    b = Builder()
    y = b.conv("images", 3, 4)
    out = b.op("Add", b.op("Mul", y, np.float32(2)), y)
    assert [n.op for n in canonical(b.model([out], (1, 3, 8, 8))).nodes] == ["Conv", "Mul", "Add"]


def test_tensor_names_stay():
    b = Builder()
    y = b.op("Relu", b.conv("images", 3, 4, name="stem/conv"), name="stem/act")
    graph = canonical(b.model([y], (1, 3, 8, 8)))
    assert [(n.name, n.output) for n in graph.nodes] == [
        ("node_stem/conv", "stem/conv"),
        ("node_stem/act", "stem/act"),
    ]


def test_metadata_is_read():
    b = Builder()
    content = b.model([b.op("Relu", "images")], (1, 3, 8, 8), metadata={"names": "{0: 'cell'}"})
    assert read(content).metadata == {"names": "{0: 'cell'}"}


def test_an_open_size_must_be_given():
    b = Builder()
    model = dynamic(b, b.op("Relu", "images"))
    with pytest.raises(ModelError, match="images open; --imgsz says it"):
        read(model.SerializeToString())


def test_a_fixed_size_cannot_be_changed():
    b = Builder()
    content = b.model([b.op("Relu", "images")], (1, 3, 8, 8))
    with pytest.raises(ModelError, match="fixed at 8 pixels high, 16 are asked for"):
        read(content, input_size=Size(16, 16))


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", ModelError, "not an ONNX model"),
        (b"\x7fELF garbage", ModelError, "not an ONNX model"),
        (b"\x08\x08", ModelError, "it has no operators"),
    ],
)
def test_what_is_no_onnx_model_is_refused(content, error, message):
    with pytest.raises(error, match=message):
        read(content)


def test_a_truncated_file_is_refused():
    b = Builder()
    content = b.model([b.conv("images", 3, 64, 3)], (1, 3, 8, 8))
    with pytest.raises(ModelError):
        read(content[: len(content) // 2])


def test_an_old_opset_is_refused():
    b = Builder()
    content = b.model([b.op("Relu", "images")], (1, 3, 8, 8), opset=8)
    with pytest.raises(UnsupportedModelError, match="opset is 8; 9 or newer"):
        read(content)


def test_weights_in_another_file_are_refused(tmp_path):
    b = Builder()
    model = onnx.load_from_string(b.model([b.conv("images", 3, 64, 3)], (1, 3, 8, 8)))
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, size_threshold=0)
    with pytest.raises(UnsupportedModelError, match="weights lie in another file"):
        read(path.read_bytes())


def test_a_batch_of_several_is_refused():
    b = Builder()
    with pytest.raises(UnsupportedModelError, match="batch of 4"):
        read(b.model([b.op("Relu", "images")], (4, 3, 8, 8)))


def test_the_scale_of_the_photograph_is_fixed_to_one():
    b = Builder()
    boxes = b.op("Reshape", b.conv("images", 3, 2), np.array([1, 64, 2]))
    y = b.op("Mul", boxes, "scale_factor")
    content = b.model([y], (1, 3, 8, 8), more_inputs={"scale_factor": (1, 2)})
    graph = canonical(content)
    assert graph.inputs == ("images",)
    assert [node.op for node in graph.nodes] == ["Conv", "Reshape"]


def test_another_second_input_is_refused():
    b = Builder()
    content = b.model([b.op("Add", "images", "mask")], (1, 3, 8, 8), more_inputs={"mask": (1,)})
    with pytest.raises(UnsupportedModelError, match="this model has images, mask"):
        read(content)


def test_windows_that_are_not_regular_stay_gathered():
    b = Builder()
    rows = b.op("Gather", "images", np.array([[0, 1, 2], [2, 3, 5]]), axis=2)
    columns = b.op("Gather", rows, np.array([[0, 1, 2]]), axis=4)
    apart = b.op("Transpose", columns, perm=(0, 1, 2, 4, 3, 5))
    assert [node.op for node in canonical(b.model([apart])).nodes] == [
        "Gather",
        "Gather",
        "Transpose",
    ]
