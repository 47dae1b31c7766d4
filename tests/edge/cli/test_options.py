from __future__ import annotations

import pytest

from edge.cli import main
from edge.cli.options import labels
from edge.models.coco import LABELS as COCO


def test_labels_come_from_a_list_or_a_file(tmp_path):
    assert labels("a, b,c") == ("a", "b", "c")
    assert labels(",".join(COCO)) == COCO  # longer than any file's name may be
    (tmp_path / "names.txt").write_text("größe\n\ncat \n", encoding="utf-8")
    assert labels(str(tmp_path / "names.txt")) == ("größe", "cat")


@pytest.mark.parametrize("text", ["", "a,,b", ",", "x" * 300 + ",,"])
def test_labels_that_are_none_are_refused(text):
    with pytest.raises(ValueError, match="class names"):
        labels(text)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--threads", "x"], "--threads: a whole number from 0 to 256, got x"),
        (["--threads", "257"], "a whole number from 0 to 256, got 257"),
        (["--threads", "9" * 5000], "a whole number from 0 to 256, got 999"),
        (["--max-det", "1.5"], "--max-det: a whole number from 1, got 1.5"),
        (["--conf", "x"], "--conf: a number from 0 to 1, got x"),
        (["--mean", "1,2"], "--mean: a number for each of three channels, or one for all, got 1,2"),
        (["--mean", "1,x,3"], "--mean: numbers with commas between, got 1,x,3"),
        (["--std", "1,0,1"], "--std: numbers above 0, got 1,0,1"),
        (["--pad", "1.5"], "--pad: whole numbers from 0 to 255, got 1.5"),
        (["--anchors", "1,2,3"], "--anchors: widths and heights above 0, two numbers for each"),
        (["--color", "yuv"], "--color: invalid choice: 'yuv'"),
        (["--letterbox", "fit"], "--letterbox: invalid choice: 'fit'"),
        (["--iou", "nan"], "--iou: a number from 0 to 1, got nan"),
    ],
)
def test_numbers_are_refused_with_what_was_wanted(words, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["run", "--model", "m", "--source", "s", *words])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
