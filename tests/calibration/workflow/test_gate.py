from __future__ import annotations

import numpy as np
import pytest

from calibration.quant.options.options import Limits
from calibration.workflow.gate import violations
from edge.evaluate import Agreement, agreement
from edge.evaluate.bootstrap import Difference
from edge.types import Detections

GOOD = Agreement(0.95, 0.985, recall=0.93, precision=0.94, expected=200, detections=198, agreed=186)


def changed(**values: float) -> Agreement:
    fields = {name: getattr(GOOD, name) for name in Agreement.__slots__}
    return Agreement(**{**fields, **values})


def test_what_agrees_passes():
    assert violations(GOOD, Limits()) == ()


@pytest.mark.parametrize(
    ("name", "value"), [("ap", 0.89), ("ap50", 0.95), ("recall", 0.85), ("precision", 0.85)]
)
def test_each_number_alone_is_enough_to_refuse(name, value):
    (answer,) = violations(changed(**{name: value}), Limits())
    assert f"{100 * value:.1f}" in answer


@pytest.mark.parametrize("name", ["ap", "ap50", "recall", "precision"])
def test_a_number_that_is_none_refuses(name):
    assert violations(changed(**{name: float("nan")}), Limits())
    assert violations(changed(**{name: -1.0}), Limits())


def test_a_model_that_finds_nothing_is_refused_although_nothing_differs():
    nothing = Detections(
        np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32)
    )
    (answer,) = violations(agreement([nothing] * 50, [nothing] * 50, classes=3), Limits())
    assert "finds 0 objects" in answer


@pytest.mark.parametrize(("objects", "refused"), [(19, True), (20, False)])
def test_few_objects_decide_nothing(objects, refused):
    answers = violations(changed(expected=objects), Limits())
    assert bool(answers) == refused
    assert all(f"finds {objects} objects" in answer for answer in answers)


def boxes(count: int, scores: float, shift: float = 0.0) -> Detections:
    corners = np.arange(count, dtype=np.float32)[:, None] * 30 + [shift, 0, 20 + shift, 20]
    return Detections(
        corners.astype(np.float32), np.full(count, scores, np.float32), np.zeros(count, np.int32)
    )


def test_the_same_boxes_below_the_threshold_are_refused_though_their_ap_is_perfect():
    reference, result = [boxes(10, 0.9)] * 5, [boxes(10, 0.2)] * 5
    same = agreement(reference, result, classes=1)
    assert same.ap == pytest.approx(1)
    assert any("recall" in answer for answer in violations(same, Limits()))


def test_many_more_boxes_are_refused():
    reference, result = [boxes(10, 0.9)] * 5, [boxes(40, 0.9)] * 5
    text = " ".join(violations(agreement(reference, result, classes=1), Limits()))
    assert "precision" in text


def test_shifted_boxes_are_refused():
    reference, result = [boxes(10, 0.9)] * 5, [boxes(10, 0.9, shift=4)] * 5
    assert violations(agreement(reference, result, classes=1), Limits())


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        (Difference(0.35, 0.348, -0.008, 0.004), False),
        (Difference(0.35, 0.36, 0.0, 0.02), False),
        (Difference(0.35, 0.33, -0.03, -0.01), True),
        (Difference(float("nan"), float("nan"), float("nan"), float("nan")), True),
        (Difference(0.0, 0.0, 0.0, 0.0), True),
        (None, True),
    ],
)
def test_labels_have_a_limit_of_their_own(change, refused):
    limits = Limits(None, None, drop=0.003)
    result = violations(changed(ap=0.1), limits, change)
    assert bool(result) == refused


def test_the_interval_is_part_of_the_message():
    limits = Limits(None, None, drop=0.003)
    (answer,) = violations(GOOD, limits, Difference(0.35, 0.33, -0.03, -0.01))
    assert answer == (
        "AP falls from 35.0 to 33.0 (95 % interval of the change -3.0 to -1.0), "
        "at most 0.3 may be lost"
    )


def test_limits_are_read():
    assert Limits.parse("91/97") == Limits(0.91, 0.97)
    assert str(Limits.parse("92.5/98.5")) == "agreement 92.5/98.5"


@pytest.mark.parametrize(
    "text", ["", "91", "97/91", "0.91/0.97/1", "91/101", "0/90", "a/b", "-1/9"]
)
def test_other_limits_are_refused(text):
    with pytest.raises(ValueError, match="AP/AP50"):
        Limits.parse(text)
