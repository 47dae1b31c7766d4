from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.types import Detections, Frame, Letterbox, Size

sides = st.integers(1, 4000)


class TestSize:
    @pytest.mark.parametrize(
        ("text", "size"),
        [("640", Size(640, 640)), ("480x640", Size(480, 640)), (" 32 ", Size(32, 32))],
    )
    def test_reads_a_square_or_height_by_width(self, text, size):
        assert Size.parse(text) == size

    @pytest.mark.parametrize("text", ["", "0", "-1", "640x", "640x480x3", "1.5", "a", "9" * 30])
    def test_refuses_anything_else(self, text):
        with pytest.raises(ValueError, match="size"):
            Size.parse(text)

    def test_says_height_first(self):
        assert str(Size(480, 640)) == "480x640"


class TestFrame:
    def test_takes_bgr_and_gray_images(self):
        assert Frame.of(np.zeros((4, 6, 3), np.uint8)).format == "BGR"
        assert Frame.of(np.zeros((4, 6), np.uint8)).format == "GRAY"
        assert Frame.of(np.zeros((4, 6, 3), np.uint8)).size == Size(4, 6)

    @pytest.mark.parametrize(
        "image", [np.zeros((4, 6, 3), np.float32), [[1, 2]], "photo.jpg", None]
    )
    def test_refuses_other_types(self, image):
        with pytest.raises(TypeError, match="an image is a uint8 array"):
            Frame.of(image)

    @pytest.mark.parametrize("shape", [(0, 6, 3), (4, 6, 4), (4, 6, 1), (1, 4, 6, 3), (4,)])
    def test_refuses_other_shapes(self, shape):
        with pytest.raises(ValueError, match="an image"):
            Frame.of(np.zeros(shape, np.uint8))

    def test_takes_any_row_stride_and_says_how_to_fix_other_gaps(self):
        image = np.zeros((8, 8, 3), np.uint8)
        assert Frame.of(image[::2, 2:6]).size == Size(4, 4)
        for view in (image[..., ::-1], image[:, ::2], image[:, ::2, 0], image[:, ::-1, 0]):
            with pytest.raises(TypeError, match=r"np\.ascontiguousarray\(image\)"):
                Frame.of(view)
            assert Frame.of(np.ascontiguousarray(view)).size == Size(*view.shape[:2])


class TestLetterbox:
    @pytest.mark.parametrize(
        ("image", "placement", "resized", "top", "left"),
        [
            (Size(480, 640), "center", Size(240, 320), 40, 0),
            (Size(640, 480), "center", Size(320, 240), 0, 40),
            (Size(427, 640), "center", Size(214, 320), 53, 0),
            (Size(425, 640), "center", Size(213, 320), 53, 0),  # 212.5: half rounds up; 53 + 54
            (Size(1, 4000), "center", Size(1, 320), 159, 0),
            (Size(480, 640), "top-left", Size(240, 320), 0, 0),
            (Size(480, 640), "stretch", Size(320, 320), 0, 0),
        ],
    )
    def test_places_the_image(self, image, placement, resized, top, left):
        result = Letterbox.fit(image, Size(320, 320), placement)
        assert (result.resized, result.top, result.left) == (resized, top, left)

    @given(sides, sides, sides, sides, st.sampled_from(["center", "top-left", "stretch"]))
    def test_lies_inside_and_touches_two_sides(self, h, w, height, width, placement):
        result = Letterbox.fit(Size(h, w), Size(height, width), placement)
        assert 0 <= result.top <= height - result.resized.height
        assert 0 <= result.left <= width - result.resized.width
        assert result.resized.height == height or result.resized.width == width

    @given(sides, sides, st.sampled_from(["center", "top-left", "stretch"]))
    def test_boxes_come_back(self, h, w, placement):
        geometry = Letterbox.fit(Size(h, w), Size(320, 416), placement)
        rng = np.random.default_rng(h * 4001 + w)
        corners = np.sort(rng.random((20, 2, 2), np.float32), axis=1).reshape(20, 4)
        boxes = (corners * [w, h, w, h]).astype(np.float32)
        there = geometry.to_input(boxes)
        np.testing.assert_allclose(geometry.to_image(there), boxes, atol=2e-3 * max(h, w) / 320)

    def test_the_image_corners_are_the_corners_of_the_placement(self):
        geometry = Letterbox.fit(Size(427, 640), Size(320, 320))
        whole = np.array([[0, 0, 640, 427]], np.float32)
        np.testing.assert_allclose(geometry.to_input(whole), [[0, 53, 320, 267]], rtol=1e-6)

    def test_boxes_are_clipped_to_the_image(self):
        geometry = Letterbox.fit(Size(100, 200), Size(64, 64))
        outside = np.array([[-50, -50, 500, 500]], np.float32)
        np.testing.assert_array_equal(geometry.to_image(outside), [[0, 0, 200, 100]])
        assert outside[0, 0] == -50


class TestDetections:
    def test_rows_are_selected_together(self):
        boxes = np.arange(12, dtype=np.float32).reshape(3, 4)
        detections = Detections(
            boxes, np.array([0.9, 0.5, 0.1], np.float32), np.arange(3, dtype=np.int32)
        )
        kept = detections[detections.scores > 0.3]
        assert len(kept) == 2
        np.testing.assert_array_equal(kept.boxes, boxes[:2])
        np.testing.assert_array_equal(kept.class_ids, [0, 1])

    def test_refuses_columns_of_different_lengths(self):
        with pytest.raises(ValueError, match="shapes disagree"):
            Detections(np.zeros((2, 4), np.float32), np.zeros(3, np.float32), np.zeros(2, np.int32))
