from __future__ import annotations

import numpy as np
import pytest

from edge.backends.base import TensorSpec
from edge.models.base import ModelSpec, Preprocessing
from edge.preprocessing import Preprocessor
from edge.types import Frame, Size

cv2 = pytest.importorskip("cv2")
IMAGE = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)


def fed(pre, dtype="float32", layout="NCHW", image=IMAGE, scale=1.0, zero=0):
    spec = ModelSpec("yolov6", "rows", Size(32, 32), ("a",), preprocessing=pre)
    input_ = TensorSpec("x", spec.shape(layout), dtype, layout, scale, zero)
    view = np.full(input_.shape, 7, dtype)
    geometry = Preprocessor(spec, input_)(Frame.of(image), view)
    return view, geometry


def gray_of(image):
    """By OpenCV: resized to fill the input, then gray."""
    return cv2.cvtColor(cv2.resize(image, (32, 32)), cv2.COLOR_BGR2GRAY)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_gray_is_opencv_s(layout):
    pre = Preprocessing("GRAY", (10.0,) * 3, (0.5,) * 3, placement="stretch")
    view, _ = fed(pre, layout=layout)
    assert view.shape == ((1, 1, 32, 32) if layout == "NCHW" else (1, 32, 32, 1))
    expected = (gray_of(IMAGE).astype(np.float32) - 10) * 0.5
    np.testing.assert_array_equal(view.reshape(32, 32), expected)


def test_gray_codes_are_the_pixels_or_less_128():
    pre = Preprocessing("GRAY", placement="stretch")
    expected = gray_of(IMAGE).astype(int)
    for dtype, zero in (("uint8", 0), ("int8", -128)):
        view, _ = fed(pre, dtype, scale=1 / 255, zero=zero)
        np.testing.assert_array_equal(view.reshape(32, 32).astype(int), expected + zero)


def test_gray_codes_of_another_scale_are_rounded():
    pre = Preprocessing("GRAY", (0.0,) * 3, (1 / 255,) * 3, placement="stretch")
    view, _ = fed(pre, "uint8", scale=1 / 128, zero=3)
    expected = np.rint(gray_of(IMAGE) / 255 * 128) + 3
    np.testing.assert_allclose(view.reshape(32, 32).astype(float), expected, atol=1)


def test_a_gray_image_stays_what_it_is_and_the_pad_is_gray():
    pre = Preprocessing("GRAY", (0.0,) * 3, (1.0,) * 3, pad=(9, 200, 200))
    image = np.random.default_rng(1).integers(0, 256, (16, 32), np.uint8)
    view, geometry = fed(pre, image=image)
    np.testing.assert_array_equal(view[0, 0, 8:24], image)
    assert geometry.top == 8
    assert np.unique(view[0, 0, :8]) == [9]
