from __future__ import annotations

import sys
from importlib import metadata

import boards
import pytest

from edge import installed
from edge.doctor import packages, probe
from edge.doctor.packages import (
    check_opencv,
    check_picamera,
    check_python,
    check_runtimes,
    try_run,
)


def by_check(findings):
    return {finding.check: finding for finding in findings}


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Puts a module in front of the real one, here and in child processes."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(name, body):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(body)

    return make


def test_python_numpy_and_the_kernels_work(tmp_path):
    found = by_check(check_python(tmp_path))
    assert {name: finding.level for name, finding in found.items()} == {
        "Python": "ok",
        "NumPy": "ok",
        "kernels": "ok",
    }
    assert found["NumPy"].what == metadata.version("numpy")
    assert found["kernels"].what.startswith("baseline")


def test_a_numpy_without_its_library_names_the_package(fake, tmp_path):
    text = "IMPORTANT: PLEASE READ\\n\\nOriginal error was: libopenblas.so.0: cannot open\\n\\nmore"
    fake("numpy", f'raise ImportError("{text}")')
    found = by_check(check_python(tmp_path))
    assert found["NumPy"].level == "error"
    assert found["NumPy"].what == "libopenblas.so.0: cannot open"
    assert found["NumPy"].fix == "sudo apt-get install -y libopenblas0"
    assert "kernels" not in found


def test_every_runtime_is_tried_on_numbers_or_at_least_imported(tmp_path):
    found = by_check(check_runtimes(tmp_path))
    assert list(found)[:4] == list(installed.RUNTIMES)
    assert found["ncnn"].what == f"ncnn {metadata.version('ncnn')}, right on the probe network"


def test_a_runtime_that_kills_its_process_is_reported_and_the_rest_goes_on(fake, tmp_path):
    fake("ncnn", "import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n")
    fake("onnxruntime", "raise ImportError('libfoo.so: cannot open shared object file')\n")
    found = by_check(check_runtimes(tmp_path))
    assert found["ncnn"].level == "error"
    assert "killed by SIGILL (an instruction that this CPU does not have" in found["ncnn"].what
    assert found["ncnn"].fix.startswith("pip uninstall -y ncnn")
    assert found["onnxruntime"].level == "warning"
    assert "libfoo.so" in found["onnxruntime"].what
    assert {"mnn", "tflite"} <= found.keys()


def test_a_runtime_that_is_not_there_is_a_note(fake, tmp_path):
    fake("MNN", "raise ModuleNotFoundError(\"No module named 'MNN'\", name='MNN')")
    found = by_check(check_runtimes(tmp_path))
    assert (found["mnn"].level, found["mnn"].what) == ("note", "not installed")
    assert found["mnn"].fix == "pip install 'edge-yolo[mnn]'"


def test_wrong_numbers_are_found(monkeypatch, tmp_path):
    right = {"installed": True, "right": True}
    wrong = {"installed": True, "right": False, "off": 0.5}
    monkeypatch.setattr(packages, "_try", lambda _, backend: wrong if backend == "ncnn" else right)
    found = by_check(check_runtimes(tmp_path))
    assert found["ncnn"].level == "error"
    assert "off by 0.5" in found["ncnn"].what


def test_the_probe_network_tells_a_wrong_weight(monkeypatch):
    task = {"backend": "ncnn"}
    assert probe._backend(task)["right"]
    plain = probe.MODELS["ncnn"]
    monkeypatch.setattr(probe, "MODELS", {"ncnn": lambda weights: plain(weights + 0.02)})
    assert not probe._backend(task)["right"]


def test_without_any_runtime_edge_run_cannot_work(monkeypatch, tmp_path):
    monkeypatch.setattr(packages, "_try", lambda _, **__: {"failed": "killed by SIGILL"})
    found = by_check(check_runtimes(tmp_path))
    assert found["runtimes"].level == "error"


def test_opencv_says_what_it_reads(tmp_path):
    pytest.importorskip("cv2")
    (found,) = [f for f in check_opencv(tmp_path) if f.level == "ok"]
    assert "ffmpeg" in found.what


@pytest.mark.parametrize(
    ("body", "fix"),
    [
        ("raise ModuleNotFoundError('No cv2', name='cv2')", "opencv-python-headless"),
        ("raise ImportError('libGL.so.1: cannot open')", "opencv-python-headless"),
        ("raise ImportError('numpy.core.multiarray failed to import')", "--upgrade numpy"),
        ("", "opencv"),
    ],
)
def test_an_opencv_that_does_not_load_names_the_remedy(fake, tmp_path, body, fix):
    fake("cv2", body)
    (found,) = [f for f in check_opencv(tmp_path) if f.level == "error"]
    assert fix in found.fix


def test_two_opencvs_are_a_warning(monkeypatch, tmp_path):
    two = {"opencv-python": "4.9", "opencv-python-headless": "4.9"}
    monkeypatch.setattr(installed, "versions", lambda names: two)
    first = next(check_opencv(tmp_path))
    assert first.level == "warning"
    assert first.fix.startswith("pip uninstall -y opencv-python opencv-python-headless")


@pytest.mark.parametrize("gstreamer", [False, True])
def test_a_jetson_wants_gstreamer(monkeypatch, tmp_path, gstreamer):
    answer = {"version": "4.9", "path": "/x", "v4l2": True, "ffmpeg": True, "gstreamer": gstreamer}
    monkeypatch.setattr(packages, "_try", lambda _: answer)
    levels = [finding.level for finding in check_opencv(boards.orin(tmp_path))]
    assert ("warning" in levels) == (not gstreamer)


def test_a_picamera2_out_of_reach_is_brought_within(tmp_path):
    root = boards.write(
        boards.pi5(tmp_path), {"usr/lib/python3/dist-packages/picamera2/__init__.py": ""}
    )
    (found,) = check_picamera(root)
    assert found.level == "note"
    if sys.prefix != sys.base_prefix:
        assert found.fix.endswith(f"{sys.prefix}/pyvenv.cfg")


def test_a_picamera2_that_is_not_installed_names_the_package(tmp_path):
    (found,) = check_picamera(boards.pi5(tmp_path))
    assert found.fix == "sudo apt-get install -y python3-picamera2"


def test_a_picamera2_for_another_numpy_is_told(fake, tmp_path):
    fake("picamera2", "raise ValueError('numpy.dtype size changed, may indicate incompatibility')")
    root = boards.write(tmp_path, {"usr/lib/python3/dist-packages/picamera2/x": ""})
    (found,) = check_picamera(root)
    assert found.level == "warning"
    assert "numpy<2" in found.fix


def test_a_pc_is_not_asked_for_picamera2(tmp_path):
    assert list(check_picamera(tmp_path)) == []


def test_runs_a_model_on_a_frame(shared):
    model = shared / "models" / "yolov6lite" / "yolov6-lite-s.param"
    (found,) = try_run(model, None)
    assert found.level == "ok"
    assert "480x640" in found.what


def test_a_model_or_source_that_will_not_do_is_an_error(shared, tmp_path):
    (found,) = try_run(tmp_path / "no.edge", None)
    assert (found.level, "no such file" in found.what) == ("error", True)
    (found,) = try_run(None, str(tmp_path / "no.jpg"))
    assert (found.level, "no such file" in found.what) == ("error", True)
