from __future__ import annotations

import numpy as np
import pytest
import reference

from edge import Detector, ModelSpec, Size
from edge.backends.base import TensorSpec
from edge.io.sources import open_source
from edge.recognize import open_model
from edge.types import Frame, Letterbox, Tensor


class FixedBackend:
    """A runtime whose network ignores its input."""

    precision = "fp32"
    threads = 1

    def __init__(self, *outputs, size=64):
        self.input = TensorSpec("images", (1, 3, size, size))
        self.outputs = tuple(Tensor(np.asarray(values, np.float32)) for values in outputs)
        self.tensor = np.zeros(self.input.shape, np.float32)
        self.closed = 0

    def input_view(self):
        return self.tensor

    def run(self):
        return self.outputs

    def close(self):
        self.closed += 1


SPEC = ModelSpec("yolov6", "rows", Size(64, 64), ("cat", "dog"))
ROWS = [  # center x, center y, width, height, objectness, cat, dog
    [32, 32, 16, 16, 1.0, 0.1, 0.9],
    [32, 32, 16, 16, 1.0, 0.3, 0.8],
    [32, 32, 16, 16, 1.0, 0.6, 0.5],
    [16, 32, 80, 8, 1.0, 0.7, 0.0],
    [90, 32, 8, 8, 1.0, 0.95, 0.0],
]
IMAGE = np.zeros((128, 128, 3), np.uint8)


class TestDetections:
    def test_are_in_image_pixels_best_first(self):
        result = Detector(SPEC, FixedBackend(ROWS))(IMAGE)
        np.testing.assert_array_equal(result.class_ids, [1, 0, 0])
        np.testing.assert_array_equal(result.scores, np.array([0.9, 0.7, 0.6], np.float32))
        np.testing.assert_allclose(result.boxes[0], [48, 48, 80, 80])

    def test_are_clipped_to_the_image_and_lie_in_it(self):
        result = Detector(SPEC, FixedBackend(ROWS))(IMAGE)
        np.testing.assert_allclose(result.boxes[1], [0, 56, 112, 72])

    def test_the_threshold_is_exceeded_not_met(self):
        threshold = float(np.float32(0.6))
        result = Detector(SPEC, FixedBackend(ROWS), conf=threshold)(IMAGE)
        np.testing.assert_array_equal(result.class_ids, [1, 0])

    def test_are_limited_in_number_and_to_classes(self):
        assert len(Detector(SPEC, FixedBackend(ROWS[:4]), max_det=1)(IMAGE)) == 1
        for classes in (["cat"], [0], ["0"]):
            result = Detector(SPEC, FixedBackend(ROWS), classes=classes)(IMAGE)
            np.testing.assert_array_equal(result.class_ids, [0, 0])

    def test_every_class_of_a_box_counts_when_multi_label(self):
        result = Detector(SPEC, FixedBackend(ROWS), multi_label=True)(IMAGE)
        np.testing.assert_array_equal(result.class_ids, [1, 0, 0])
        strict = Detector(SPEC, FixedBackend(ROWS[2:3]), multi_label=True)(IMAGE)
        np.testing.assert_array_equal(strict.class_ids, [0, 1])

    @pytest.mark.parametrize("agnostic", [False, True])
    @pytest.mark.parametrize("nms", ["greedy", "soft", "merge"])
    def test_that_overlap_are_dropped_weakened_or_merged(self, nms, agnostic):
        rng = np.random.default_rng(3)
        rows = rng.random((40, 7)) * [40, 40, 30, 30, 0, 1, 1] + [10, 10, 4, 4, 1, 0, 0]
        rows = rows.astype(np.float32)
        candidates = reference.decode_rows(Tensor(rows), objectness=True, score_threshold=0.3)
        options = {"iou_threshold": 0.4, "class_agnostic": agnostic}
        if nms == "merge":
            expectation = reference.merge(*candidates, **options)
        elif nms == "soft":
            kept, scores = reference.soft_nms(
                *candidates, decay="linear", score_threshold=0.3, **options
            )
            expectation = candidates[0][kept], scores, candidates[2][kept]
        else:
            kept = reference.nms(*candidates, **options)
            expectation = [column[kept] for column in candidates]
        rules = {"conf": 0.3, "iou": 0.4, "nms": nms}
        detector = Detector(SPEC, FixedBackend(rows), agnostic_nms=agnostic, **rules)
        detections = detector(np.zeros((64, 64, 3), np.uint8))
        np.testing.assert_array_equal(detections.scores, expectation[1])
        np.testing.assert_array_equal(detections.class_ids, expectation[2])
        np.testing.assert_array_equal(detections.boxes, expectation[0].clip(0, 64))
        assert 0 < len(detections) < len(candidates[1])

    def test_of_a_gray_image_and_of_a_frame(self):
        detector = Detector(SPEC, FixedBackend(ROWS))
        assert len(detector(np.zeros((128, 128), np.uint8))) == 3
        result = detector.run(Frame.of(IMAGE))
        assert len(result.detections) == 3
        assert result.latency.total >= result.latency.inference >= 0

    def test_the_network_sees_the_letterboxed_image(self):
        backend = FixedBackend(ROWS)
        image = np.full((32, 64, 3), (0, 128, 255), np.uint8)
        Detector(SPEC, backend)(image)
        np.testing.assert_allclose(backend.tensor[0, :, 32, 32], [1, 128 / 255, 0], rtol=1e-6)
        np.testing.assert_allclose(backend.tensor[0, :, 0, 0], 114 / 255, rtol=1e-6)


