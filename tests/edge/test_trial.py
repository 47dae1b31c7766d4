from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge import child, paths, trial
from edge.detector import Detector
from edge.errors import BackendError, ModelError
from edge.recognize import open_model

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(autouse=True)
def first_time(tmp_path, monkeypatch):
    """Files are tried, and nothing has been opened on this machine yet."""
    monkeypatch.delenv("EDGE_TRIAL")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def opened():
    return sorted((paths.cache() / "opened").glob("*"))


def identity(shape=(1, 3, 8, 8), operator="Identity"):
    """An ONNX file of one operator."""
    float_ = onnx.TensorProto.FLOAT
    node = onnx.helper.make_node(operator, ["x"], ["y"])
    graph = onnx.helper.make_graph(
        [node],
        "g",
        [onnx.helper.make_tensor_value_info("x", float_, list(shape))],
        [onnx.helper.make_tensor_value_info("y", float_, None)],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model.SerializeToString()


def test_a_file_that_a_runtime_survives_is_tried_once(monkeypatch):
    files = {"onnx": identity()}
    trial.ensure("onnxruntime", files)
    assert len(opened()) == 1

    def never(*_, **__):
        raise AssertionError("a known file was tried")

    monkeypatch.setattr(child, "call", never)
    trial.ensure("onnxruntime", files)
    with pytest.raises(AssertionError):
        trial.ensure("onnxruntime", {"onnx": identity(operator="Relu")})


def test_a_record_is_of_one_runtime_and_its_version(monkeypatch):
    files = {"onnx": identity()}
    trial.ensure("onnxruntime", files)
    monkeypatch.setattr(trial, "_runtime", lambda _: "onnxruntime 99")
    trial.ensure("onnxruntime", files)
    assert len(opened()) == 2


def test_an_input_beyond_all_memory_is_refused_and_not_remembered():
    with pytest.raises(ModelError, match=r"onnxruntime.* in a process of its own failed"):
        trial.ensure("onnxruntime", {"onnx": identity((1, 3, 60000, 60000))})
    assert opened() == []


def test_what_fails_as_it_would_here_is_said_in_the_same_words():
    with pytest.raises(ModelError, match="lacks the mark TFL3"):
        trial.ensure("tflite", {"tflite": b"TFL"})
    assert opened() == []


def test_a_size_made_up_for_the_trial_refuses_nothing():
    trial.ensure("onnxruntime", {"onnx": identity(("n", 3, "h", "w"))})
    assert len(opened()) == 1


def test_ncnn_needs_no_trial():
    trial.ensure("ncnn", {"param": b"", "bin": b""})  # its reader refuses them later
    assert opened() == []


def test_a_machine_that_keeps_nothing_still_opens_files(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    trial.ensure("onnxruntime", {"onnx": identity()})


def test_off_is_off(monkeypatch):
    monkeypatch.setenv("EDGE_TRIAL", "off")
    trial.ensure("onnxruntime", {"onnx": b"never looked at"})


@pytest.mark.parametrize("name", ["mnn7", "mnn10", "mnn247"])
def test_a_damaged_file_that_kills_its_process_is_refused(shared, tmp_path, name):
    pytest.importorskip("MNN")
    file = tmp_path / f"{name}.mnn"
    shutil.copyfile(shared / "cases/hostile" / f"{name}.mnn", file)
    with pytest.raises(ModelError, match=rf"{name}\.mnn: .*MNN.*failed: killed by SIG"):
        open_model([file])
    assert opened() == []


def test_packages_are_tried_like_bare_files(tmp_path, monkeypatch):
    from every_backend import converted

    package = converted(Path(__file__).parents[1] / "models/bccd-yolov6n.edge", side=64)

    def die(*_, **__):
        raise BackendError("killed by SIGSEGV")

    monkeypatch.setattr(child, "call", die)
    with pytest.raises(ModelError, match="killed by SIGSEGV"):
        Detector.load(package, backend="onnxruntime")
    with Detector.load(package, backend="ncnn"):
        pass


def test_no_socket_is_given_from_there_on():
    code = (
        "import socket, sys\nfrom edge import trial\nif not trial.forbid_sockets(): sys.exit(77)\n"
        "try: socket.socket()\nexcept PermissionError: sys.exit(0)\nsys.exit(1)"
    )
    status = subprocess.run([sys.executable, "-c", code], check=False).returncode
    if status == 77:
        pytest.skip("this kernel filters no calls")
    assert status == 0
