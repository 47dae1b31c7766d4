"""The estimator of boards' times, from committed counts: no emulation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from measured import report, run

from edge.errors import DataError
from edge.types import Size
from tests.board import compare, estimate, fit, page
from tests.board.machines import BOARDS

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def figures():
    return page.figures()


def test_the_networks_that_no_choice_looked_at_are_those_of_the_hash():
    assert page.held_back() == {
        "alexnet",
        "blazeface",
        "googlenet_int8",
        "regnety_400m",
        "resnet18_int8",
    }


def test_weights_are_found_again_and_are_not_negative():
    costs = np.random.default_rng(0).uniform(1, 9, (12, 4))
    assert fit.weights(costs, costs @ [2.0, 0.0, 1.0, 0.5]) == pytest.approx([2, 0, 1, 0.5])
    assert (fit.weights(costs, costs @ [2.0, -0.2, 1.0, 0.5]) >= 0).all()


def test_a_network_is_estimated_without_its_own_time():
    known = [
        estimate.Sample(name, 1, np.array([cost]), ms)
        for name, cost, ms in (("a", 1.0, 1.0), ("b", 2.0, 2.0), ("c", 3.0, 6.0))
    ]
    assert estimate.left_out(known)[1].ratios["c"] == pytest.approx(0.5)


def test_a_board_has_six_weights_at_most():
    assert all(len(board.costs) <= 6 for board in BOARDS.values())


def test_the_page_is_of_these_counts(figures):
    assert json.loads(json.dumps(figures)) == json.loads((HERE / "estimates.json").read_text())
    assert page.text(figures) == (HERE / "ESTIMATES.md").read_text()


def test_what_users_read_is_of_these_counts(figures):
    guide = HERE.parents[1] / "edge" / "docs" / "explanation" / "boards.md"
    assert page.guide(figures) in guide.read_text(encoding="utf-8")


def test_times_of_other_networks_are_not_explained(figures):
    for each in figures["boards"].values():
        for threads, kinds in each["left out"].items():
            assert each["shuffled"][threads]["all"]["median"] > 4 * kinds["all"]["median"]


def test_a_measured_time_is_compared_with_its_estimate(figures):
    name = "YOLOv6-n 320 ncnn fp16"
    best, low, high = figures["boards"]["Raspberry Pi 5"]["estimates"][name]["4"]
    for ms, verdict in ((best, "within"), (low * 0.9, "outside"), (high * 1.1, "outside")):
        latencies = [ms / 800] * 3  # of which the inference is four fifths, in seconds
        measured = report(run(latencies, precision="fp16", artifact_precision="fp16"))
        line = compare.table(measured, "Raspberry Pi 5", "YOLOv6-n")
        assert line == (
            f"ncnn fp16 320x320 4 threads: measured {ms:.1f} ms, "
            f"estimated {best:.1f} ({low:.1f} to {high:.1f}): {verdict}"
        )


def test_a_report_of_another_board_or_without_an_estimate_is_refused():
    with pytest.raises(DataError, match=r"is of Raspberry Pi 5 Model B Rev 1.0, .* of a Rasp"):
        compare.table(report(), "Raspberry Pi 4", "YOLOv6-n")
    lone = report(run(backend="mnn", threads=3, input=Size(64, 64)))
    with pytest.raises(DataError, match=r"no run .* its runs: mnn fp32 64x64 3 threads"):
        compare.table(lone, "Raspberry Pi 5", "YOLOv6-n")
