import json
from dataclasses import replace

import numpy as np
import pytest
from coco_oracle import crowded_set, detections, evaluated, hard_set, reference

from edge.evaluate import METRICS, coco, evaluate, matching
from edge.io.datasets import Objects, open_dataset
from edge.io.results import write_results
from edge.types import Size

SETS = 1000


def difference(truth, result, classes) -> float:
    """The largest difference from pycocotools, over the twelve numbers and all curves."""
    ours, theirs = evaluate(truth, result, classes=classes), reference(truth, result, classes)
    worst = max(
        float(np.abs(np.array(list(ours.metrics.values())) - theirs.metrics).max()),
        float(np.abs(ours.precision - theirs.precision).max()),
        float(np.abs(ours.scores - theirs.scores).max()),
        float(np.abs(ours.recall - theirs.recall).max()),
    )
    assert np.isfinite(worst)
    return worst


def file_difference(seed, folder) -> float:
    """As `difference`, with the truth read from a COCO file by each side's own reader."""
    truth, result, classes = hard_set(seed)
    rng = np.random.default_rng(seed)
    ids = rng.permutation(100)[: len(truth)].tolist()
    categories = [{"id": 3 * k + 1, "name": str(k)} for k in range(classes)]
    annotations = [
        {
            "id": 1 + i * 100 + k,
            "image_id": number if rng.random() > 0.1 else 500,  # 500: no such image
            "category_id": 3 * int(objects.class_ids[k]) + 1,
            "bbox": (objects.rectangles[k] + rng.random(4) * rng.integers(0, 2)).tolist(),
            "area": float(objects.areas[k]),
            "iscrowd": int(objects.crowd[k]),
            "ignore": int(objects.ignored[k]),
        }
        for i, (number, objects) in enumerate(zip(ids, truth, strict=True))
        for k in range(len(objects))
    ]
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in ids]
    for image in images:
        (folder / image["file_name"]).touch()
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "labels.json").write_text(json.dumps(content))
    by_id = dict(zip(ids, result, strict=True))
    numbers = {k: c["id"] for k, c in enumerate(categories)}
    write_results(folder / "results.json", by_id.items(), numbers)

    dataset = open_dataset(folder / "labels.json")
    ours = evaluate(
        [sample.objects(Size(9, 9)) for sample in dataset.samples],
        [by_id[sample.image_id] for sample in dataset.samples],
        classes=classes,
    )
    results = json.loads((folder / "results.json").read_text())
    for number, row in enumerate(results, 1):
        row |= {"id": number, "area": row["bbox"][2] * row["bbox"][3], "iscrowd": 0}
    theirs = evaluated(images, annotations, results, categories)
    return float(np.abs(ours.precision - theirs.precision).max())


class TestEqualityWithTheReferenceEvaluator:
    def test_on_random_sets_with_ties_crowds_and_ignored_objects(self):
        worst = [(difference(*hard_set(seed)), seed) for seed in range(SETS)]
        assert max(worst) <= (1e-9, SETS)

    def test_with_more_than_a_hundred_detections_of_a_class(self):
        assert max(difference(*crowded_set(seed)) for seed in range(4)) <= 1e-9

    def test_when_overlaps_are_computed_in_many_small_parts(self, monkeypatch):
        monkeypatch.setattr(matching, "_PAIRS", 3)
        assert max(difference(*hard_set(seed)) for seed in range(40)) <= 1e-9

    def test_on_coco_files_with_every_key_and_double_precision(self, tmp_path):
        worst = [file_difference(seed, tmp_path) for seed in range(60)]
        assert max(worst) <= 1e-9

    def test_the_sets_do_hold_every_trap(self):
        sets = [hard_set(seed) for seed in range(SETS)]
        truths = [t for truth, _, _ in sets for t in truth]
        founds = [f for _, result, _ in sets for f in result]
        assert any(t.crowd.any() for t in truths)
        assert any(t.ignored.any() for t in truths)
        assert any(len(t) == 0 and len(f) > 0 for t, f in zip(truths, founds, strict=True))
        assert any(len(f) == 0 and len(t) > 0 for t, f in zip(truths, founds, strict=True))
        assert any(len(set(f.scores.tolist())) < len(f) for f in founds)
        absent = [set(range(k)) - {int(i) for t in ts for i in t.class_ids} for ts, _, k in sets]
        assert any(absent)
        assert any(len(f) > 100 for f in crowded_set(0)[1])


