"""Decoders."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import ops
from edge.types import Tensor

seeds = st.integers(0, 9999)
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, 1e-45, 3e38]


def equal(result, expected, *, exact=True):
    boxes, scores, class_ids = expected
    np.testing.assert_array_equal(result.class_ids, class_ids)
    if exact:
        np.testing.assert_array_equal(result.boxes, boxes)
        np.testing.assert_array_equal(result.scores, scores)
    else:
        np.testing.assert_allclose(result.boxes, boxes, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(result.scores, scores, rtol=2e-6)  # softmax adds floats up


def sprinkle(rng, values: np.ndarray, share: float = 0.02) -> np.ndarray:
    """Replaces some values by hostile ones."""
    where = rng.random(values.shape) < share
    values[where] = rng.choice(np.array(SPECIAL, np.float32), int(where.sum()))
    return values


def random_rows(seed: int, n: int, columns: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.random((n, columns), np.float32) ** 2
    rows[:, :4] *= 300
    return sprinkle(rng, rows)


class TestRows:
    @settings(max_examples=150, deadline=None)
    @given(
        seeds,
        st.integers(0, 60),
        st.integers(1, 90),
        st.booleans(),
        st.booleans(),
        st.booleans(),
        st.sampled_from([-1.0, 0.0, 0.001, 0.25, 0.5, 0.9, 1.0]),
    )
    def test_equal_the_reference(self, seed, n, classes, objectness, multi_label, corners, at):
        rows = Tensor(random_rows(seed, n, 4 + objectness + classes))
        options = {
            "objectness": objectness,
            "score_threshold": at,
            "multi_label": multi_label,
            "corners": corners,
        }
        expected = reference.decode_rows(rows, **options)
        for target in ops.targets():
            equal(ops.decode_rows(rows, **options, target=target), expected)

    @settings(max_examples=50, deadline=None)
    @given(seeds, st.integers(1, 60), st.integers(1, 90))
    def test_strides_do_not_matter(self, seed, n, classes):
        rows = random_rows(seed, n, 4 + classes)
        options = {"objectness": False, "score_threshold": 0.3}
        expected = reference.decode_rows(Tensor(rows), **options)
        wide = np.repeat(np.repeat(rows, 2, axis=0), 3, axis=1)
        for view in (np.asfortranarray(rows), wide[::2, ::3], rows[::-1].copy()[::-1]):
            for target in ops.targets():
                equal(ops.decode_rows(Tensor(view), **options, target=target), expected)

    def test_the_threshold_itself_is_not_above_it(self):
        rows = Tensor(np.array([[5, 5, 2, 2, 0.5], [5, 5, 2, 2, 0.50001]], np.float32))
        candidates = ops.decode_rows(rows, objectness=False, score_threshold=0.5)
        assert candidates.scores.tolist() == pytest.approx([0.50001])

    def test_the_lowest_of_equal_classes_wins(self):
        rows = np.full((1, 30), 0.7, np.float32)
        candidates = ops.decode_rows(Tensor(rows), objectness=False, score_threshold=0.5)
        assert candidates.class_ids.tolist() == [0]

    @pytest.mark.parametrize(
        ("rows", "error", "message"),
        [
            (np.zeros((2, 85)), TypeError, "rows must be float32, int8 or uint8, got float64"),
            (np.zeros((2, 85), ">f4"), TypeError, "got >f4"),
            (np.zeros((1, 2, 85), np.float32), ValueError, r"\(N, channels\), got \(1, 2, 85\)"),
            (np.zeros((2, 5), np.float32), ValueError, "5 columns and one per class, got 5"),
            ([[0.0] * 85], TypeError, "rows must be a NumPy array, got list"),
        ],
    )
    def test_refuses_what_does_not_fit(self, rows, error, message):
        with pytest.raises(error, match=message):
            ops.decode_rows(Tensor(rows), objectness=True, score_threshold=0.5)

    def test_refuses_a_threshold_that_is_no_number(self):
        rows = Tensor(np.zeros((1, 85), np.float32))
        with pytest.raises(ValueError, match="score_threshold must be a number, got nan"):
            ops.decode_rows(rows, objectness=True, score_threshold=float("nan"))


def random_heads(seed: int, classes: int, bins: int, logits: bool) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    heads = []
    for height, width in ((rng.integers(1, 9), rng.integers(1, 20)), (3, 4)):
        shape = (classes + 4 * bins, height, width)
        head = rng.normal(0, 3, shape).astype(np.float32)
        if not logits:
            head[:classes] = rng.random((classes, height, width), np.float32) ** 2
        heads.append(sprinkle(rng, head))
    return heads


def random_codes(seed: int, shape: tuple[int, ...], dtype, scale: float) -> Tensor:
    """Mostly low codes, so that scores are mostly low."""
    rng = np.random.default_rng(seed)
    low = np.iinfo(dtype).min
    values = (rng.random(shape) ** 3 * 256).astype(np.int16) + low
    return Tensor(values.astype(dtype), scale, low + int(rng.integers(0, 20)))


class TestCodes:
    @settings(max_examples=150, deadline=None)
    @given(
        seeds,
        st.integers(0, 60),
        st.integers(1, 90),
        st.booleans(),
        st.booleans(),
        st.sampled_from([np.int8, np.uint8]),
        st.sampled_from([1 / 256, 1 / 127, 1 / 50]),
        st.sampled_from([-1.0, 0.0, 0.001, 0.25, 0.5, 0.996, 2.0]),
    )
    def test_rows_equal_the_reference(
        self, seed, n, classes, objectness, multi_label, dtype, scale, at
    ):
        rows = random_codes(seed, (n, 4 + objectness + classes), dtype, scale)
        options = {
            "objectness": objectness,
            "score_threshold": at,
            "multi_label": multi_label,
        }
        expected = reference.decode_rows(rows, **options)
        planar = Tensor(np.asfortranarray(rows.values), rows.scale, rows.zero_point)
        apart = Tensor(np.repeat(rows.values, 2, axis=1)[:, ::2], rows.scale, rows.zero_point)
        for target in ops.targets():
            for view in (rows, planar, apart):
                equal(ops.decode_rows(view, **options, target=target), expected)

    @settings(max_examples=60, deadline=None)
    @given(
        seeds,
        st.integers(1, 40),
        st.sampled_from([np.int8, np.uint8]),
        st.booleans(),
        st.sampled_from([1, 8]),
    )
    def test_heads_may_have_scales_of_their_own(self, seed, classes, dtype, logits, bins):
        scores = random_codes(seed, (classes, 5, 7), dtype, 0.05 if logits else 1 / 255)
        boxes = random_codes(seed + 1, (4 * bins, 5, 7), np.int8, 0.07)
        options = {
            "strides": (8,),
            "score_threshold": 0.6,
            "logits": logits,
            "bins": bins,
            "boxes": [boxes],
        }
        expected = reference.decode_distances([scores], **options)
        for target in ops.targets():
            candidates = ops.decode_distances([scores], **options, target=target)
            equal(candidates, expected, exact=not logits and bins == 1)

    @pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
    def test_refuse_a_scale_that_is_none(self, scale):
        rows = Tensor(np.zeros((2, 85), np.int8), scale)
        with pytest.raises(ValueError, match="scale of codes must be above 0"):
            ops.decode_rows(rows, objectness=True, score_threshold=0.5)


class TestDistances:
    @settings(max_examples=100, deadline=None)
    @given(
        seeds,
        st.integers(1, 85),
        st.sampled_from([-1.0, 0.0, 0.001, 0.25, 0.6, 0.999]),
        st.booleans(),
        st.sampled_from([0.0, 0.5]),
    )
    def test_equal_the_reference(self, seed, classes, at, multi_label, offset):
        heads = [Tensor(head) for head in random_heads(seed, classes, 1, logits=False)]
        options = {
            "strides": (8, 16),
            "score_threshold": at,
            "multi_label": multi_label,
            "offset": offset,
        }
        expected = reference.decode_distances(heads, **options)
        for target in ops.targets():
            equal(ops.decode_distances(heads, **options, target=target), expected)

    @settings(max_examples=60, deadline=None)
    @given(seeds, st.integers(1, 20), st.sampled_from([2, 8, 16, 17]), st.booleans())
    def test_bins_and_logits_equal_the_reference_but_for_the_last_bits(
        self, seed, classes, bins, multi_label
    ):
        heads = [Tensor(head) for head in random_heads(seed, classes, bins, logits=True)]
        options = {
            "strides": (8, 16),
            "score_threshold": 0.31,
            "multi_label": multi_label,
            "bins": bins,
            "logits": True,
        }
        equal(
            ops.decode_distances(heads, **options),
            reference.decode_distances(heads, **options),
            exact=False,
        )

    @settings(max_examples=40, deadline=None)
    @given(seeds, st.integers(1, 30), st.booleans())
    def test_strides_do_not_matter(self, seed, classes, apart):
        heads = random_heads(seed, classes, 1, logits=False)
        options = {"strides": (8, 16), "score_threshold": 0.3}
        expected = reference.decode_distances([Tensor(h) for h in heads], **options)
        padded = []
        for head in heads:
            wide = np.zeros((len(head), head[0].size + 3), np.float32)
            wide[:, : head[0].size] = head.reshape(len(head), -1)
            size = wide.strides[0], head.shape[2] * 4, 4
            padded.append(np.lib.stride_tricks.as_strided(wide, head.shape, size))
        last = [np.ascontiguousarray(h.transpose(1, 2, 0)).transpose(2, 0, 1) for h in heads]
        for views in (padded, last):
            if apart:
                options["boxes"] = [Tensor(v[classes:]) for v in views]
                views = [v[:classes] for v in views]
            for target in ops.targets():
                candidates = ops.decode_distances(
                    [Tensor(v) for v in views], **options, target=target
                )
                equal(candidates, expected)

    @pytest.mark.parametrize(
        ("heads", "strides", "error", "message"),
        [
            ([np.zeros((4, 2, 2), np.float32)], (8,), ValueError, "one channel per class and 4"),
            ([np.zeros((84, 4), np.float32)], (8,), ValueError, r"\(channels, H, W\)"),
            (
                [np.zeros((84, 2, 2), np.float16)],
                (8,),
                TypeError,
                "head 0 must be float32, int8 or",
            ),
            ([np.zeros((84, 2, 9), np.float32)[:, :, :5]], (8,), TypeError, "no gaps between"),
            ([np.zeros((84, 2, 2), np.float32)], (8, 16), ValueError, "one stride per head"),
            ([np.zeros((84, 2, 2), np.float32)], (0,), ValueError, "a stride must be above 0"),
        ],
    )
    def test_refuses_what_does_not_fit(self, heads, strides, error, message):
        with pytest.raises(error, match=message):
            ops.decode_distances(
                [Tensor(head) for head in heads], strides=strides, score_threshold=0.5
            )


class TestCenterness:
    @settings(max_examples=60, deadline=None)
    @given(seeds, st.integers(1, 20), st.booleans(), st.booleans(), st.booleans(), st.booleans())
    def test_weighs_the_scores(self, seed, classes, logits, root, multi_label, in_pixels):
        rng = np.random.default_rng(seed)
        heads, centerness = [], []
        for head in random_heads(seed, classes, 1, logits):
            quality = rng.normal(0, 2, (1, *head.shape[1:])).astype(np.float32)
            heads.append(Tensor(head))
            centerness.append(Tensor(quality if logits else 1 / (1 + np.exp(-quality))))
        options = {
            "strides": (8, 16),
            "score_threshold": 0.21,
            "centerness": centerness,
            "sqrt": root,
            "logits": logits,
            "multi_label": multi_label,
            "in_pixels": in_pixels,
        }
        expected = reference.decode_distances(heads, **options)
        for target in ops.targets():
            candidates = ops.decode_distances(heads, **options, target=target)
            equal(candidates, expected, exact=not logits)

    def test_has_the_dtype_of_its_head(self):
        head = Tensor(np.zeros((5, 2, 2), np.float32))
        with pytest.raises(TypeError, match="centerness 0 must have the dtype of its head"):
            ops.decode_distances(
                [head],
                strides=(8,),
                score_threshold=0.5,
                centerness=[Tensor(np.zeros((1, 2, 2), np.int8))],
            )


def random_grids(seed: int, channels: int) -> list[Tensor]:
    """Two levels of moderate logits, a few of them hostile."""
    rng = np.random.default_rng(seed)
    shapes = (channels, int(rng.integers(1, 9)), int(rng.integers(1, 20))), (channels, 3, 4)
    return [Tensor(sprinkle(rng, rng.normal(-1, 2, s).astype(np.float32))) for s in shapes]


class TestCenters:
    @settings(max_examples=60, deadline=None)
    @given(seeds, st.integers(1, 20), st.booleans(), st.booleans())
    def test_equal_the_reference(self, seed, classes, logits, multi_label):
        heads = random_grids(seed, 5 + classes)
        options = {
            "strides": (8, 16),
            "score_threshold": 0.3,
            "multi_label": multi_label,
            "logits": logits,
        }
        expected = reference.decode_centers(heads, **options)
        for target in ops.targets():
            equal(ops.decode_centers(heads, **options, target=target), expected, exact=False)

    @settings(max_examples=40, deadline=None)
    @given(seeds, st.integers(1, 20), st.booleans(), st.booleans())
    def test_of_tensors_of_their_own_equal_those_of_one(self, seed, classes, logits, multi_label):
        heads = random_grids(seed, 5 + classes)
        options = {
            "strides": (8, 16),
            "score_threshold": 0.3,
            "multi_label": multi_label,
            "logits": logits,
        }
        apart = [
            [Tensor(np.ascontiguousarray(head.values[part])) for head in heads]
            for part in (slice(5, None), slice(0, 4), slice(4, 5))
        ]
        expected = reference.decode_centers(heads, **options)
        for target in ops.targets():
            scores, boxes, objects = apart
            candidates = ops.decode_centers(
                scores, boxes=boxes, objectness=objects, **options, target=target
            )
            equal(candidates, expected, exact=False)

    @pytest.mark.parametrize(
        ("boxes", "objects", "error", "message"),
        [
            (4, None, ValueError, "boxes and objectness must come together"),
            (
                5,
                np.zeros((1, 2, 3), np.float32),
                ValueError,
                "boxes 0 must have 4 channels and the",
            ),
            (
                4,
                np.zeros((1, 3, 2), np.float32),
                ValueError,
                "objectness 0 must have 1 channels an",
            ),
            (
                4,
                np.zeros((1, 2, 3), np.int8),
                TypeError,
                "objectness 0 must have the dtype of its head",
            ),
        ],
    )
    def test_refuse_tensors_that_do_not_fit(self, boxes, objects, error, message):
        head = Tensor(np.zeros((3, 2, 3), np.float32))
        with pytest.raises(error, match=message):
            ops.decode_centers(
                [head],
                strides=(8,),
                score_threshold=0.5,
                boxes=[Tensor(np.zeros((boxes, 2, 3), np.float32))],
                objectness=None if objects is None else [Tensor(objects)],
            )

    def test_refuse_a_head_without_classes(self):
        boxes, objects = np.zeros((4, 2, 3), np.float32), np.ones((1, 2, 3), np.float32)
        with pytest.raises(ValueError, match="head 0 must have a class"):
            ops.decode_centers(
                [Tensor(np.zeros((0, 2, 3), np.float32))],
                strides=(8,),
                score_threshold=-1,
                boxes=[Tensor(boxes)],
                objectness=[Tensor(objects)],
            )


class TestAnchors:
    ANCHORS = (((10, 13), (16, 30), (33, 23)), ((30, 61), (62, 45), (59, 119)))

    @settings(max_examples=60, deadline=None)
    @given(
        seeds, st.integers(1, 20), st.booleans(), st.booleans(), st.booleans(), st.booleans(),
        st.sampled_from([None, (1, 1), (1.2, 1.05)]),
    )  # fmt: skip
    def test_equal_the_reference(
        self, seed, classes, objectness, logits, multi_label, exponential, spreads
    ):
        heads = random_grids(seed, 3 * (4 + objectness + classes))
        options = {
            "strides": (8, 16),
            "anchors": self.ANCHORS,
            "score_threshold": 0.15,
            "multi_label": multi_label,
            "logits": logits,
            "objectness": objectness,
            "exponential": exponential,
            "spreads": spreads,
        }
        expected = reference.decode_anchors(heads, **options)
        apart, last = [], []
        for head in heads:
            split = head.values.reshape(3, -1, *head.values.shape[1:])
            apart.append(Tensor(split))
            last.append(
                Tensor(np.ascontiguousarray(split.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2))
            )
        for target in ops.targets():
            for views in (heads, apart, last):
                candidates = ops.decode_anchors(views, **options, target=target)
                equal(candidates, expected, exact=False)

    def test_refuses_spreads_of_other_levels(self):
        head = Tensor(np.zeros((18, 2, 2), np.float32))
        with pytest.raises(ValueError, match="one spread per head, got 2 for 1 heads"):
            ops.decode_anchors(
                [head],
                anchors=self.ANCHORS[:1],
                strides=(8,),
                score_threshold=0.5,
                spreads=(1, 1),
            )

    def test_refuses_channels_that_the_anchors_do_not_divide(self):
        head = Tensor(np.zeros((20, 2, 2), np.float32))
        with pytest.raises(ValueError, match=r"head 0 must have shape \(3, channels, H, W\)"):
            ops.decode_anchors([head], anchors=self.ANCHORS[:1], strides=(8,), score_threshold=0.5)


class TestPeaks:
    @settings(max_examples=60, deadline=None)
    @given(
        seeds,
        st.integers(1, 4),
        st.booleans(),
        st.booleans(),
        st.one_of(st.none(), st.integers(0, 9)),
    )
    def test_equal_the_reference(self, seed, classes, logits, placed, limit):
        rng = np.random.default_rng(seed)
        grid = (int(rng.integers(1, 9)), int(rng.integers(1, 20)))
        heat = np.round(rng.normal(0, 2, (classes, *grid)), 1).astype(np.float32)
        if not logits:
            heat = (rng.integers(0, 30, heat.shape) / 30).astype(np.float32)  # with ties
        sizes = Tensor(rng.uniform(0, 9, (2, *grid)).astype(np.float32))
        offsets = Tensor(rng.random((2, *grid), np.float32)) if placed else None
        heat = Tensor(sprinkle(rng, heat))
        options = {"stride": 4, "score_threshold": 0.4, "logits": logits, "limit": limit}
        expected = reference.decode_peaks(heat, sizes, offsets, **options)
        for target in ops.targets():
            candidates = ops.decode_peaks(heat, sizes, offsets, **options, target=target)
            equal(candidates, expected, exact=not logits)


class TestBoxes:
    @settings(max_examples=80, deadline=None)
    @given(
        seeds,
        st.integers(1, 12),
        st.sampled_from(["none", "sigmoid", "softmax"]),
        st.sampled_from([None, "first", "last"]),
        st.booleans(),
        st.one_of(st.none(), st.integers(0, 30)),
    )
    def test_equal_the_reference(self, seed, classes, activation, background, multi_label, limit):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(0, 60))
        scores = rng.normal(0, 2, (n, classes + (background is not None))).astype(np.float32)
        boxes = Tensor(sprinkle(rng, rng.random((n, 4), np.float32)))
        options = {
            "score_threshold": 0.26,
            "multi_label": multi_label,
            "activation": activation,
            "background": background,
            "scale": (640, 480),
            "limit": limit,
        }
        scores = Tensor(sprinkle(rng, scores))
        expected = reference.decode_boxes(scores, boxes, **options)
        planar = Tensor(np.asfortranarray(scores.values))
        for target in ops.targets():
            for view in (scores, planar):
                candidates = ops.decode_boxes(view, boxes, **options, target=target)
                equal(candidates, expected, exact=activation == "none")

    @settings(max_examples=30, deadline=None)
    @given(seeds)
    def test_priors_are_where_boxes_start_from(self, seed):
        rng = np.random.default_rng(seed)
        scores = Tensor(rng.normal(0, 2, (50, 4)).astype(np.float32))
        boxes = Tensor(rng.normal(0, 1, (50, 4)).astype(np.float32))
        priors = rng.random((50, 4), np.float32)
        options = {
            "score_threshold": 0.4,
            "activation": "softmax",
            "background": "first",
            "priors": priors,
            "scale": (300, 300),
        }
        expected = reference.decode_boxes(scores, boxes, **options)
        equal(ops.decode_boxes(scores, boxes, **options), expected, exact=False)

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            ({"activation": "relu"}, ValueError, "activation must be none, sigmoid or softmax"),
            ({"background": "middle"}, ValueError, "background must be first or last"),
            (
                {"priors": np.zeros((2, 4), np.float32)},
                ValueError,
                r"priors must have shape \(3, 4\)",
            ),
            ({"scale": (1, float("nan"))}, ValueError, "scale must be finite"),
            ({"limit": -1}, ValueError, "limit must not be negative"),
        ],
    )
    def test_refuse_what_does_not_fit(self, change, error, message):
        scores, boxes = Tensor(np.ones((3, 2), np.float32)), Tensor(np.ones((3, 4), np.float32))
        with pytest.raises(error, match=message):
            ops.decode_boxes(scores, boxes, score_threshold=0.5, **change)
        with pytest.raises(ValueError, match=r"boxes must have shape \(3, 4\), got \(2, 4\)"):
            ops.decode_boxes(scores, Tensor(boxes.values[:2]), score_threshold=0.5)


class TestFinal:
    @pytest.mark.parametrize("dtype", [np.float32, np.int32, np.int64])
    @pytest.mark.parametrize("corners", [True, False])
    def test_equals_the_reference(self, dtype, corners):
        rng = np.random.default_rng(4)
        table = sprinkle(rng, rng.random((300, 6), np.float32), 0.05)
        class_ids = rng.integers(-1, 80, 300).astype(dtype)
        boxes, scores = Tensor(table[:, :4]), Tensor(table[:, 4])
        options = {"score_threshold": 0.3, "corners": corners, "scale": (640, 480)}
        expected = reference.decode_end2end(boxes, scores, class_ids, **options)
        equal(ops.decode_end2end(boxes, scores, class_ids, **options), expected)

    def test_refuses_other_class_ids(self):
        boxes, scores = Tensor(np.zeros((2, 4), np.float32)), Tensor(np.zeros(2, np.float32))
        with pytest.raises(TypeError, match="class_ids must be float32, int32 or int64, got uint8"):
            ops.decode_end2end(boxes, scores, np.zeros(2, np.uint8), score_threshold=0.5)
