from __future__ import annotations

import json

import numpy as np
import pytest

from edge import Detector, package
from edge.backends import BACKENDS
from edge.cli import main


@pytest.fixture(scope="module")
def lite(shared):
    return str(shared / "models" / "yolov6lite" / "yolov6-lite-s.param")


def test_writes_a_folder_or_a_zip(lite, tmp_path):
    for flag in ([], ["--zip"]):
        target = tmp_path / f"s{len(flag)}.edge"
        assert main(["convert", lite, "-o", str(target), "--license", "GPL-3.0-only", *flag]) == 0
        assert target.is_file() == bool(flag)
        assert package.read(target).license == "GPL-3.0-only"
        assert package.read(target).name == target.stem


def test_replaces_only_when_told_to(lite, tmp_path, capsys):
    target = tmp_path / "s.edge"
    assert main(["convert", lite, "-o", str(target)]) == 0
    before = (target / "model.toml").read_bytes()
    assert main(["convert", lite, "-o", str(target), "--imgsz", "640"]) == 1
    assert "already exists; --force replaces it" in capsys.readouterr().err
    assert (target / "model.toml").read_bytes() == before
    assert main(["convert", lite, "-o", str(target), "--imgsz", "640", "--force"]) == 0
    assert package.read(target).spec.input.height == 640


def test_bad_labels_are_bad_usage(lite, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["convert", lite, "-o", str(tmp_path / "s.edge"), "--labels", "a,,b"])
    assert stopped.value.code == 2
    assert "class names" in capsys.readouterr().err


