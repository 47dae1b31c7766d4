from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edge.cli import main
from edge.cli.compare import Side

NAMES = ["000000000139", "000000000632", "000000000776", "000000000802", "000000000885"]


@pytest.fixture
def lite(shared):
    folder = shared / "models" / "yolov6lite"
    return {size: str(folder / f"yolov6-lite-{size}.param") for size in "sm"}


@pytest.fixture
def photos(shared, tmp_path):
    """Five photographs with YOLO labels."""
    source, folder = shared / "data" / "coco" / "val", tmp_path / "data"
    for kind, suffix in (("images", "jpg"), ("labels", "txt")):
        (folder / kind).mkdir(parents=True)
        for name in NAMES:
            shutil.copyfile(source / kind / f"{name}.{suffix}", folder / kind / f"{name}.{suffix}")
    return str(folder)


@pytest.fixture
def run(capsys):
    """Runs the command; returns the exit status, standard output and standard error."""

    def run(data, *options):
        status = main(["eval", "--data", data, "--threads", "1", "--resamples", "100", *options])
        return (status, *capsys.readouterr())

    return run


def test_a_model_compared_with_itself_does_not_differ(run, photos, lite):
    status, out, _ = run(photos, "--model", lite["s"], "--compare", "ncnn", "ncnn-fp32", "--json")
    result = json.loads(out)
    assert status == 0
    assert result["difference"]["AP"]["before"] == result["difference"]["AP"]["after"] > 0.2
    assert result["difference"]["AP"]["low"] == result["difference"]["AP"]["high"] == 0
    assert result["agreement"]["recall"] == result["agreement"]["precision"] == 1
    assert (result["a"]["name"], result["b"]["name"]) == ("ncnn", "ncnn-fp32")


def test_two_models_differ_by_what_each_has_alone(run, photos, lite):
    alone = [json.loads(run(photos, "--model", m, "--json")[1]) for m in lite.values()]
    status, out, err = run(photos, "--compare", lite["s"], lite["m"], "--json")
    result = json.loads(out)
    assert status == 0
    for name in ("AP", "AP50", "AP75", "APs", "APm", "APl"):
        pair = result["difference"][name]
        assert [pair["before"], pair["after"]] == pytest.approx([a[name] for a in alone], abs=1e-9)
        assert pair["low"] <= pair["high"]
    assert 0 < result["agreement"]["recall"] < 1
    assert "person" in result["per_class"]
    assert sum(each["objects"] for each in result["per_class"].values()) == alone[0]["objects"]
    assert err.count("\n5 frames; ") == 2


def test_shows_tables(run, photos, lite):
    status, out, _ = run(photos, "--compare", lite["s"], lite["m"], "--per-class")
    assert status == 0
    assert f"B: {lite['m']}" in out
    assert "B agrees with A" in out
    assert "\nperson" in out
    assert "nan" not in out


def test_a_broken_image_is_left_out_of_both(run, photos, lite):
    (Path(photos) / "images" / f"{NAMES[2]}.jpg").write_bytes(b"no image")
    status, out, err = run(photos, "--compare", lite["s"], lite["s"], "--json")
    assert status == 1
    assert (json.loads(out)["images"], json.loads(out)["failed"]) == (4, 1)
    assert err.count("not an image") == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--compare", "ncnn", "mnn"), "--compare ncnn: of which model? --model names it"),
        (("--compare", "a.edge@fast", "mnn"), "after @ comes BACKEND, PRECISION or"),
        (("--compare", "a", "b", "--backend", "ncnn"), "backends and precisions are part of"),
        (("--compare", "a", "b", "--curves", "c.svg"), "for one model"),
        ((), "--model is required, or --compare"),
    ],
)
def test_bad_usage_is_named(run, photos, options, message):
    status, out, err = run(photos, *options)
    assert (status, out) == (2, "")
    assert message in err


def test_an_artifact_that_is_not_there_is_named(run, photos, lite):
    status, _, err = run(photos, "--model", lite["s"], "--compare", "ncnn", "ncnn-int8")
    assert status == 1
    assert "no artifact for ncnn int8; there are: ncnn fp16" in err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s.edge", ("s.edge", None, None)),
        ("some-model.edge", ("some-model.edge", None, None)),
        ("s.edge@ncnn", ("s.edge", "ncnn", None)),
        ("s.edge@int8", ("s.edge", None, "int8")),
        ("a@b/s.edge@ncnn-int8", ("a@b/s.edge", "ncnn", "int8")),
        ("onnxruntime-fp32", ("m.edge", "onnxruntime", "fp32")),
        ("fp16", ("m.edge", None, "fp16")),
        ("int8-ncnn", ("int8-ncnn", None, None)),
    ],
)
def test_reads_a_side(text, expected):
    result = Side.parse(text, Path("m.edge"))
    assert (str(result.model), result.backend, result.precision) == expected
