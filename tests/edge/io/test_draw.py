from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from edge.io.draw import annotate, bgr, color
from edge.types import Detections, Frame


def detections_of(*boxes, score: float = 0.87, class_id: int = 0) -> Detections:
    n = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(n, 4),
        np.full(n, score, np.float32),
        np.full(n, class_id, np.int32),
    )


def frame(height: int = 200, width: int = 300) -> Frame:
    return Frame.of(np.full((height, width, 3), 128, np.uint8))


def test_without_detections_the_image_is_an_equal_copy():
    photo = frame()
    image = annotate(photo, detections_of(), ())
    assert np.array_equal(image, photo.planes[0])
    assert not np.shares_memory(image, photo.planes[0])


def test_the_frame_is_not_touched():
    image = frame()
    annotate(image, detections_of((50, 60, 150, 160)), ("dog",))
    assert (image.planes[0] == 128).all()


def test_the_outline_lies_on_the_pixels_inside_the_edges():
    image = annotate(frame(), detections_of((50, 100, 150, 160)), ("dog",))
    for y, x in ((130, 50), (130, 149), (159, 100)):
        assert tuple(image[y, x]) == color(0)
    assert (image[130, 60:140] == 128).all()  # nothing inside
    assert (image[130, 155:] == 128).all()
    assert (image[165:] == 128).all()


def test_the_caption_stands_above_the_box_or_inside_at_the_top():
    above = annotate(frame(), detections_of((50, 100, 250, 180)), ("dog",))
    assert tuple(above[95, 50]) == color(0)  # its margin
    inside = annotate(frame(), detections_of((50, 2, 250, 180)), ("dog",))
    assert tuple(inside[4, 60]) == color(0)  # above its letters; the line ends at row 2
    assert (inside[:2] == 128).all()


def test_other_labels_and_scores_look_different():
    box = (50, 100, 150, 180)
    images = [
        annotate(frame(), detections_of(box, score=score), (label,))
        for label, score in (("dog", 0.87), ("cat", 0.87), ("dog", 0.12))
    ]
    for one, other in itertools.combinations(images, 2):
        assert not np.array_equal(one, other)


def test_what_is_not_ascii_is_drawn_as_question_marks():
    box = (50, 100, 150, 180)
    drawn = annotate(frame(), detections_of(box), ("Käfer日",))
    assert np.array_equal(drawn, annotate(frame(), detections_of(box), ("K?fer?",)))


@pytest.mark.parametrize(
    "box", [(0, 0, 300, 200), (-50, -50, 400, 300), (10, 10, 10, 10), (299.6, 199.6, 300, 200)]
)
def test_boxes_at_and_beyond_the_edges_are_drawn(box):
    image = annotate(frame(), detections_of(box), ("a label that is quite long",))
    assert image.shape == (200, 300, 3)
    assert not np.array_equal(image, frame().planes[0])


def test_an_image_of_one_pixel_is_drawn_on():
    assert annotate(frame(1, 1), detections_of((0, 0, 1, 1)), ()).shape == (1, 1, 3)


def test_the_line_grows_with_the_image():
    def outline(height, width):
        image = annotate(
            frame(height, width), detections_of((width / 2, 0, width - 1, height)), ("x",)
        )
        return int((image[height // 2] != 128).any(axis=1).sum())

    assert outline(240, 320) < outline(2160, 3840)


def test_the_best_detection_is_drawn_last():
    both = Detections(
        np.array([(50, 100, 150, 180)] * 2, np.float32),
        np.array([0.9, 0.3], np.float32),
        np.array([1, 0], np.int32),
    )
    image = annotate(frame(), both, ("dog", "cat"))
    assert tuple(image[140, 50]) == color(1)


def test_the_colors_of_eighty_classes_differ():
    colors = [np.array(color(i), int) for i in range(80)]
    assert min(np.abs(a - b).max() for a, b in itertools.combinations(colors, 2)) >= 4
    neighbors = itertools.pairwise(colors)
    assert min(np.abs(a - b).max() for a, b in neighbors) > 100


def yuv_frames(image: np.ndarray) -> dict[str, Frame]:
    """The image in every format, by OpenCV's own converters."""
    height, width = image.shape[:2]
    i420 = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)
    y, chroma = i420[:height], i420[height:].reshape(2, height // 2, width // 2)
    yuyv = np.empty((height, width, 2), np.uint8)
    yuyv[..., 0] = y
    for channel in (0, 1):
        yuyv[:, channel::2, 1] = np.repeat(chroma[channel], 2, axis=0)
    return {
        "BGR": Frame((image,), "BGR"),
        "RGB": Frame((image[..., ::-1].copy(),), "RGB"),
        "I420": Frame((y, chroma[0], chroma[1]), "I420"),
        "NV12": Frame((y, np.ascontiguousarray(chroma.transpose(1, 2, 0))), "NV12"),
        "YUYV": Frame((yuyv,), "YUYV"),
    }


@pytest.mark.parametrize("form", ["BGR", "RGB", "I420", "NV12", "YUYV"])
def test_every_pixel_format_becomes_bgr(form):
    image = np.zeros((32, 48, 3), np.uint8)
    image[:, :16], image[:, 16:32], image[:, 32:] = (200, 60, 30), (40, 180, 90), (20, 70, 210)
    photo = bgr(yuv_frames(image)[form])
    tolerance = 0 if form in ("BGR", "RGB") else 4  # rounding, twice
    assert photo.dtype == np.uint8
    assert np.abs(photo.astype(int) - image).max() <= tolerance


def test_gray_becomes_bgr():
    image = bgr(Frame.of(np.full((4, 6), 77, np.uint8)))
    assert np.array_equal(image, np.full((4, 6, 3), 77, np.uint8))
