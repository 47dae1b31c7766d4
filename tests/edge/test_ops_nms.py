"""Suppression."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge import ops

soft = pytest.mark.parametrize("decay", ["linear", "gaussian"])


def random_boxes(seed: int, n: int, classes: int = 3, hostile: float = 0.02):
    """Crowded boxes, with ties, duplicates, and some without area, inverted or not finite."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform(-10, 60, (n, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(-2, 40, (n, 2))], axis=1)
    boxes = boxes.astype(np.float32)
    if n:
        boxes[rng.random(n) < 0.1] = boxes[0]
    boxes[rng.random((n, 4)) < hostile] = rng.choice([np.nan, np.inf, -np.inf, 3e38, 1e-42])
    scores = (rng.integers(0, 40, n) / 40).astype(np.float32)
    scores[rng.random(n) < hostile] = np.nan
    return boxes, scores, rng.integers(0, classes, n, np.int32)


class TestNms:
    @settings(max_examples=150, deadline=None)
    @given(
        st.integers(0, 9999),
        st.integers(0, 120),
        st.sampled_from([0.0, 0.3, 1 / 3, 0.45, 0.5, 0.7, 1.0]),
        st.one_of(st.none(), st.integers(0, 20)),
        st.one_of(st.none(), st.integers(0, 60)),
        st.booleans(),
    )
    def test_equals_the_reference(
        self, seed, n, iou_threshold, max_detections, top_k, class_agnostic
    ):
        boxes, scores, ids = random_boxes(seed, n)
        options = {
            "iou_threshold": iou_threshold,
            "max_detections": max_detections,
            "top_k": top_k,
            "class_agnostic": class_agnostic,
        }
        expected = reference.nms(boxes, scores, ids, **options)
        for target in ops.targets():
            detections = ops.nms(boxes, scores, ids, **options, target=target)
            np.testing.assert_array_equal(detections, expected)

    def test_equals_the_reference_on_many(self):
        boxes, scores, ids = random_boxes(5, 900, classes=2)
        expected = reference.nms(boxes, scores, ids)
        for target in ops.targets():
            np.testing.assert_array_equal(ops.nms(boxes, scores, ids, target=target), expected)

    def test_an_overlap_of_exactly_the_threshold_is_kept(self):
        boxes = np.array([[0, 0, 2, 1], [1, 0, 3, 1]], np.float32)  # IoU 1/3
        scores, ids = np.array([0.9, 0.8], np.float32), np.zeros(2, np.int32)
        third = float(np.float32(1) / np.float32(3))
        assert ops.nms(boxes, scores, ids, iou_threshold=third).tolist() == [0, 1]
        assert ops.nms(boxes, scores, ids, iou_threshold=third - 1e-6).tolist() == [0]

    def test_equal_scores_keep_the_lower_index_first(self):
        boxes = np.array([[0, 0, 1, 1], [5, 5, 6, 6], [0, 0, 1, 1]], np.float32)
        scores, ids = np.full(3, 0.5, np.float32), np.zeros(3, np.int32)
        assert ops.nms(boxes, scores, ids).tolist() == [0, 1]

    def test_any_class_id_will_do(self):
        boxes = np.zeros((3, 4), np.float32) + np.array([0, 0, 9, 9], np.float32)
        scores = np.array([0.3, 0.2, 0.1], np.float32)
        ids = np.array([-(2**31), 2**31 - 1, -(2**31)], np.int32)
        assert ops.nms(boxes, scores, ids).tolist() == [0, 1]

    def test_not_a_number_neither_wins_nor_suppresses(self):
        boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 9], [0, 0, np.nan, 9]], np.float32)
        scores = np.array([np.nan, 0.5, 0.9], np.float32)
        assert ops.nms(boxes, scores, np.zeros(3, np.int32)).tolist() == [1]

    def test_takes_columns_of_a_table(self):
        boxes, scores, ids = random_boxes(1, 50)
        table = np.concatenate([boxes, scores[:, None]], axis=1)
        detections = ops.nms(table[:, :4], table[:, 4], np.repeat(ids, 2)[::2])
        np.testing.assert_array_equal(detections, ops.nms(boxes, scores, ids))

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            ({"boxes": np.zeros((3, 4))}, TypeError, "boxes must be float32, got float64"),
            (
                {"boxes": np.zeros((3, 5), np.float32)},
                ValueError,
                r"boxes must have shape \(N, 4\)",
            ),
            ({"boxes": np.zeros((3, 8), np.float32)[:, ::2]}, TypeError, "contiguous rows"),
            (
                {"scores": np.zeros(2, np.float32)},
                ValueError,
                r"scores must have shape \(3,\), got",
            ),
            ({"class_ids": np.zeros(3, np.int64)}, TypeError, "class_ids must be int32, got int64"),
            ({"iou_threshold": 1.5}, ValueError, "iou_threshold must be 0 to 1"),
            ({"iou_threshold": float("nan")}, ValueError, "iou_threshold must be 0 to 1"),
            ({"max_detections": -1}, ValueError, "max_detections must not be negative, got -1"),
        ],
    )
    def test_refuses_what_does_not_fit(self, change, error, message):
        arguments = {
            "boxes": np.zeros((3, 4), np.float32),
            "scores": np.zeros(3, np.float32),
            "class_ids": np.zeros(3, np.int32),
        } | change
        with pytest.raises(error, match=message):
            ops.nms(
                arguments.pop("boxes"),
                arguments.pop("scores"),
                arguments.pop("class_ids"),
                **arguments,
            )


