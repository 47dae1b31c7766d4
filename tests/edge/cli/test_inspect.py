from __future__ import annotations

import json

import pytest

from edge.cli import main


@pytest.fixture(scope="module")
def lite(shared):
    return shared / "models" / "yolov6lite" / "yolov6-lite-s.param"


def test_a_bare_model_and_its_package_are_described_alike(lite, tmp_path, capsys):
    assert main(["convert", str(lite), "-o", str(tmp_path / "s.edge")]) == 0
    text = capsys.readouterr()
    assert text.out == ""
    facts = []
    for model in (lite, tmp_path / "s.edge"):
        assert main(["inspect", str(model), "--json"]) == 0
        facts.append(json.loads(capsys.readouterr().out))
    for key in ("family", "form", "input", "outputs", "strides", "labels"):
        assert facts[0][key] == facts[1][key]
    assert facts[0]["recognized"][0] in facts[1]["recognized"]
    assert facts[0]["artifacts"][0]["backend"] == "ncnn"


def test_the_text_says_what_it_is(lite, capsys):
    assert main(["inspect", str(lite), "--imgsz", "256x320"]) == 0
    text = capsys.readouterr().out
    for part in (
        "yolov6lite (heads)",
        "in0: 256x320 (as was said)",
        "80: person, bicycle",
        "ncnn fp16",
        "four maps",
    ):
        assert part in text


def test_what_is_no_model_is_one_line(tmp_path, capsys):
    (tmp_path / "a.onnx").write_bytes(b"x")
    assert main(["inspect", str(tmp_path / "a.onnx")]) == 1
    text = capsys.readouterr()
    assert text.out == ""
    assert text.err.startswith("edge: error: ")
    assert len(text.err.splitlines()) == 1


def test_what_could_steer_a_terminal_is_shown_as_escapes(lite, tmp_path, capsys):
    made = tmp_path / "s.edge"
    assert main(["convert", str(lite), "-o", str(made)]) == 0
    manifest = made / "model.toml"
    text = manifest.read_text()
    manifest.write_text(text.replace('name = "s"', r'name = "\u001b[2Js"', 1))
    capsys.readouterr()
    assert main(["inspect", str(made)]) == 0
    assert r"name       \x1b[2Js" in capsys.readouterr().out
    manifest.write_text(text.replace('name = "s"', 'name = "s"\n"\\u001b[2J" = 1', 1))
    assert main(["inspect", str(made)]) == 1
    err = capsys.readouterr().err
    assert r"\x1b[2J" in err
    assert "\x1b" not in err