def test_a_size_that_the_model_cannot_have_is_bad_usage(lite, tmp_path, capsys):
    for words in (["convert", lite, "-o", str(tmp_path / "s.edge")], ["inspect", lite]):
        assert main([*words, "--imgsz", "100"]) == 2
        assert "is a multiple of 64, got 100x100" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_path_that_cannot_be_is_one_line(lite, tmp_path, capsys):
    for output in ("x" * 300 + ".edge", "x" * 300 + "/s.edge"):
        assert main(["convert", lite, "-o", str(tmp_path / output)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith("File name too long")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    from networks import trained
    from upstream_files import Upstream, as_release_04, model, save

    state = {as_release_04(key): value for key, value in trained("yolov6n-v3").state_dict().items()}
    with Upstream() as upstream:
        content = {"model": None, "ema": model(upstream, state).half(), "epoch": -1}
        return save(content, tmp_path_factory.mktemp("official") / "yolov6n.pt")


def test_a_checkpoint_becomes_a_package(checkpoint, tmp_path, capsys):
    target = tmp_path / "n.edge"
    assert main(["convert", str(checkpoint), "-o", str(target), "--imgsz", "96x128"]) == 0
    result = package.read(target)
    assert result.spec.family == "yolov6"
    assert (result.spec.input.height, result.spec.input.width) == (96, 128)
    assert list(result.provenance["sources"]) == ["yolov6n.pt"]
    assert "yolov6n-v3, 80 classes, training form, from 'ema'" in capsys.readouterr().err


def test_a_checkpoint_s_family_is_known_where_its_outputs_leave_a_choice(tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("torch")
    from networks import trained
    from upstream_files import Upstream, model, save

    with Upstream() as upstream:
        tree = model(upstream, dict(trained("yolov7-tiny").state_dict()))
        tree.names = [f"class {i}" for i in range(80)]
        file = save({"model": tree}, tmp_path / "yolov7-tiny.pt")
    target = tmp_path / "t.edge"
    assert main(["convert", str(file), "-o", str(target), "--imgsz", "96"]) == 0
    result = package.read(target).spec
    assert (result.family, result.labels[7]) == ("yolov7-tiny", "class 7")


def test_a_checkpoint_becomes_an_onnx_file(checkpoint, tmp_path, capsys):
    target = tmp_path / "n.onnx"
    words = ["convert", str(checkpoint), "-o", str(target), "--imgsz", "96"]
    assert main(words) == 0
    before = target.read_bytes()
    assert main(words) == 1
    assert "already exists; --force replaces it" in capsys.readouterr().err
    assert main([*words, "--force"]) == 0
    assert target.read_bytes() == before  # the same file twice, bit for bit
    assert main(["inspect", str(target), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["family"] == "yolov6"


def test_a_checkpoint_s_options_are_checked(checkpoint, tmp_path, capsys):
    for option, why in ((["--imgsz", "100"], "multiple of 32"), (["--labels", "a,b"], "2 labels")):
        assert main(["convert", str(checkpoint), "-o", str(tmp_path / "n.edge"), *option]) == 2
        assert why in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_checkpoint_is_named(tmp_path, capsys):
    (tmp_path / "x.pt").write_bytes(b"PK\x03\x04")
    assert main(["convert", str(tmp_path / "x.pt"), "-o", str(tmp_path / "x.edge")]) == 1
    assert "x.pt: damaged zip archive" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt"]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """An ONNX file of a detector with three classes."""
    pytest.importorskip("onnx")
    from small_detector import detector

    path = tmp_path_factory.mktemp("small") / "small.onnx"
    path.write_bytes(detector())
    return path


def artifacts(path):
    return [(a.backend, a.precision) for a in package.read(path).artifacts]


def found_by_all(path, seed=0):
    """Boxes found in an image, by backend."""
    image = np.random.default_rng(seed).integers(0, 256, (60, 80, 3), np.uint8)
    results = {}
    for backend, _ in artifacts(path):
        with Detector.load(path, backend=backend, precision="fp32", conf=0.1) as one:
            results[backend] = one(image)
    return results


def test_targets_of_an_onnx_file_find_the_same(small, tmp_path, capsys):
    target = tmp_path / "small.edge"
    words = ["convert", str(small), "-o", str(target), "--targets", ",".join(BACKENDS)]
    assert main([*words, "--labels", "a,b,c", "--precision", "fp32"]) == 0
    assert artifacts(target) == [(name, "fp32") for name in BACKENDS]
    message = capsys.readouterr().err
    assert all(f"{name} fp32: agrees with ONNX Runtime" in message for name in BACKENDS)
    first, *others = found_by_all(target).values()
    assert len(first)
    for other in others:
        np.testing.assert_array_equal(first.class_ids, other.class_ids)
        np.testing.assert_allclose(first.boxes, other.boxes, atol=0.1)


def test_targets_come_in_the_order_asked_for_and_in_the_precision(small, tmp_path):
    target = tmp_path / "small.edge"
    words = ["convert", str(small), "-o", str(target), "--targets", "tflite, ncnn,tflite"]
    assert main([*words, "--precision", "fp16"]) == 0
    assert artifacts(target) == [("tflite", "fp16"), ("ncnn", "fp16")]
    assert main([*words, "--force"]) == 0
    assert artifacts(target) == [("tflite", "fp32"), ("ncnn", "fp16")]


def test_targets_are_compared_in_the_image_given(lite, shared, tmp_path, capsys):
    pytest.importorskip("onnx")
    photograph = min((shared / "data" / "coco" / "val" / "images").glob("*.jpg"))
    target = tmp_path / "s.edge"
    words = ["convert", lite, "-o", str(target), "--imgsz", "128", "--targets"]
    words += ["tflite", "--data"]
    assert main([*words, str(photograph)]) == 0
    assert "files are compared in the image given" in capsys.readouterr().err
    assert main([*words, str(tmp_path / "none.jpg"), "--force"]) == 1
    assert "none.jpg: No such file" in capsys.readouterr().err
    (tmp_path / "text.jpg").write_text("text")
    assert main([*words, str(tmp_path / "text.jpg"), "--force"]) == 1
    assert "text.jpg: not an image" in capsys.readouterr().err
    assert artifacts(target) == [("tflite", "fp32")]


def test_targets_of_an_ncnn_pair(lite, tmp_path):
    pytest.importorskip("onnx")
    target = tmp_path / "s.edge"
    words = ["convert", lite, "-o", str(target), "--imgsz", "128", "--targets", "onnxruntime"]
    assert main(words) == 0
    assert artifacts(target) == [("onnxruntime", "fp32")]
    assert package.read(target).spec.family == "yolov6lite"


def test_targets_of_a_package_which_keeps_what_it_knows(small, tmp_path, capsys):
    first, second = str(tmp_path / "first.edge"), tmp_path / "second.edge"
    assert main(["convert", str(small), "-o", first, "--labels", "a,b,c", "--license", "MIT"]) == 0
    assert main(["convert", first, "-o", str(second), "--targets", "mnn,ncnn"]) == 0
    assert [name for name, _ in artifacts(second)] == ["mnn", "ncnn"]
    new = package.read(second)
    assert (new.name, new.license, new.spec.labels) == ("second", "MIT", ("a", "b", "c"))
    assert main(["convert", first, "-o", str(second), "--force", "--labels", "a,b,d"]) == 1
    assert package.read(second) == new
    third = str(tmp_path / "third.edge")
    capsys.readouterr()
    assert main(["convert", first, "-o", third, "--targets", "ncnn"]) == 0
    fourth = str(tmp_path / "fourth.edge")
    assert main(["convert", third, "-o", fourth, "--targets", "tflite"]) == 0
    capsys.readouterr()
    assert main(["inspect", fourth]) == 0
    out = capsys.readouterr().out
    assert out.count("model.toml says so") == 1
    assert out.count("agrees with ONNX Runtime") == out.count("converted  tflite fp32: agrees") == 1
    assert "ncnn" not in out


def test_targets_of_a_checkpoint(checkpoint, tmp_path):
    target = tmp_path / "n.edge"
    words = ["convert", str(checkpoint), "-o", str(target), "--imgsz", "96"]
    assert main([*words, "--targets", "ncnn", "--precision", "fp32"]) == 0
    assert artifacts(target) == [("ncnn", "fp32")]
    assert list(package.read(target).provenance["sources"]) == ["yolov6n.pt"]


def test_a_runtime_that_lacks_an_operator_writes_nothing(tmp_path, capsys):
    pytest.importorskip("onnx")
    from small_detector import with_grouped_deconvolution

    file, target = tmp_path / "grouped.onnx", tmp_path / "grouped.edge"
    file.write_bytes(with_grouped_deconvolution())
    words = ["convert", str(file), "-o", str(target), "--family", "yolov6"]
    assert main([*words, "--targets", "onnxruntime,tflite"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "tflite does not take 1 nodes: node_up (ConvTranspose): " in line
    assert line.endswith("Runtimes that take the model: ncnn, mnn, onnxruntime")
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--targets", "ncnn,openvino"], "runtimes out of ncnn, mnn, tflite, onnxruntime, got"),
        (["--targets", ""], "runtimes out of"),
        (["--targets", "ncnn", "--precision", "int8"], "invalid choice: 'int8'"),
        (["--precision", "fp16"], "--precision and --data go with --targets"),
        (["--data", "a.jpg"], "--precision and --data go with --targets"),
    ],
)
def test_targets_that_are_none_are_bad_usage(small, tmp_path, capsys, words, why):
    try:
        status = main(["convert", str(small), "-o", str(tmp_path / "s.edge"), *words])
    except SystemExit as stopped:
        status = stopped.code
    assert status == 2
    assert why in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["x.onnx", "x.param", "x.tflite", "x.mnn", "x.pt", "x.ONNX"])
def test_a_package_is_not_named_like_a_file(small, tmp_path, capsys, name):
    assert main(["convert", str(small), "-o", str(tmp_path / name)]) == 2
    assert "a package is written, NAME.edge" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_belongs_to_a_package_is_no_option_of_an_onnx_file(tmp_path, capsys):
    reading = (["--color", "bgr"], ["--pad", "0"], ["--anchors", "1,2"])
    for option in (["--zip"], ["--license", "MIT"], ["--targets", "ncnn"], *reading):
        words = ["convert", "x.pt", "-o", str(tmp_path / "x.onnx"), *option]
        assert main(words) == 2
        assert "go with a package" in capsys.readouterr().err


@pytest.mark.parametrize(("suffix", "runtime"), [("tflite", "TensorFlow Lite"), ("mnn", "MNN")])
@pytest.mark.parametrize("command", ["convert", "calibrate"])
def test_files_that_no_others_are_made_from_are_refused_before_any_work(
    command, suffix, runtime, tmp_path, capsys
):
    file = tmp_path / f"whatever.{suffix}"
    file.write_bytes(b"nobody looks inside")
    more = {"convert": ["--targets", "ncnn"], "calibrate": ["--data", str(tmp_path)]}
    words = [command, str(file), "-o", str(tmp_path / "a.edge"), *more[command]]
    assert main(words) == 1
    text = capsys.readouterr().err
    assert f"{file}: a file for {runtime} runs as it is (edge run --model {file} …)" in text
    assert "ONNX export" in text
    assert not (tmp_path / "a.edge").exists()