class TestOnnxVectors:
    """The examples of the ONNX standard's NonMaxSuppression."""

    @staticmethod
    def run(boxes, scores, limit=None, iou_threshold=0.0, score_threshold=None, center=False):
        """Batch and class by class, as the operator does."""
        selected = []
        for batch, (b, s) in enumerate(zip(boxes, scores, strict=True)):
            if center:
                b = reference.from_center(b)
            b = np.concatenate([np.minimum(b[:, :2], b[:, 2:]), np.maximum(b[:, :2], b[:, 2:])], 1)
            for class_id, row in enumerate(s):
                above = np.arange(len(row))
                if score_threshold is not None:
                    above = np.flatnonzero(row > score_threshold)
                kept = ops.nms(
                    np.ascontiguousarray(b[above], np.float32),
                    row[above],
                    np.zeros(len(above), np.int32),
                    iou_threshold=float(iou_threshold),
                    max_detections=limit,
                )
                selected += [[batch, class_id, above[k]] for k in kept]
        return np.array(selected, np.int64).reshape(-1, 3)

    def test_hold(self, monkeypatch):
        name = "onnx.backend.test.case.node.nonmaxsuppression"
        module = pytest.importorskip(name, reason="the vectors come with onnx, extra calibrate")
        cases = []
        monkeypatch.setattr(module, "expect", lambda node, **case: cases.append((node, case)))
        examples = module.NonMaxSuppression
        for export in dir(examples):
            if export.startswith("export"):
                getattr(examples, export)()
        assert len(cases) >= 9
        for node, case in cases:
            center = any(a.name == "center_point_box" and a.i for a in node.attribute)
            boxes, scores, limit, iou_threshold, *rest = case["inputs"]
            result = self.run(
                boxes,
                scores,
                int(limit.item()),
                iou_threshold.item(),
                rest[0].item() if rest else None,
                center,
            )
            np.testing.assert_array_equal(result, case["outputs"][0], err_msg=case["name"])


