from __future__ import annotations

import numpy as np
import pytest
from quant_graphs import MODEL, images

from calibration.quant.observe.inputs import Inputs
from edge import ops
from edge.errors import CalibrationError
from edge.types import Frame


def test_the_network_reads_what_the_detector_feeds_it():
    image = np.random.default_rng(0).integers(0, 256, (40, 30, 3)).astype(np.uint8)
    inputs = Inputs.of([image], MODEL)
    expected = np.empty((1, 3, 16, 16), np.float32)
    ops.letterbox(Frame.of(image), inputs.placed[0], expected)
    np.testing.assert_allclose(inputs.real(0), expected, rtol=1e-6)
    assert inputs.limits() == (0.0, 1.0)


def test_what_lies_around_the_image_is_left_out_at_every_resolution():
    inputs = images(1)  # the upper 12 of 16 rows
    for size in (16, 8, 4):
        values = np.zeros((1, 2, size, size))
        values[:, :, : size * 3 // 4] = 1
        part = inputs.image(0, values)
        assert part.shape == (1, 2, size * 3 // 4, size)
        assert part.all()
    vector = np.ones((1, 5, 1, 1))
    assert inputs.image(0, vector) is vector
    assert inputs.image(0, np.ones((1, 2, 2, 2))).shape == (1, 2, 2, 2)


def test_the_print_is_that_of_what_is_fed():
    inputs = images(3)
    assert inputs.sha256 == images(3).sha256 != images(2).sha256
    assert inputs.take([2, 0]).sha256 != inputs.take([0, 2]).sha256
    assert len(inputs.take([1])) == 1


def test_no_images_and_no_image_are_refused():
    with pytest.raises(CalibrationError, match="no images"):
        Inputs.of([], MODEL)
    with pytest.raises(TypeError, match="uint8"):
        Inputs.of([np.zeros((4, 4, 3))], MODEL)
