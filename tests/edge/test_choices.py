from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from edge import board, choices, package
from edge.choices import Choice
from edge.errors import SinkError

MODEL = Path(__file__).parents[1] / "models" / "bccd-yolov6n.edge"
CHOICE = Choice("ncnn", "fp32", 2, "ncnn with 2 threads 9.0 ms", "2026-11-22T04:30:00+00:00")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def model():
    return package.read(MODEL)


@pytest.fixture(scope="module")
def here():
    return board.identify()


def test_what_is_kept_is_found_until_it_is_forgotten(model, here):
    assert choices.find(model, here) is None
    file = choices.keep(CHOICE, model, here)
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert choices.find(model, here) == CHOICE
    assert choices.forget(model, here)
    assert choices.find(model, here) is None
    assert not choices.forget(model, here)


def test_another_board_or_model_has_its_own(model, here):
    choices.keep(CHOICE, model, here)
    assert choices.find(model, replace(here, model="another")) is None
    assert choices.find(model, replace(here, features=here.features ^ {"avx2"})) is None
    (artifact,) = model.artifacts
    altered = replace(artifact, files={**artifact.files, "bin": artifact.files["bin"][:-1] + b"x"})
    assert choices.find(replace(model, artifacts=(altered,)), here) is None
    assert choices.find(replace(model, name="renamed"), here) == CHOICE


@pytest.mark.parametrize(
    "wrong",
    [
        {"format": 2},
        {"backend": "tflite"},  # of which the package has nothing
        {"backend": "openvino"},
        {"precision": "int8"},
        {"precision": "fp8"},
        {"threads": 0},
        {"threads": 100_000},
        {"threads": True},
        {"threads": "2"},
        {"reason": None},
    ],
)
def test_what_does_not_fit_is_no_choice(model, here, wrong):
    file = choices.keep(CHOICE, model, here)
    file.write_text(json.dumps({"format": 1, **asdict(CHOICE), **wrong}))
    assert choices.find(model, here) is None


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"[" * 100_000, b"{}"])
def test_a_damaged_file_is_no_choice(model, here, content):
    choices.keep(CHOICE, model, here).write_bytes(content)
    assert choices.find(model, here) is None


def test_a_cache_that_cannot_be_written_is_told(model, here, cache):
    cache.write_text("a file")
    with pytest.raises(SinkError, match="tune"):
        choices.keep(CHOICE, model, here)
    assert choices.find(model, here) is None
