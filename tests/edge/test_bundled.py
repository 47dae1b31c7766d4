"""The model that comes along does what the README promises of it."""

from __future__ import annotations

import json

import pytest

from edge import bundled, package
from edge.cli import main
from edge.conveyor import LABELS


def test_it_is_int8_small_and_says_where_it_comes_from():
    made = package.read(bundled.MODEL)
    assert made.spec.labels == LABELS
    assert [(a.backend, a.precision) for a in made.artifacts] == [("ncnn", "int8")]
    assert sum(len(content) for content in made.artifacts[0].files.values()) < 4_500_000
    assert made.license == "Apache-2.0"
    assert made.provenance["training"]["AP50_seed_3001"] >= 0.95
    agreed = made.quantization["targets"]["ncnn"]
    assert agreed["agreement_AP"] >= 0.95
    assert agreed["agreement_AP50"] >= 0.985


def test_without_arguments_it_says_what_it_saw(capsys):
    assert main(["run", "--threads", "1", "--source", bundled.SOURCE]) == 0
    text = capsys.readouterr().err
    assert "of 100 frames" in text
    assert all(label in text for label in LABELS)  # the first 100 frames show every class


def test_another_model_needs_a_source(tmp_path, capsys):
    assert main(["run", "--model", str(tmp_path / "other.edge")]) == 2
    assert "--source" in capsys.readouterr().err


@pytest.mark.slow
def test_it_finds_the_parts_of_a_scene_that_it_never_saw(capsys):
    words = ["--data", "test:conveyor?seed=3001&frames=200", "--threads", "1", "--json"]
    assert main(["eval", *words]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (report["images"], report["AP50"]) == (200, pytest.approx(0.951, abs=0.01))
