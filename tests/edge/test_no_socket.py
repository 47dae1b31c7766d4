"""A process that runs a detection opens no socket: the kernel would kill it."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge import package
from edge.backends import BACKENDS

pytest.importorskip("onnx")
MODEL = Path(__file__).parents[1] / "models" / "bccd-yolov6n.edge"
SOCKET = {"x86_64": 41, "aarch64": 198}.get(platform.machine())  # number of the system call
# A filter of four steps: load the number of the call; is it that; kill the process; allow.
FORBID = f"""
import ctypes, struct, sys
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, {SOCKET}), (6, 0, 0, 0x80000000), (6, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program):  # no new privileges; filter calls
    sys.exit("this kernel filters no calls")
"""
DETECT = """
import sys
from edge.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from every_backend import converted

    path = tmp_path_factory.mktemp("model") / "every.edge"
    package.write(converted(MODEL, side=64), path)
    return path


def forbidden(code, *words):
    if SOCKET is None:
        pytest.skip(f"the number of socket(2) on {platform.machine()} is not known here")
    words = [sys.executable, "-c", FORBID + code, *map(str, words)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if "this kernel filters no calls" in done.stderr:
        pytest.skip("this kernel filters no calls")
    return done


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_detection_opens_no_socket(model, backend):
    words = ["run", "--model", model, "--backend", backend, "--source", "test:conveyor?frames=2"]
    done = forbidden(DETECT, *words, "--conf", "0.01", "--json")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["frame"] for line in done.stdout.splitlines()] == [0, 1]


def test_a_process_that_opens_one_is_killed():
    for code in ("import socket; socket.socket()", "ctypes.CDLL(None).socket(2, 1, 0)"):
        assert forbidden(code).returncode == -signal.SIGSYS


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_detection_leaves_nothing_of_a_runtime_behind(model, backend, tmp_path):
    """An identifier of the machine, say, or events that wait to be sent."""
    home = tmp_path / "home"
    home.mkdir()
    words = ["run", "--model", model, "--backend", backend, "--source", "test:conveyor?frames=2"]
    kept = {name: value for name, value in os.environ.items() if name == "LD_LIBRARY_PATH"}
    done = subprocess.run(
        [sys.executable, "-c", DETECT, *map(str, words)],
        env={**kept, "HOME": str(home), "TMPDIR": str(home)},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    record = home / ".cache/edge/opened"  # that the file was opened: edge.trial
    left = sorted(home.rglob("*"))
    assert [path for path in left if path not in (record, *record.parents, *record.glob("*"))] == []


def test_the_calibrator_leaves_nothing_of_a_runtime_behind(tmp_path):
    names = ("workflow.flow", "frontends.onnx", "quant.observe.session")
    code = f"import {', '.join(f'calibration.{name}' for name in names)}"
    home = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=home, cwd=tmp_path, check=False)
    assert done.returncode == 0
    assert sorted(tmp_path.rglob("*")) == []