class TestQuantizedInputs:
    """An INT8 network must see the image that the float network sees, to half a code."""

    @pytest.mark.parametrize(
        ("dtype", "scale", "zero_point"),
        [("int8", 1 / 255, -128), ("uint8", 1 / 255, 0), ("int8", 0.01, 3), ("uint8", 1 / 300, 20)],
    )
    def test_hold_what_the_float_input_holds(self, dtype, scale, zero_point):
        image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
        real = FixedBackend(ROWS)
        Detector(SPEC, real)(image)
        coded = FixedBackend(ROWS)
        coded.input = TensorSpec("images", (1, 3, 64, 64), dtype, "NCHW", scale, zero_point)
        coded.tensor = np.zeros(coded.input.shape, dtype)
        Detector(SPEC, coded)(image)
        result = scale * (coded.tensor.astype(np.float64) - zero_point)
        limits = scale * (np.array([np.iinfo(dtype).min, np.iinfo(dtype).max]) - zero_point)
        expectation = np.clip(real.tensor, *limits)
        assert np.abs(result - expectation).max() <= scale / 2 + 1e-6


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"conf": 1.5}, "conf must be from 0 to 1, got 1.5"),
            ({"iou": -0.1}, "iou must be from 0 to 1"),
            ({"conf": float("nan")}, "conf must"),
            ({"max_det": 0}, "max_det must be at least 1"),
            ({"classes": ["cta"]}, "no class 'cta'; did you mean 'cat'"),
            ({"classes": [2]}, "no class 2"),
            ({"classes": [-1]}, "no class -1"),
            ({"nms": "matrix"}, "nms must be one of greedy, soft, merge, got 'matrix'"),
        ],
    )
    def test_out_of_range_are_refused(self, options, message):
        with pytest.raises(ValueError, match=message):
            Detector(SPEC, FixedBackend(ROWS), **options)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"max_det": 1.5}, "max_det must be a whole number, got 1.5"),
            ({"imgsz": 320.5}, r"imgsz must be N, \(height, width\), a Size or text, got 320.5"),
            ({"imgsz": True}, "imgsz must be N"),
            ({"imgsz": (320,)}, r"imgsz must be N, .* got \(320,\)"),
        ],
    )
    def test_of_another_type_are_refused(self, lite, options, message):
        with pytest.raises(TypeError, match=message):
            Detector.load(lite, **options)

    @pytest.mark.parametrize("options", [{"precision": "foo"}, {"threads": -1}, {"threads": 257}])
    def test_that_no_runtime_has_are_refused(self, lite, options):
        with pytest.raises(ValueError, match=r"foo|threads are 0"):
            Detector.load(lite, **options)

    def test_closing_closes_the_runtime(self):
        backend = FixedBackend(ROWS)
        with Detector(SPEC, backend):
            assert not backend.closed
        assert backend.closed


@pytest.fixture(scope="module")
def lite(shared):
    return open_model([shared / "models" / "yolov6lite" / "yolov6-lite-s.param"]).package


class TestOfficialModel:
    def test_detections_equal_the_plain_reference_on_every_image(self, lite, shared):
        frames = list(open_source(str(shared / "data" / "coco" / "val" / "images")))
        assert len(frames) == 64
        total = 0
        with Detector.load(lite, threads=1) as detector:
            for frame in frames:
                detections = detector.run(frame).detections
                boxes, scores, ids = expected(detector, frame)
                np.testing.assert_array_equal(detections.scores, scores)
                np.testing.assert_array_equal(detections.class_ids, ids)
                np.testing.assert_array_equal(detections.boxes, boxes)
                total += len(detections)
        assert total > 200

    def test_runs_at_another_size(self, lite, shared):
        image = next(iter(open_source(str(shared / "data" / "coco" / "val" / "images")))).planes[0]
        with Detector.load(lite, imgsz="384x512") as detector:
            assert detector.backend.input.shape == (1, 3, 384, 512)
            assert len(detector(image)) > 0

    @pytest.mark.parametrize("imgsz", [64, (64, 64), [64, 64], Size(64, 64), "64", np.int64(64)])
    def test_takes_a_size_in_every_spelling(self, lite, imgsz):
        with Detector.load(lite, imgsz=imgsz, threads=1) as detector:
            assert detector.spec.input == Size(64, 64)

    def test_refuses_a_size_that_its_strides_do_not_divide(self, lite):
        with pytest.raises(ValueError, match="multiple of 64, got 330x330"):
            Detector.load(lite, imgsz=Size(330, 330))


def expected(detector, frame):
    """The pipeline in NumPy, from image to boxes; only the network itself is the runtime's."""
    spec = detector.spec
    geometry = Letterbox.fit(frame.size, spec.input)
    pixels = reference.letterbox(frame.planes[0], geometry)
    tensor = reference.to_float(pixels, (0, 0, 0), (1 / 255,) * 3).transpose(2, 0, 1)
    np.testing.assert_array_equal(detector.backend.input_view()[0], tensor)
    boxes, scores, ids = reference.decode_distances(
        detector.backend.run(), strides=spec.strides, score_threshold=0.25
    )
    kept = reference.nms(boxes, scores, ids, iou_threshold=0.45)[:300]
    height, width = geometry.scale
    boxes = (boxes[kept] - np.array([geometry.left, geometry.top] * 2, np.float32)) / np.array(
        [width, height] * 2, np.float32
    )
    limit = np.array([frame.size.width, frame.size.height] * 2, np.float32)
    boxes = np.minimum(np.maximum(boxes, np.float32(0)), limit)
    inside = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return boxes[inside], scores[kept][inside], ids[kept][inside]
