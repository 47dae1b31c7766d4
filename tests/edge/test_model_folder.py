from __future__ import annotations

import ncnn_files
import pytest

from edge.errors import ModelError
from edge.model_folder import model_in
from edge.recognize import open_model


def test_the_one_model_of_a_folder_is_named_by_it(tmp_path):
    for name in ("m.ncnn.param", "m.ncnn.bin", "m.pnnx.param", "m.pnnx.bin", "metadata.yaml"):
        (tmp_path / name).write_bytes(b"")
    assert model_in(tmp_path) == tmp_path / "m.ncnn.param"


def test_of_several_one_is_to_be_named(tmp_path):
    for name in ("a.tflite", "b.tflite"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ModelError, match=r"2 models \(a\.tflite, b\.tflite\); name the one"):
        model_in(tmp_path)


def test_none_is_no_model(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    assert model_in(tmp_path) is None


def test_a_folder_opens_as_its_model_with_the_metadata_beside(shared, tmp_path):
    for suffix, content in ncnn_files.official(shared, "s").items():
        (tmp_path / f"model.ncnn.{suffix}").write_bytes(content)
    names = "\n".join(f"  {i}: thing {i}" for i in range(80))
    (tmp_path / "metadata.yaml").write_text(
        f"task: detect\nimgsz:\n- 256\n- 320\nnames:\n{names}\n"
    )
    spec = open_model([tmp_path]).package.spec
    assert (spec.labels[3], str(spec.input)) == ("thing 3", "256x320")
