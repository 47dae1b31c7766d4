from __future__ import annotations

import io
import shutil
import sys
from importlib import metadata

import boards
import numpy as np
import pytest

from edge import installed
from edge.backends import BACKENDS
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
    result = by_check(check_python(tmp_path))
    assert {name: finding.level for name, finding in result.items()} == {
        "Python": "ok",
        "NumPy": "ok",
        "kernels": "ok",
    }
    assert result["NumPy"].what == metadata.version("numpy")
    assert result["kernels"].what.startswith("baseline")


def test_a_numpy_without_its_library_names_the_package(fake, tmp_path):
    text = "IMPORTANT: PLEASE READ\\n\\nOriginal error was: libopenblas.so.0: cannot open\\n\\nmore"
    fake("numpy", f'raise ImportError("{text}")')
    result = by_check(check_python(tmp_path))
    assert result["NumPy"].level == "error"
    assert result["NumPy"].what == "libopenblas.so.0: cannot open"
    assert result["NumPy"].fix == "sudo apt-get install -y libopenblas0"
    assert "kernels" not in result


def test_every_runtime_is_tried_on_numbers(tmp_path):
    result = by_check(check_runtimes(tmp_path))
    assert list(result)[:4] == list(installed.RUNTIMES) == list(BACKENDS)
    for name in BACKENDS:
        if installed.versions(installed.RUNTIMES[name]):
            assert result[name].level == "ok"
            assert "right on the probe network in fp32" in result[name].what


def test_a_runtime_that_kills_its_process_is_reported_and_the_rest_goes_on(fake, tmp_path):
    fake("ncnn", "import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n")
    fake("onnxruntime", "raise ImportError('libfoo.so: cannot open shared object file')\n")
    result = by_check(check_runtimes(tmp_path))
    assert result["ncnn"].level == "error"
    assert "killed by SIGILL (an instruction that this CPU does not have" in result["ncnn"].what
    assert result["ncnn"].fix.startswith("pip uninstall -y ncnn")
    assert result["onnxruntime"].level == "warning"
    assert "libfoo.so" in result["onnxruntime"].what
    assert {"mnn", "tflite"} <= result.keys()


def test_a_runtime_that_is_not_there_is_a_note(fake, tmp_path):
    fake("MNN", "raise ModuleNotFoundError(\"No module named 'MNN'\", name='MNN')")
    result = by_check(check_runtimes(tmp_path))
    assert (result["mnn"].level, result["mnn"].what) == ("note", "not installed")
    assert result["mnn"].fix == "pip install 'edge-yolo[mnn]'"


def test_wrong_numbers_are_found(monkeypatch, tmp_path):
    right = {"installed": True, "precisions": ["fp32"], "wrong": [], "off": 0.0}
    wrong = {"installed": True, "precisions": ["fp32"], "wrong": ["fp32"], "off": 0.5}
    monkeypatch.setattr(packages, "_try", lambda _, backend: wrong if backend == "ncnn" else right)
    result = by_check(check_runtimes(tmp_path))
    assert result["ncnn"].level == "error"
    assert "computes wrongly in fp32: off by 50%" in result["ncnn"].what


@pytest.mark.parametrize("name", BACKENDS)
def test_the_probe_network_tells_a_wrong_number(name, monkeypatch, tmp_path):
    if not installed.versions(installed.RUNTIMES[name]):
        pytest.skip(f"{name} is not installed")
    folder = shutil.copytree(probe.FOLDER, tmp_path / "models")
    monkeypatch.setattr(probe, "FOLDER", folder)
    task = {"backend": name}
    assert probe._backend(task)["wrong"] == []
    expected = np.load(folder / "found.npy")
    for wrong in (expected * 1.01, np.full_like(expected, np.nan)):
        np.save(folder / "found.npy", wrong)
        assert "fp32" in probe._backend(task)["wrong"]


@pytest.mark.parametrize("name", BACKENDS)
def test_the_probe_network_is_small(name):
    files = [probe.FOLDER / f"probe.{suffix}" for suffix in BACKENDS[name]]
    assert sum(file.stat().st_size for file in files) < 50_000


def test_the_probe_network_is_that_of_its_script():
    pytest.importorskip("onnx")
    from probe_network import files

    made = files(["ncnn"])  # the others are written from the same graph
    for name in ("probe.param", "probe.bin"):
        assert made[name] == (probe.FOLDER / name).read_bytes()
    result, expected = (np.load(io.BytesIO(made["found.npy"])), np.load(probe.FOLDER / "found.npy"))
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_without_any_runtime_edge_run_cannot_work(monkeypatch, tmp_path):
    monkeypatch.setattr(packages, "_try", lambda _, **__: {"failed": "killed by SIGILL"})
    result = by_check(check_runtimes(tmp_path))
    assert result["runtimes"].level == "error"


def test_opencv_says_what_it_reads(tmp_path):
    pytest.importorskip("cv2")
    (results,) = [f for f in check_opencv(tmp_path) if f.level == "ok"]
    assert "ffmpeg" in results.what


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
    (results,) = [f for f in check_opencv(tmp_path) if f.level == "error"]
    assert fix in results.fix


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
    (result,) = check_picamera(root)
    assert result.level == "note"
    if sys.prefix != sys.base_prefix:
        assert result.fix.endswith(f"{sys.prefix}/pyvenv.cfg")


def test_a_picamera2_that_is_not_installed_names_the_package(tmp_path):
    (result,) = check_picamera(boards.pi5(tmp_path))
    assert result.fix == "sudo apt-get install -y python3-picamera2"


def test_a_picamera2_for_another_numpy_is_told(fake, tmp_path):
    fake("picamera2", "raise ValueError('numpy.dtype size changed, may indicate incompatibility')")
    root = boards.write(tmp_path, {"usr/lib/python3/dist-packages/picamera2/x": ""})
    (result,) = check_picamera(root)
    assert result.level == "warning"
    assert "numpy<2" in result.fix


def test_a_pc_is_not_asked_for_picamera2(tmp_path):
    assert list(check_picamera(tmp_path)) == []


def test_runs_a_model_on_a_frame(shared):
    model = shared / "models" / "yolov6lite" / "yolov6-lite-s.param"
    (result,) = try_run(model, None)
    assert result.level == "ok"
    assert "480x640" in result.what


def test_a_model_or_source_that_will_not_do_is_an_error(shared, tmp_path):
    (result,) = try_run(tmp_path / "no.edge", None)
    assert (result.level, "no such file" in result.what) == ("error", True)
    (result,) = try_run(None, str(tmp_path / "no.jpg"))
    assert (result.level, "no such file" in result.what) == ("error", True)
