from __future__ import annotations

import ast
import subprocess
import sys

import numpy as np
import onnx
import pytest
from networks import image, torch, trained
from upstream_files import Upstream, as_release_04, model, save

from calibration.official import checkpoint_to_onnx, convert
from edge.errors import ModelError, UnsupportedModelError
from edge.types import Size

ort = pytest.importorskip("onnxruntime")
SIZE = Size(96, 64)


@pytest.fixture(scope="module")
def nano(tmp_path_factory):
    """A YOLOv6-N as release 0.4 publishes it: averaged, half precision, wrapped modules."""
    state = {as_release_04(k): v for k, v in trained("yolov6n-v3").state_dict().items()}
    with Upstream() as upstream:
        content = {"model": None, "ema": model(upstream, state).half(), "epoch": -1}
        return save(content, tmp_path_factory.mktemp("nano") / "yolov6n.pt")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    with Upstream() as upstream:
        tree = model(upstream, dict(trained("yolov7-tiny").state_dict()))
        tree.names = [f"class {i}" for i in range(80)]
        return save({"model": tree}, tmp_path_factory.mktemp("tiny") / "yolov7-tiny.pt")


def test_the_onnx_file_computes_what_the_checkpoint_does(nano, tiny, tmp_path):
    x = image(SIZE)
    for file, form in ((nano, "heads"), (tiny, "raw")):
        checkpoint = checkpoint_to_onnx(file, tmp_path / "x.onnx", input_=SIZE, form=form)
        session = ort.InferenceSession(str(tmp_path / "x.onnx"))
        result = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        net = trained(checkpoint.name)
        with torch.no_grad():
            levels = net(x)
        for get, level in zip(result, levels, strict=True):
            want = level if form == "raw" else torch.cat([level.classes.sigmoid(), level.boxes], 1)
            # The nano went through half precision: 11 bits of each weight.
            limit = 0.05 if file is nano else 1e-3
            assert np.abs(get - want.numpy()).max() < limit * want.abs().max()


def test_the_usual_form_is_decoded_and_the_file_says_what_it_is(nano, tiny, tmp_path):
    for file, output, count in ((nano, "outputs", 126), (tiny, "output", 378)):
        results = convert([file], tmp_path / "x.onnx", input_=SIZE)
        written = onnx.load(tmp_path / "x.onnx")
        (result,) = written.graph.output
        assert result.name == output
        assert [d.dim_value for d in result.type.tensor_type.shape.dim] == [1, count, 85]
        message = {entry.key: entry.value for entry in written.metadata_props}
        assert message["stride"] == "32"
        assert ast.literal_eval(message["imgsz"]) == [96, 64]
        if file is tiny:
            assert ast.literal_eval(message["names"])[79] == "class 79"
            assert ast.literal_eval(message["anchors"])[2][2] == (373.0, 326.0)
            assert results.family == "yolov7-tiny"
            assert results.notes[0].startswith(
                "yolov7-tiny, 80 classes, training form, from 'model'"
            )
        else:
            assert "names" not in message
            assert results.family == "yolov6"
            assert results.notes[0].startswith("yolov6n-v3, 80 classes, training form, from 'ema'")


def test_labels_given_take_the_place_of_the_file_s(tiny, tmp_path):
    names = [f"thing {i}" for i in range(80)]
    convert([tiny], tmp_path / "x.onnx", input_=SIZE, labels=names)
    message = {one.key: one.value for one in onnx.load(tmp_path / "x.onnx").metadata_props}
    assert ast.literal_eval(message["names"])[3] == "thing 3"
    with pytest.raises(ValueError, match="2 labels for 80 classes"):
        convert([tiny], tmp_path / "y.onnx", input_=SIZE, labels=["a", "b"])
    assert not (tmp_path / "y.onnx").exists()


def test_what_cannot_be_converted_is_named_and_nothing_is_written(nano, tmp_path):
    for files, out in (([nano, nano], "x.onnx"), ([nano], "x.mnn"), ([], "x.onnx")):
        with pytest.raises(UnsupportedModelError, match="no conversion from"):
            convert(files, tmp_path / out)
    (tmp_path / "bad.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(ModelError, match=r"bad\.pt: damaged zip"):
        convert([tmp_path / "bad.pt"], tmp_path / "x.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.pt"]


def test_without_torch_the_message_names_the_extra(nano, tmp_path):
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path; from calibration.official import convert\n"
        "from edge.errors import NotInstalledError\n"
        f"try: convert([Path({str(nano)!r})], Path({str(tmp_path / 'x.onnx')!r}))\n"
        "except NotInstalledError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert "converting a checkpoint needs torch: pip install 'edge-yolo[train]'" in done.stdout
