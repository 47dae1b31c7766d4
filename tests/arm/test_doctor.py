"""`edge doctor` on boards: the CPU emulated, the kernel's files those of the board."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import boards
import pytest

from edge.installed import RUNTIMES

# Half a minute each, on a machine with nothing else to do.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# Some of the checks, as `edge doctor` runs them.
SOME = """
import json, sys
from dataclasses import asdict
from edge.board import ROOT
from edge.doctor.examine import CHECKS
findings = [asdict(finding) for name in sys.argv[1:] for finding in CHECKS[name](ROOT)]
print(json.dumps({"works": True, "findings": findings}))
"""


class Told:
    """What `edge doctor` says of a board: all of it, or only of some checks."""

    def __init__(self, arm: Any, board: Path, *checks: str) -> None:
        words = ["-c", SOME, *checks] if checks else ["-m", "edge", "doctor", "--json"]
        answer = json.loads(arm.python(*words, board=board))
        self.works: bool = answer["works"]
        self.by_check: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for finding in answer["findings"]:
            self.by_check[finding["check"]].append(finding)

    def one(self, check: str) -> dict[str, Any]:
        (result,) = self.by_check[check]
        return result


def test_a_raspberry_pi_4_of_debian_that_is_held_back(pi4, tmp_path):
    board = boards.pi4(tmp_path, throttled=0x50005, temperature=84_500)
    message = Told(pi4, board)
    assert message.works
    assert message.one("board")["what"].startswith(
        "Raspberry Pi 4 Model B Rev 1.4; aarch64, 4.0 GB"
    )
    assert message.one("CPU")["what"] == "4 x Cortex-A72, 4 cores: asimd (vectors)"
    assert message.one("power")["level"] == "warning"
    assert message.one("heat")["what"] == "84 °C"
    assert message.one("kernels")["what"] == "scalar, neon"
    assert message.one("ncnn")["what"].endswith("right on the probe network in fp32")
    assert message.one("tflite")["what"].endswith("right on the probe network in fp32")
    assert message.one("CSI")["fix"] == "sudo apt-get install -y rpicam-apps"


def test_a_raspberry_pi_5_with_every_runtime(pi5, tmp_path):
    message = Told(pi5, boards.pi5(tmp_path))
    assert message.works
    assert message.one("board")["what"].startswith(
        "Raspberry Pi 5 Model B Rev 1.0; aarch64, 8.5 GB"
    )
    assert "asimddp (INT8 dot products)" in message.one("CPU")["what"]
    assert message.one("power")["what"] == "not held back"
    assert message.one("kernels")["what"] == "neon"
    assert {name: message.one(name)["level"] for name in RUNTIMES} == dict.fromkeys(RUNTIMES, "ok")
    assert message.one("ncnn")["what"].endswith("right on the probe network in fp32 and fp16")


def test_a_jetson_orin_nano_with_an_opencv_that_lacks_gstreamer(pi5, tmp_path):
    message = Told(pi5, boards.orin(tmp_path), "board", "power", "OpenCV", "cameras")
    assert message.one("board")["what"].startswith("NVIDIA Jetson Orin Nano Developer Kit; aarch64")
    assert message.one("CPU")["what"].startswith("6 x Cortex-A78AE, 6 cores")
    assert message.one("power")["what"] == "throttled 1 times since it was started"
    usable, lacking = message.by_check["OpenCV"]
    assert (usable["level"], lacking["level"]) == ("ok", "warning")
    assert lacking["what"].startswith("without GStreamer: ")
    assert message.one("CSI")["fix"] == "sudo systemctl restart nvargus-daemon"
