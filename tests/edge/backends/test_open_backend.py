from __future__ import annotations

import sys
from pathlib import Path

import ncnn_files
import pytest

import edge.backends
from edge.backends import BACKENDS, open_backend
from edge.backends.base import TensorSpec
from edge.errors import (
    BackendError,
    BackendNotInstalledError,
    ModelError,
    UnsupportedModelError,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

INPUT = TensorSpec("image", (1, 3, 32, 32))


def open_small(name="ncnn", files=None):
    return open_backend(name, ncnn_files.small() if files is None else files, INPUT, ("found",))


def test_opens_a_model_with_default_options():
    backend = open_small()
    assert backend.run()[0].values.shape == (8, 16, 16)
    backend.close()


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UnsupportedModelError, match=r"unknown backend 'nccn'; known: .*ncnn"):
        open_small("nccn")


@pytest.mark.parametrize(
    ("files", "result"), [({}, "nothing"), ({"onnx": b""}, r"\.onnx"), ({"param": b""}, r"\.param")]
)
def test_files_of_another_kind_are_refused(files, result):
    with pytest.raises(ModelError, match=rf"is \.bin, \.param, got {result}$"):
        open_small(files=files)


def test_a_missing_runtime_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ncnn", None)
    monkeypatch.delitem(sys.modules, "edge.backends.ncnn", raising=False)
    with pytest.raises(BackendNotInstalledError) as caught:
        open_small()
    assert str(caught.value) == "ncnn needs the package ncnn: pip install 'edge-yolo[ncnn]'"


def test_a_runtime_that_cannot_be_imported_says_why(monkeypatch):
    def broken(_):
        raise ImportError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr(edge.backends, "import_module", broken)
    with pytest.raises(BackendError, match=r"ncnn cannot be imported: libgomp\.so\.1"):
        open_small()


def test_every_backend_has_its_module_and_its_extra():
    root = Path(__file__).resolve().parents[3]
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for name in BACKENDS:
        assert name in extras
        assert (root / "edge" / "backends" / f"{name}.py").is_file()
