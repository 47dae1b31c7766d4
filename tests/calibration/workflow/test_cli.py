from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

cv2 = pytest.importorskip("cv2")
pytest.importorskip("onnxruntime")

from calibration.emit import EMITTERS, int8_artifact  # noqa: E402
from calibration.quant.solve import solve  # noqa: E402
from calibration.workflow import calibrate, describe, flow  # noqa: E402
from edge import package  # noqa: E402
from edge.cli import main  # noqa: E402
from edge.detector import Detector  # noqa: E402
from edge.evaluate import agreement  # noqa: E402
from edge.types import Size  # noqa: E402

MILD = ["--min-agreement", "70/90"]
SIZE = Size(160, 160)  # half of what it was trained for: a quarter of the work, most cells found
WRITTEN = ["cells.edge", "cells.report.html", "cells.report.json", "cells.spec.json"]


def entries(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.fixture(scope="module")
def smears(tmp_path_factory, draw_smear) -> Path:
    folder = tmp_path_factory.mktemp("smears")
    for seed in range(12):
        cv2.imwrite(str(folder / f"{seed:03}.png"), draw_smear(seed))
    return folder


@pytest.fixture(scope="module")
def words(bccd, smears) -> list[str]:
    size = ["--imgsz", str(SIZE.width), "--threads", "1"]
    return ["calibrate", str(bccd), "--data", str(smears), *size]


@pytest.fixture(scope="module")
def float_layers(bccd) -> package.Package:
    whole = package.read(bccd)
    return replace(whole, spec=whole.spec.resized(SIZE))


@pytest.fixture(scope="module")
def made(words, tmp_path_factory) -> Path:
    """What a calibration writes that was interrupted before its end and started again.

    So few images and so plain a recipe need a milder gate than the usual one.
    """
    folder = tmp_path_factory.mktemp("made")
    line = [*words, "-o", str(folder / "cells.edge"), "--recipe", "min-max", *MILD]
    line += ["--license", "MIT"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(describe, "part", interrupt)
        assert main(line) == 1
    assert entries(folder) == [".cells.edge.calibrating"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solve, "calibrate", interrupt)  # what was decided is not sought again
        assert main(line) == 0
    return folder


def test_the_package_is_named_by_its_file_and_keeps_what_is_known_of_the_training(made):
    cells = package.read(made / "cells.edge")
    assert (cells.name, cells.license) == ("cells", "MIT")
    assert cells.provenance["training"]["epochs"] == 32


def interrupt(*_, **__):
    raise KeyboardInterrupt


def test_package_spec_and_report_are_written_and_nothing_else(made):
    assert entries(made) == WRITTEN


def test_the_package_finds_what_the_float_one_finds(made, float_layers, draw_smear):
    images = [draw_smear(100 + seed) for seed in range(6)]
    sides = []
    for model, precision in ((float_layers, "fp32"), (made / "cells.edge", "int8")):
        with Detector.load(model, precision=precision, threads=1, conf=0.03) as detector:
            assert detector.backend.precision == precision
            sides.append([detector(image) for image in images])
    same = agreement(*sides, classes=3)
    assert same.expected > 100
    assert min(same.recall, same.precision, same.ap50) > 0.7


def test_the_package_says_what_was_measured(made, capsys):
    text = package.read(made / "cells.edge").quantization
    report = json.loads((made / "cells.report.json").read_text())
    (target,) = report["targets"]
    assert text["targets"]["ncnn"]["agreement_AP50"] == round(target["row"]["agreement"]["ap50"], 4)
    assert target["int8_layers"] == 58
    assert text["images"] == report["observed"] == 9
    assert text["held_out"] == 3
    assert main(["inspect", str(made / "cells.edge")]) == 0
    shown = capsys.readouterr().out
    assert f"ncnn: agreement with float {100 * target['row']['agreement']['ap']:.1f}/" in shown
    assert "58 of 58 convolutions" in shown


def test_the_report_shows_rows_layers_and_remarks(made):
    report = json.loads((made / "cells.report.json").read_text())
    (scheme,) = report["schemes"]
    rows = [row["name"] for row in scheme["rows"]]
    assert rows == ["weights only", "activations only", "both"]
    assert scheme["rows"][0]["agreement"]["ap50"] > 0.95  # 8 bits per channel are nearly free
    assert len(scheme["layers"]) == 58
    assert sum(layer["operations"] for layer in scheme["layers"]) == pytest.approx(1)
    assert all(sum(layer["histogram"]["counts"]) > 0 for layer in scheme["layers"])
    assert any("9 images are few" in remark for remark in report["warnings"])
    page = (made / "cells.report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "http" not in page


def test_the_same_spec_gives_the_same_files(made, words, tmp_path):
    out = tmp_path / "again.edge"
    line = [*words, "-o", str(out), "--spec", str(made / "cells.spec.json"), "--recipe", "fast"]
    assert main([*line, *MILD]) == 0
    files = [
        package.read(path).artifact("ncnn", "int8").files for path in (made / "cells.edge", out)
    ]
    assert files[0] == files[1]
    assert (tmp_path / "again.spec.json").read_bytes() == (made / "cells.spec.json").read_bytes()


def test_all_runtimes_at_once_compute_what_was_decided(words, tmp_path, float_layers, draw_smear):
    out = tmp_path / "cells.edge"
    line = [*words, "-o", str(out), "--targets", ",".join(EMITTERS), "--recipe", "min-max"]
    assert main([*line, *MILD]) == 0
    text = package.read(out).quantization["targets"]
    assert list(text) == list(EMITTERS)
    image = draw_smear(100)
    with Detector.load(float_layers, threads=1) as detector:
        expected = len(detector(image))
    for target in EMITTERS:
        assert (text[target]["int8_layers"], text[target]["float_layers"]) == (58, 0)
        assert text[target]["simulation_AP50"] > 0.95
        with Detector.load(out, backend=target, threads=1) as detector:
            assert detector.backend.precision == "int8"
            assert len(detector(image)) == pytest.approx(expected, rel=0.3)


def test_a_spec_that_lacks_what_a_runtime_needs_is_told_before_the_work(
    made, words, tmp_path, capsys
):
    spec = ["--spec", str(made / "cells.spec.json")]
    assert main([*words, *spec, "-o", str(tmp_path / "x.edge"), "--targets", "tflite"]) == 1
    text = capsys.readouterr().err
    assert "the spec does not serve tflite: the spec has no range for the tensor" in text
    assert "calibrate for all --targets at once" in text
    assert "detect in float" not in text


def test_what_runtimes_own_tools_do_is_refused_and_leaves_nothing(words, tmp_path, capsys):
    out = tmp_path / "bad.edge"
    assert main([*words, "-o", str(out), "--recipe", "entropy"]) == 1
    assert entries(tmp_path) == []
    text = capsys.readouterr().err
    assert "ncnn int8 is refused: AP against float is" in text
    assert "layers that cost most in ncnn" in text
    assert "Conv (" in text
    assert "what to try: more images (9 were observed" in text
    assert "bad.edge is not written" in text


def test_a_file_that_computes_another_thing_than_decided_is_refused(
    words, made, tmp_path, capsys, monkeypatch
):
    """Biases of one layer doubled behind the back of the plan: nothing else is wrong."""

    def wrong(graph, plan):
        name = list(plan.layers)[20]
        layer = replace(plan.layers[name], bias=2 * plan.layers[name].bias)
        return int8_artifact(graph, replace(plan, layers={**plan.layers, name: layer}))

    monkeypatch.setattr(flow, "int8_artifact", wrong)
    line = [*words, "-o", str(tmp_path / "x.edge"), "--spec", str(made / "cells.spec.json")]
    assert main([*line, *MILD]) == 1
    assert "dB against the float network, the simulation of its plan" in capsys.readouterr().err
    assert not (tmp_path / "x.edge").exists()


def test_labels_can_judge(words, made, float_layers, smears, tmp_path, capsys):
    """The float model's own boxes as labels: it has an AP of nearly 1, and INT8 loses some."""
    data = tmp_path / "data"
    (data / "images").mkdir(parents=True)
    (data / "labels").mkdir()
    with Detector.load(float_layers, threads=1) as detector:
        for file in sorted(smears.iterdir())[:6]:
            detections = detector(cv2.imread(str(file)))
            shutil.copy(file, data / "images")
            centers = (detections.boxes[:, :2] + detections.boxes[:, 2:]) / 640
            extents = (detections.boxes[:, 2:] - detections.boxes[:, :2]) / 320
            lines = [
                f"{k} {x} {y} {w} {h}"
                for k, (x, y), (w, h) in zip(detections.class_ids, centers, extents, strict=True)
            ]
            (data / "labels" / f"{file.stem}.txt").write_text("\n".join(lines))
    line = [*words, "--val", str(data), "--spec", str(made / "cells.spec.json"), "--recipe", "fast"]
    assert main([*line, "-o", str(tmp_path / "a.edge"), "--max-drop", "0"]) == 1
    text = capsys.readouterr().err
    assert "95 % interval of the change" in text
    assert "at most 0 may be lost" in text
    assert not (tmp_path / "a.edge").exists()
    assert main([*line, "-o", str(tmp_path / "b.edge"), "--max-drop", "30", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)["targets"]["ncnn"]
    assert summary["AP"] < summary["AP_float"]
    assert summary["AP_change_95"][0] <= summary["AP"] - summary["AP_float"] + 0.05


@pytest.mark.parametrize(
    ("more", "status", "answer"),
    [
        (["--max-drop", "1"], 2, "--max-drop needs labels"),
        (["--min-agreement", "97/91"], 2, "AP/AP50"),
        (["--targets", "ncnn,tensorrt"], 2, "got 'tensorrt'"),
        (["--labels", "a,b"], 2, "knows its family and labels itself"),
        (["--color", "bgr"], 2, "and what becomes of an image"),
        (["--mean", "1,2,3"], 2, "and what becomes of an image"),
        (["--spec", "none.json"], 1, "none.json"),
        (["-o", "cells.onnx"], 2, "a package is written, NAME.edge"),
    ],
)
def test_wrong_options_are_told_before_the_work(words, tmp_path, capsys, more, status, answer):
    line = [*words, "-o", str(tmp_path / "x.edge"), *more]
    try:
        result = main(line)
    except SystemExit as error:  # as argparse ends
        result = error.code
    assert result == status
    assert answer in capsys.readouterr().err
    assert entries(tmp_path) == []


def test_a_package_that_is_there_stays(words, made, capsys):
    before = (made / "cells.edge" / "model.toml").read_bytes()
    assert main([*words, "-o", str(made / "cells.edge")]) == 1
    assert "--force" in capsys.readouterr().err
    assert (made / "cells.edge" / "model.toml").read_bytes() == before


def test_a_missing_runtime_is_named_with_its_extra(words, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(calibrate, "versions", lambda names: {})
    assert main([*words, "-o", str(tmp_path / "x.edge"), "--targets", "mnn"]) == 1
    assert "pip install 'edge-yolo[mnn]'" in capsys.readouterr().err


def test_a_spec_of_another_network_is_refused(words, made, tmp_path, capsys):
    text = (made / "cells.spec.json").read_text()
    model = json.loads(text)["model"]
    (tmp_path / "other.json").write_text(text.replace(model, "0" * 64))
    line = [*words, "-o", str(tmp_path / "x.edge"), "--spec", str(tmp_path / "other.json")]
    assert main(line) == 1
    assert "of another network" in capsys.readouterr().err


def test_a_spec_that_leaves_nothing_in_int8_makes_no_package_that_says_so(
    made, words, tmp_path, capsys
):
    spec = json.loads((made / "cells.spec.json").read_text())
    (scheme,) = spec["schemes"].values()
    scheme["float_layers"] = dict.fromkeys(scheme["layers"], "by hand")
    (tmp_path / "floats.json").write_text(json.dumps(spec))
    line = [*words, "-o", str(tmp_path / "x.edge"), "--spec", str(tmp_path / "floats.json")]
    assert main(line) == 1
    assert "leaves all of ncnn in float" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        (["--teacher", "x.onnx", "--recipe", "fast"], "recipe fast learns nothing; qat does"),
        (["--qat", "--spec", "x.json"], "--spec says what was decided: nothing is learned"),
    ],
)
def test_learning_that_would_not_take_place_is_refused(asked, complaint, words, tmp_path, capsys):
    assert main([*words, "-o", str(tmp_path / "x.edge"), *asked]) == 2
    assert complaint in capsys.readouterr().err


def test_training_without_torch_is_refused_with_its_extra(words, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(calibrate, "find_spec", lambda name: None)
    assert main([*words, "-o", str(tmp_path / "x.edge"), "--qat"]) == 1
    assert "pip install 'edge-yolo[train]'" in capsys.readouterr().err


def test_a_teacher_with_another_head_is_refused(words, tmp_path, capsys, bccd):
    pytest.importorskip("torch")
    other = bccd.with_name("bccd-yolov7-tiny.edge")
    assert main([*words, "-o", str(tmp_path / "x.edge"), "--teacher", str(other)]) == 1
    assert "the teacher's" in (text := capsys.readouterr().err)
    assert "the same input, classes and kind of head" in text


def test_a_teacher_that_means_other_classes_is_refused(words, tmp_path, capsys, bccd):
    pytest.importorskip("torch")
    same = package.read(bccd)
    spec = replace(same.spec, labels=same.spec.labels[::-1])
    package.write(replace(same, spec=spec), tmp_path / "other.edge")
    asked = ["--teacher", str(tmp_path / "other.edge")]
    assert main([*words, "-o", str(tmp_path / "x.edge"), *asked]) == 1
    assert "the teacher's labels: " in capsys.readouterr().err
