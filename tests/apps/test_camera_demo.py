"""The demo, as a user starts it."""

from __future__ import annotations

import ast
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("cv2")

import cv2
from stream_servers import mjpeg_server

from edge.bundled import MODEL

DEMO = Path(__file__).parents[2] / "apps" / "camera_demo"


def demo(*words) -> subprocess.CompletedProcess:
    command = [sys.executable, DEMO, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_it_detects_saves_and_prints(tmp_path):
    saved = tmp_path / "out.mp4"
    words = ["--source", "test:conveyor?frames=3&size=320x256", "--threads", 1, "--json"]
    done = demo("--model", MODEL, *words, "--save", saved)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["frame"] for line in done.stdout.splitlines()] == [0, 1, 2]
    assert saved.stat().st_size > 1000
    assert done.stderr.splitlines()[-1].startswith("3 frames; ")


def test_a_reader_that_goes_away_ends_it_quietly():
    command = [sys.executable, DEMO, "--model", MODEL, "--source", "test:conveyor", "--json"]
    with subprocess.Popen(
        [*command, "--threads", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(120) == 1
        assert process.stderr.read() == ""


def test_a_signal_ends_it_well_and_all_is_written(tmp_path):
    saved = tmp_path / "out.mp4"
    with mjpeg_server([]) as server:
        source = f"http://127.0.0.1:{server.port}/"
        command = [sys.executable, DEMO, "--model", MODEL, "--source", source, "--max-age", "60"]
        with subprocess.Popen(
            [*command, "--threads", "1", "--json", "--save", saved],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            for _ in range(3):
                assert process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            rest, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    count = 3 + len(rest.splitlines())
    assert err.splitlines()[-1].startswith(f"{count} frames; ")
    assert err.splitlines()[-1].endswith("interrupted")
    assert cv2.VideoCapture(str(saved)).read()[0]


def test_a_missing_camera_is_one_clear_line():
    done = demo("--model", MODEL, "--source", "usb:97", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("camera_demo: camera 97: no /dev/video97")


def test_without_windows_the_extra_is_named():
    if "GUI:                           NONE" not in cv2.getBuildInformation():
        pytest.skip("this OpenCV has windows, which a test machine cannot look at")
    done = demo("--model", MODEL, "--source", "test:conveyor", "--show")
    assert done.returncode == 1
    assert "pip install 'edge-yolo[gui]'" in done.stderr


def test_nowhere_to_show_is_bad_usage():
    assert demo("--model", MODEL).returncode == 2


def test_it_uses_only_what_others_may_use():
    for file in DEMO.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "edge":
                names = [*node.module.split("."), *(alias.name for alias in node.names)]
                assert not [name for name in names if name.startswith("_")]
