from __future__ import annotations

import shutil

import ncnn_files
import numpy as np
import pytest

from edge import package, recognize
from edge.backends.base import TensorSpec
from edge.errors import ModelError, UnsupportedModelError
from edge.formats import ncnn
from edge.models.base import ModelSpec, Preprocessing
from edge.overrides import Overrides
from edge.recognize import open_model
from edge.types import Size


@pytest.fixture(scope="module")
def lite(shared):
    return shared / "models" / "yolov6lite" / "yolov6-lite-s.param"


class TestOfficialFiles:
    def test_are_recognized_from_their_outputs(self, lite):
        opened = open_model([lite])
        spec = opened.package.spec
        assert (spec.family, spec.form, spec.input) == ("yolov6lite", "heads", Size(320, 320))
        assert spec.output_names == ("out0", "out1", "out2", "out3")
        assert spec.strides == (8, 16, 32, 64)
        assert (len(spec.labels), spec.labels[0], spec.labels[-1]) == (80, "person", "toothbrush")
        assert "four maps of 84 channels" in opened.evidence[0]
        assert opened.package.artifacts[0].precision == "fp16"

    def test_either_file_of_the_pair_will_do(self, lite):
        assert open_model([lite.with_suffix(".bin")]) == open_model([lite])
        assert open_model([lite.with_suffix(".bin"), lite]) == open_model([lite])

    def test_what_the_user_says_counts(self, lite):
        text = Overrides(input=Size(256, 512), labels=tuple("abcd" * 20), name="mine", license="X")
        opened = open_model([lite], text).package
        assert (opened.spec.input, opened.name, opened.license) == (Size(256, 512), "mine", "X")
        assert opened.spec.labels == tuple("abcd" * 20)

    def test_are_rewritten_and_their_origin_is_kept(self, lite, tmp_path):
        opened = open_model([lite])
        package.write(opened.package, tmp_path / "s.edge")
        again = open_model([tmp_path / "s.edge"])
        assert again.package.spec == opened.package.spec
        assert opened.evidence[0] in again.evidence
        files = again.package.artifacts[0].files
        types = {layer.type for layer in ncnn.read_network(files["param"], files["bin"]).layers}
        assert "InnerProduct" in types
        assert set(again.package.provenance["sources"]) == {
            lite.name,
            lite.with_suffix(".bin").name,
        }


@pytest.mark.parametrize("message", [5, "it", ["it"], True])
def test_whatever_a_package_tells_of_its_recognition_is_repeated(message, tmp_path):
    spec = ModelSpec("yolov6", "rows", Size(64, 64), ("a",))
    artifact = package.Artifact("ncnn", "fp32", {"param": b"x", "bin": b"y"})
    provenance = {"recognized": message}
    package.write(package.Package("a", spec, (artifact,), "", provenance), tmp_path / "a.edge")
    evidence = open_model([tmp_path / "a.edge"]).evidence
    assert evidence == ("model.toml says so", str(message[0] if message == ["it"] else message))


OTHER_TASKS = {
    "segmentation": (116, "outputs"),
    "pose": (56, "outputs"),
    "oriented-box": (20, "angles"),
    "classification": (1000, "classes"),
}


