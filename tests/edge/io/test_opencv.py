from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from edge.errors import NotInstalledError
from edge.io import opencv


@pytest.fixture
def forget_cv2(monkeypatch):
    for name in [n for n in sys.modules if n.partition(".")[0] == "cv2"]:
        monkeypatch.delitem(sys.modules, name)


def test_a_missing_opencv_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)  # what `import` finds when there is none
    with pytest.raises(NotInstalledError, match=r"^reading images needs OpenCV: .*\[opencv\]"):
        opencv.load("reading images")


def test_an_opencv_that_does_not_load_says_why(tmp_path, monkeypatch, forget_cv2):
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(NotInstalledError, match=r"does not load \(libGL\.so\.1: .*\[opencv\]"):
        opencv.load("reading images")


def test_an_opencv_that_lost_its_files_is_explained(tmp_path, monkeypatch, forget_cv2):
    (tmp_path / "cv2").mkdir()
    (tmp_path / "cv2" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(NotInstalledError, match="lost its files"):
        opencv.load("reading images")


def test_quiet_holds_only_inside_the_block(tmp_path, capfd):
    missing = str(tmp_path / "missing.png")
    with opencv.quiet(cv2):
        assert cv2.imread(missing) is None
    assert capfd.readouterr().err == ""
    cv2.imread(missing)
    assert "missing.png" in capfd.readouterr().err


def test_the_last_of_several_to_leave_restores_the_level(tmp_path, capfd):
    missing = str(tmp_path / "missing.png")
    first, second = opencv.quiet(cv2), opencv.quiet(cv2)  # as of two threads
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    cv2.imread(missing)
    assert capfd.readouterr().err == ""
    second.__exit__(None, None, None)
    cv2.imread(missing)
    assert "missing.png" in capfd.readouterr().err


def test_the_environment_is_set_once_and_not_over_the_user(monkeypatch):
    monkeypatch.setenv("OPENCV_FFMPEG_LOGLEVEL", "48")
    with opencv.quiet(cv2):
        assert os.environ["OPENCV_FFMPEG_LOGLEVEL"] == "48"
    monkeypatch.delenv("OPENCV_FFMPEG_LOGLEVEL")
    for _ in range(2):
        with opencv.quiet(cv2):
            assert os.environ["OPENCV_FFMPEG_LOGLEVEL"] == "-8"
        assert os.environ["OPENCV_FFMPEG_LOGLEVEL"] == "-8"


def test_a_level_that_the_user_chose_is_kept(tmp_path):
    code = (
        "import cv2; from edge.io import opencv\nwith opencv.quiet(cv2): cv2.imread('missing.png')"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            "OPENCV_LOG_LEVEL": "WARNING",
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "missing.png" in shown.stderr


@pytest.mark.parametrize(("name", "taken"), [("日本.mp4", True), ("\udcff.mp4", False)])
def test_only_names_in_utf8_are_taken(name, taken):
    assert opencv.takes_name(Path(name)) is taken