class TestTheComparisonNoticesAnEvaluatorThat:
    """Known-bad evaluators: each must differ from the reference on some set."""

    def differs(self, seeds=range(150)) -> bool:
        return any(difference(*hard_set(seed)) > 1e-9 for seed in seeds)

    def test_takes_the_first_of_equal_overlaps(self):
        def differs(seed):
            truth, result, classes = hard_set(seed)
            ours = evaluate([t[::-1] for t in truth], result, classes=classes)
            return not np.allclose(ours.precision, reference(truth, result, classes).precision)

        assert any(differs(seed) for seed in range(150))

    def test_counts_pixels_instead_of_extents(self, monkeypatch):
        overlap = matching._overlap
        grow = np.array([0, 0, 1, 1])
        monkeypatch.setattr(
            matching,
            "_overlap",
            lambda result, truth, crowd: overlap(result + grow, truth + grow, crowd),
        )
        assert self.differs()

    def test_treats_a_crowd_as_an_object(self, monkeypatch):
        overlap = matching._overlap
        monkeypatch.setattr(
            matching, "_overlap", lambda result, truth, crowd: overlap(result, truth, crowd & False)
        )
        assert self.differs()

    def test_leaves_the_end_of_an_area_range_out(self, monkeypatch):
        (_, all_), (low, high), *rest = coco.AREA_RANGES
        monkeypatch.setattr(coco, "AREA_RANGES", ((0.0, all_), (low, np.nextafter(high, 0)), *rest))
        assert self.differs()

    def test_uses_the_boxs_area_where_the_data_has_another(self):
        def boxed(objects):
            return replace(objects, areas=objects.rectangles[:, 2] * objects.rectangles[:, 3])

        def differs(seed):
            truth, result, classes = hard_set(seed)
            kept = [replace(t, ignored=t.ignored | (t.areas > 1e9)) for t in truth]
            ours = evaluate([boxed(t) for t in kept], result, classes=classes)
            return not np.allclose(
                list(ours.metrics.values()), reference(kept, result, classes).metrics
            )

        assert any(differs(seed) for seed in range(150))

    def test_breaks_ties_of_scores_the_other_way(self):
        def differs(seed):
            truth, result, classes = hard_set(seed)
            ours = evaluate(truth, [f[::-1] for f in result], classes=classes)
            return not np.allclose(ours.precision, reference(truth, result, classes).precision)

        assert any(differs(seed) for seed in range(150))


class TestEvaluate:
    def test_gives_one_to_what_is_found_exactly(self):
        truth = [Objects.of([[0, 0, 10, 10]], [0])]
        metrics = evaluate(truth, [detections([[0, 0, 10, 10]], [0.9], [0])], classes=1).metrics
        assert tuple(metrics) == METRICS
        # The tiny constant that keeps 0/0 away costs one unit in the last place.
        assert metrics["AP"] == pytest.approx(1, abs=1e-12)
        assert metrics["AR1"] == 1
        assert metrics["APl"] == metrics["ARm"] == -1

    def test_gives_nothing_to_a_set_without_images(self):
        assert set(evaluate([], [], classes=3).metrics.values()) == {-1.0}

    def test_gives_zero_where_nothing_was_found(self):
        truth = [Objects.of([[0, 0, 10, 10]], [1])]
        metrics = evaluate(truth, [detections([], [], [])], classes=2).metrics
        assert metrics["AP"] == metrics["AR100"] == 0

    def test_does_not_count_what_lies_on_an_ignored_object(self):
        truth = [Objects.of([[0, 0, 9, 9], [50, 0, 9, 9]], [0, 0], ignored=[True, False])]
        results = [detections([[0, 0, 9, 9], [50, 0, 59, 9]], [0.9, 0.8], [0, 0])]
        assert evaluate(truth, results, classes=1).metrics["AP"] == pytest.approx(1, abs=1e-12)

    def test_tells_classes_apart(self):
        truth = [Objects.of([[0, 0, 10, 10], [20, 0, 10, 10]], [0, 1])]
        results = [detections([[0, 0, 10, 10]], [0.9], [0])]
        result = evaluate(truth, results, classes=3)
        each = [result.of_class(k).metrics["AP"] for k in range(3)]
        assert each == pytest.approx([1, 0, -1], abs=1e-12)

    def test_says_at_which_score_a_recall_is_reached(self):
        truth = [Objects.of([[0, 0, 10, 10], [20, 0, 10, 10]], [0, 0])]
        results = [detections([[0, 0, 10, 10], [20, 0, 30, 10]], [0.75, 0.25], [0, 0])]
        scores = evaluate(truth, results, classes=1).scores[0, :, 0, 0]
        assert (scores[50], scores[51], scores[100]) == (0.75, 0.25, 0.25)

    @pytest.mark.parametrize(
        ("truth", "result", "message"),
        [
            ([], [detections([], [], [])], "labels of 0 images, detections of 1"),
            ([Objects.of([[0, 0, 1, 1]], [2])], [detections([], [], [])], "an object are 0 to 1"),
            ([Objects.of([], [])], [detections([[0, 0, 1, 1]], [1], [-1])], "a detection are 0"),
            ([Objects.of([], [])], [detections([[0, 0, 1, 1]], [np.nan], [0])], "not a finite"),
        ],
    )
    def test_refuses_what_does_not_fit(self, truth, result, message):
        with pytest.raises(ValueError, match=message):
            evaluate(truth, result, classes=2)