@pytest.mark.parametrize("task", OTHER_TASKS)
def test_an_export_for_another_task_is_refused_by_what_it_gives(task, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from operator_cases import Builder

    count, kind = OTHER_TASKS[task]
    b, maps = Builder(), []
    if kind == "classes":
        x = b.op("GlobalAveragePool", b.conv("images", 3, count, 8, strides=(8, 8)))
        out = b.op("Softmax", b.op("Flatten", x), axis=1, name="output0")
    else:
        for stride in (8, 16, 32):
            x = b.conv("images", 3, count, stride, strides=(stride, stride))
            maps.append(b.op("Reshape", x, np.array([1, count, (640 // stride) ** 2])))
        cells = b.op("Sigmoid", b.op("Concat", *maps, axis=2))
        low, high = np.zeros((2, 1, count, 1), np.float32)
        high[:, :4], high[:, 4:] = 640, 1
        if kind == "angles":  # (sigmoid - 1/4) pi, so that those of an even doubt are probable
            low[:, -1], high[:, -1] = -np.pi / 4, np.pi
            high[:, 4:-1] = 0.01
        out = b.op("Add", b.op("Mul", cells, high), low, name="output0")
    path = tmp_path / "export.onnx"
    path.write_bytes(b.model([out], (1, 3, 640, 640)))
    with pytest.raises(UnsupportedModelError, match=f"export.onnx: its .* of an? {task} model"):
        open_model([path])


OPENVINO = """<?xml version="1.0"?>
<net name="yolo" version="11">
 <layers><layer id="0"><rt_info><attribute name="x" value="names"/></rt_info></layer></layers>
 <rt_info><model_info><model_type value="YOLO"/>
  <labels value="person traffic_light it&apos;s stop_sign"/></model_info></rt_info>
</net>"""


@pytest.mark.parametrize("given", ["yolo.xml", "yolo.bin", ""], ids=["xml", "bin", "folder"])
def test_an_openvino_model_is_told_the_way_out(given, tmp_path):
    (tmp_path / "yolo.xml").write_text(OPENVINO)
    (tmp_path / "yolo.bin").write_bytes(b"weights")
    with pytest.raises(
        UnsupportedModelError,
        match=r"yolo\.xml: an OpenVINO model, which names 4 classes "
        r"\(person, traffic light, it's, …\); .* export the network to ONNX instead, then edge c",
    ):
        open_model([tmp_path / given])
    (tmp_path / "yolo.xml").write_text("<annotation/>")
    with pytest.raises(ModelError) as caught:
        open_model([tmp_path / given])
    assert "OpenVINO" not in str(caught.value)


class TestRefusals:
    def test_a_missing_file(self, tmp_path):
        with pytest.raises(ModelError, match=r"none\.param: no such file"):
            open_model([tmp_path / "none.param"])

    def test_half_a_pair(self, lite, tmp_path):
        shutil.copy(lite, tmp_path)
        with pytest.raises(ModelError, match=r"needs yolov6-lite-s\.bin beside it"):
            open_model([tmp_path / lite.name])

    def test_a_file_of_another_kind(self, tmp_path):
        (tmp_path / "a.txt").write_text("hello")
        with pytest.raises(UnsupportedModelError, match="not a model that edge reads"):
            open_model([tmp_path / "a.txt"])

    def test_a_folder_that_is_no_package(self, tmp_path):
        with pytest.raises(ModelError, match="not a model package"):
            open_model([tmp_path])

    def test_a_damaged_file_is_named(self, lite, tmp_path):
        shutil.copy(lite, tmp_path)
        whole = lite.with_suffix(".bin").read_bytes()
        (tmp_path / "yolov6-lite-s.bin").write_bytes(whole[:1000])
        with pytest.raises(ModelError, match=r"yolov6-lite-s\.param: "):
            open_model([tmp_path / lite.name])

    def test_another_family_than_the_outputs_show(self, lite):
        with pytest.raises(UnsupportedModelError, match="are not those of: yolov6"):
            open_model([lite], Overrides(family="yolov6"))

    def test_labels_that_do_not_count_up(self, lite):
        with pytest.raises(ModelError, match="80 classes, got 2 labels"):
            open_model([lite], Overrides(labels=("a", "b")))

    def test_labels_in_metadata_that_do_not_count_up(self, lite, tmp_path):
        for file in (lite, lite.with_suffix(".bin")):
            shutil.copy(file, tmp_path)
        (tmp_path / "metadata.yaml").write_text("task: detect\nnames:\n  0: nut\n  1: bolt\n")
        with pytest.raises(ModelError, match="80 classes, got 2 labels"):
            open_model([tmp_path / lite.name])

    def test_saying_what_a_package_knows(self, lite, tmp_path):
        package.write(open_model([lite]).package, tmp_path / "s.edge")
        with pytest.raises(ModelError, match="a package knows what it is"):
            open_model([tmp_path / "s.edge"], Overrides(family="yolov8"))
        at_another_size = open_model([tmp_path / "s.edge"], Overrides(input=Size(64, 128))).package
        assert at_another_size.spec.input == Size(64, 128)


@pytest.mark.parametrize(
    ("scale", "zero_point", "dtype", "expected"),
    [
        (1 / 128, 128, "uint8", (128.0, 1 / 128)),
        (1 / 128, 0, "int8", (128.0, 1 / 128)),
        (1 / 100, 128, "uint8", (127.5, 1 / 127.5)),  # its codes are no pixels: rounded from reals
        (1.0, 0, "float32", (127.5, 1 / 127.5)),
        (1.0, 0, "uint8", (0.0, 1.0)),  # pixels: the network does what is usual
    ],
)
def test_quantized_inputs_take_pixels_as_they_are(scale, zero_point, dtype, expected):
    usual = Preprocessing(mean=(127.5,) * 3, scale=(1 / 127.5,) * 3)
    input_ = TensorSpec("in", (1, 8, 8, 3), dtype, "NHWC", scale, zero_point)
    result = recognize._by_codes(usual, input_)
    assert (result.mean[0], result.scale[0]) == expected


def test_a_map_of_one_class_keeps_its_channel(tmp_path):
    lines = ["Input in 0 1 in", "Split s 1 6 in " + " ".join(f"i{k}" for k in range(6))]
    parts = []
    for k, (stride, count) in enumerate([(8, 1), (8, 64), (16, 1), (16, 64), (32, 1), (32, 64)]):
        size = count * 3 * stride**2
        lines.append(f"Convolution c{k} 1 1 i{k} o{k} 0={count} 1={stride} 3={stride} 6={size}")
        parts.append(f"t:{size}")
    (tmp_path / "m.param").write_bytes(ncnn_files.param(*lines))
    (tmp_path / "m.bin").write_bytes(ncnn_files.arrays(*parts))
    spec = open_model([tmp_path / "m.param"], Overrides("yolov8", Size(64, 64))).package.spec
    assert (spec.form, len(spec.labels)) == ("split", 1)
    assert spec.output_names == ("o0", "o2", "o4", "o1", "o3", "o5")
