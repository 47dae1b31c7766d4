"""The estimator of boards' times, from committed counts: no emulation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.board import fit

HERE = Path(__file__).parent
COUNTS = json.loads((HERE / "counts.json").read_text())["counts"]
PUBLISHED = json.loads((HERE / "published.json").read_text())["boards"]


def test_the_networks_that_no_choice_looked_at_are_those_of_the_hash():
    known = set(COUNTS["cortex-a76"]["1"]) & set(PUBLISHED["Raspberry Pi 5"]["1"])
    assert fit.held_back(known) == {
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
    costs, names = np.array([[1.0], [2.0], [3.0]]), ["a", "b", "c"]
    errors = fit.left_out(names, costs, np.array([1.0, 2.0, 6.0]))
    assert errors.ratios["c"] == pytest.approx(0.5)