class TestSoftNms:
    @soft
    @settings(max_examples=50, deadline=None)
    @given(seed=st.integers(0, 9999), n=st.integers(0, 60), class_agnostic=st.booleans())
    @example(seed=400, n=39, class_agnostic=False)  # areas that are infinite
    def test_equals_the_reference(self, decay, seed, n, class_agnostic):
        boxes, scores, ids = random_boxes(seed, n)
        options = {"decay": decay, "class_agnostic": class_agnostic, "score_threshold": 0.1}
        indices, lowered = ops.soft_nms(boxes, scores, ids, **options)
        expected_indices, expected = reference.soft_nms(boxes, scores, ids, **options)
        if decay == "linear":
            np.testing.assert_array_equal(indices, expected_indices)
            np.testing.assert_array_equal(lowered, expected)
        else:  # the last bits of the exponential may exchange neighbors
            np.testing.assert_allclose(lowered, expected, rtol=2e-6)
            assert sorted(indices) == sorted(expected_indices)

    def test_boxes_too_large_for_an_overlap_weaken_nobody(self):
        boxes = np.array([[0, 0, 3e38, 3e38], [0, 0, 3e38, 3e38], [1, 1, 9, 9]], np.float32)
        scores, ids = np.array([0.9, 0.8, 0.7], np.float32), np.zeros(3, np.int32)
        indices, lowered = ops.soft_nms(boxes, scores, ids, decay="gaussian")
        assert indices.tolist() == [0, 1, 2]
        assert lowered.tolist() == scores.tolist()

    def test_an_overlap_of_just_the_threshold_weakens_nobody(self):
        boxes = np.array([[0, 0, 2, 1], [0, 0, 1, 1]], np.float32)  # IoU 1/2, exactly
        scores, ids = np.array([0.9, 0.8], np.float32), np.zeros(2, np.int32)
        options = {"decay": "linear", "score_threshold": 0.1}
        _, same = ops.soft_nms(boxes, scores, ids, iou_threshold=0.5, **options)
        assert same.tolist() == scores.tolist()
        _, lowered = ops.soft_nms(boxes, scores, ids, iou_threshold=0.499, **options)
        assert lowered.tolist() == [scores[0], scores[1] * np.float32(0.5)]

    def test_a_twin_is_weakened_and_a_stranger_is_not(self):
        boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 9], [50, 50, 60, 60]], np.float32)
        scores, ids = np.array([0.9, 0.8, 0.7], np.float32), np.zeros(3, np.int32)
        indices, lowered = ops.soft_nms(boxes, scores, ids)
        assert indices.tolist() == [0, 2, 1]
        assert lowered.tolist() == pytest.approx([0.9, 0.7, 0.8 * np.exp(-2)])

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"decay": "step"}, "decay must be linear or gaussian"),
            ({"sigma": 0.0}, "sigma must be above 0"),
            ({"iou_threshold": 2.0}, "iou_threshold must be 0 to 1"),
            ({"score_threshold": float("nan")}, "score_threshold must be a number"),
            ({"top_k": -1}, "top_k must not be negative"),
        ],
    )
    def test_refuses_what_does_not_fit(self, change, message):
        boxes, scores, ids = random_boxes(0, 5)
        with pytest.raises(ValueError, match=message):
            ops.soft_nms(boxes, scores, ids, **change)


class TestMerge:
    @settings(max_examples=80, deadline=None)
    @given(st.integers(0, 9999), st.integers(0, 60), st.booleans())
    def test_equals_the_reference(self, seed, n, class_agnostic):
        boxes, scores, ids = random_boxes(seed, n)
        result = ops.merge(boxes, scores, ids, class_agnostic=class_agnostic)
        expected = reference.merge(boxes, scores, ids, class_agnostic=class_agnostic)
        np.testing.assert_array_equal(result.boxes, expected[0])
        np.testing.assert_array_equal(result.scores, expected[1])
        np.testing.assert_array_equal(result.class_ids, expected[2])

    def test_two_boxes_become_their_weighted_mean(self):
        boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10]], np.float32)
        result = ops.merge(boxes, np.array([0.75, 0.25], np.float32), np.zeros(2, np.int32))
        np.testing.assert_allclose(result.boxes, [[0.25, 0, 10.25, 10]])
        assert result.scores.tolist() == [0.5]
