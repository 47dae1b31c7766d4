from __future__ import annotations

import numpy as np
import pytest

from calibration.workflow.kept import StageCache
from edge.errors import CalibrationError
from edge.types import Detections


def refuse() -> bytes:
    raise AssertionError("made again")


def some(count: int) -> Detections:
    random = np.random.default_rng(count)
    return Detections(
        random.random((count, 4), np.float32),
        random.random(count, np.float32),
        random.integers(0, 5, count).astype(np.int32),
    )


def test_a_finished_stage_is_not_done_again(tmp_path):
    out = tmp_path / "out.edge"
    assert StageCache(out, ["a"]).data("spec", lambda: b"decided") == b"decided"
    again = StageCache(out, ["a"])
    assert again.resumed
    assert again.data("spec", refuse) == b"decided"


def test_a_stage_that_was_killed_is_done_again(tmp_path):
    with pytest.raises(AssertionError):
        StageCache(tmp_path / "out.edge", ["a"]).data("spec", refuse)
    assert StageCache(tmp_path / "out.edge", ["a"]).data("spec", lambda: b"now") == b"now"


def test_other_options_begin_again(tmp_path):
    out = tmp_path / "out.edge"
    StageCache(out, ["a"]).data("spec", lambda: b"old")
    other = StageCache(out, ["b"])
    assert not other.resumed
    assert other.data("spec", lambda: b"new") == b"new"


def test_detections_come_back_as_they_were(tmp_path):
    results = [some(3), some(0), some(7)]
    kept = StageCache(tmp_path / "out.edge", [])
    kept.detections("float", lambda: results)
    for each, expected in zip(kept.detections("float", list), results, strict=True):
        for name in ("boxes", "scores", "class_ids"):
            assert getattr(each, name).dtype == getattr(expected, name).dtype
            np.testing.assert_array_equal(getattr(each, name), getattr(expected, name))


def test_nothing_stays(tmp_path):
    kept = StageCache(tmp_path / "out.edge", [])
    kept.data("spec", lambda: b"x")
    kept.remove()
    kept.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_that_name_that_is_another_ones_is_left_alone(tmp_path):
    other = tmp_path / ".out.edge.calibrating"
    other.mkdir()
    (other / "thesis.tex").write_text("years of work")
    with pytest.raises(CalibrationError, match="left alone"):
        StageCache(tmp_path / "out.edge", [])
    assert (other / "thesis.tex").exists()
