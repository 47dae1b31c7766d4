from __future__ import annotations

import ncnn_files
import numpy as np
import pytest
from ncnn_files import param

from edge.errors import ModelError, UnsupportedModelError
from edge.formats import ncnn_examples
from edge.formats.ncnn import blob_shapes, read_network, write_network

FOCUS = param("Input in 0 1 in", "YoloV5Focus focus 1 1 in out")
DETECTION = (
    "Yolov3DetectionOutput end 2 1 a b found 0=2 1=2 2=5.5e-01 3=4.0e-01 "
    "-23304=8,1.0,2.0,3.0,4.0,5.0,6.0,7.0,8.0 -23305=4,1073741824,1077936128,0,1065353216 "
    "-23306=2,3.2e+01,1.6e+01"
)
MAPS = (
    "Input in 0 1 in",
    "Split s 1 2 in x y",
    "Convolution c 1 1 x a 0=14 1=1 6=42",
    "Convolution d 1 1 y b 0=14 1=1 6=42",
)


def test_focus_gives_the_quarters_of_the_image(tmp_path):
    network = ncnn_examples.replace_focus(read_network(FOCUS, b""))
    assert blob_shapes(network, {"in": (3, 8, 12)})["out"] == (12, 4, 6)
    files = dict(zip(("param", "bin"), write_network(network), strict=True))
    image = ncnn_files.random(3, 8, 12)
    (out,) = ncnn_files.infer(files, image, ("out",), tmp_path)
    left, right = image[..., ::2], image[..., 1::2]
    quarters = [left[:, ::2], left[:, 1::2], right[:, ::2], right[:, 1::2]]
    np.testing.assert_array_equal(out, np.concatenate(quarters))


def test_a_detection_layer_is_cut_off_and_what_it_said_is_kept():
    weights = ncnn_files.arrays("t:42", "t:42")
    network, end = ncnn_examples.cut_detection(read_network(param(*MAPS, DETECTION), weights))
    assert network.outputs == ("a", "b")
    assert end.anchors == {"a": ((5, 6), (7, 8)), "b": ((1, 2), (3, 4))}
    assert (end.scales, end.classes) == ({"a": 32, "b": 16}, 2)
    assert (end.threshold, end.overlap) == (0.55, 0.4)


def test_a_network_without_one_is_left_as_it_is():
    network = read_network(param(*MAPS), ncnn_files.arrays("t:42", "t:42"))
    assert ncnn_examples.cut_detection(network) == (network, None)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("-23305=4,1073741824,", "-23305=4,1082130432,", r"places \[4, 3, 0, 1\] do not all lie"),
        ("1=2 2=", "1=3 2=", "4 places of anchors and 2 scales for 2 maps of 3 anchors"),
        ("-23306=2,3.2e+01,1.6e+01", "-23306=1,3.2e+01", "4 places of anchors and 1 scales"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(old, new, message):
    lines = (*MAPS, DETECTION.replace(old, new))
    network = read_network(param(*lines), ncnn_files.arrays("t:42", "t:42"))
    with pytest.raises(ModelError, match=f"end .*{message}"):
        ncnn_examples.cut_detection(network)


def test_other_detection_layers_are_named():
    lines = (*MAPS, "YoloDetectionOutput end 2 1 a b found")
    network = read_network(param(*lines), ncnn_files.arrays("t:42", "t:42"))
    with pytest.raises(UnsupportedModelError, match=r"end .*YOLOv2's detection layer.* to ONNX"):
        ncnn_examples.cut_detection(network)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("Convolution c 1 1 in a 0=8 1=3 6=216 9=2 -23310=1,0.1",), {"no focus", "leaky"}),
        (("Convolution c 1 1 in a 0=8 1=3 6=216 9=1",), {"no focus"}),
        (("Convolution c 1 1 in a 0=2 1=6 6=216",), {"no focus", "six"}),
        (("Convolution c 1 1 in a 0=8 1=3 6=216", "ReLU r 1 1 a b 0=0.1"), {"no focus", "leaky"}),
        (("Convolution c 1 1 in a 0=8 1=3 6=216", "ReLU r 1 1 a b"), {"no focus"}),
        (("Convolution c 1 1 in a 0=8 1=3 6=216", "Mish r 1 1 a b"), {"no focus", "leaky"}),
    ],
)
def test_the_first_layers_show_signs_of_a_family(lines, expected):
    network = read_network(param("Input image_arrays 0 1 in", *lines), ncnn_files.arrays("t:216"))
    assert ncnn_examples.signs(network) == {*expected, "image_arrays"}


def test_a_focus_is_seen_by_what_the_first_convolution_reads():
    lines = (
        "Input in 0 1 in",
        "YoloV5Focus focus 1 1 in a",
        "Convolution c 1 1 a b 0=4 1=3 6=432",
    )
    network = read_network(param(*lines), ncnn_files.arrays("t:432"))
    assert ncnn_examples.signs(network) == {"focus"}
