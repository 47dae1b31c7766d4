from __future__ import annotations

import pytest

from edge import package
from edge.cli import main
from edge.cli.convert import labels


@pytest.fixture(scope="module")
def lite(shared):
    return str(shared / "models" / "yolov6lite" / "yolov6-lite-s.param")


def test_writes_a_folder_or_a_zip(lite, tmp_path):
    for flag in ([], ["--zip"]):
        target = tmp_path / f"s{len(flag)}.edge"
        assert main(["convert", lite, "-o", str(target), "--licence", "GPL-3.0-only", *flag]) == 0
        assert target.is_file() == bool(flag)
        assert package.read(target).licence == "GPL-3.0-only"
        assert package.read(target).name == target.stem


def test_replaces_only_when_told_to(lite, tmp_path, capsys):
    target = tmp_path / "s.edge"
    assert main(["convert", lite, "-o", str(target)]) == 0
    before = (target / "model.toml").read_bytes()
    assert main(["convert", lite, "-o", str(target), "--imgsz", "640"]) == 1
    assert "already exists; --force replaces it" in capsys.readouterr().err
    assert (target / "model.toml").read_bytes() == before
    assert main(["convert", lite, "-o", str(target), "--imgsz", "640", "--force"]) == 0
    assert package.read(target).spec.input.height == 640


def test_labels_come_from_a_list_or_a_file(tmp_path):
    assert labels("a, b,c") == ("a", "b", "c")
    (tmp_path / "names.txt").write_text("größe\n\ncat \n", encoding="utf-8")
    assert labels(str(tmp_path / "names.txt")) == ("größe", "cat")


@pytest.mark.parametrize("text", ["", "a,,b", ","])
def test_labels_that_are_none_are_refused(text):
    with pytest.raises(ValueError, match="class names"):
        labels(text)


def test_bad_labels_are_bad_usage(lite, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["convert", lite, "-o", str(tmp_path / "s.edge"), "--labels", "a,,b"])
    assert stopped.value.code == 2
    assert "class names" in capsys.readouterr().err
