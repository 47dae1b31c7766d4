from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from edge import manifest, package
from edge.errors import EdgeError, ModelError
from edge.models.base import ModelSpec, Preprocessing
from edge.package import Artifact, Package
from edge.types import Size

SPEC = ModelSpec(
    family="yolov7",
    form="heads",
    input=Size(320, 416),
    labels=("cat", 'a "quoted"\tname', "größe\x7f猫"),
    strides=(8, 16),
    anchors=(((10.0, 13.0), (16.0, 30.5)), ((30.0, 61.0), (62.0, 45.0))),
    input_name="in0",
    output_names=("out0", "out1"),
    preprocessing=Preprocessing(
        "BGR", (103.53, 116.28, 123.675), (0.1, 0.25, 1 / 3), (0, 1, 255), "top-left"
    ),
)
PACKAGE = Package(
    name="cats",
    spec=SPEC,
    artifacts=(
        Artifact("ncnn", "int8", {"param": b"7767517\n", "bin": bytes(range(256))}),
        Artifact("tflite", "fp32", {"tflite": b"TFL3"}, layout="NHWC"),
    ),
    license="GPL-3.0-only",
    provenance={"tool": "edge-yolo 0.1.0", "sources": {"a b.param": "00"}},
    quantization={"images": 128, "agreement": 0.93, "recipe": "default"},
)

OLD_PLACEMENT = 'placement = "centre"'  # codespell:ignore


@pytest.fixture(params=[False, True], ids=["folder", "zip"])
def written(request, tmp_path):
    path = tmp_path / "cats.edge"
    package.write(PACKAGE, path, zipped=request.param)
    return path


def edit(path, name, content):
    """Replace one file of a package, or remove it where the content is None."""
    if path.is_dir():
        if content is None:
            (path / name).unlink()
        else:
            (path / name).parent.mkdir(exist_ok=True)
            (path / name).write_bytes(content)
        return
    with zipfile.ZipFile(path) as archive:
        contents = {i.filename: archive.read(i) for i in archive.infolist()}
    contents.pop(name, None)
    with zipfile.ZipFile(path, "w") as archive:
        for key, data in {**contents, **({} if content is None else {name: content})}.items():
            archive.writestr(key, data)


def text_of(path):
    if path.is_dir():
        return (path / package.MANIFEST).read_text()
    with zipfile.ZipFile(path) as archive:
        return archive.read(package.MANIFEST).decode()


class TestRoundTrip:
    def test_what_was_written_is_read(self, written):
        assert package.read(written) == PACKAGE

    def test_the_zip_is_the_same_file_every_time(self, tmp_path):
        for name in ("a.edge", "b.edge"):
            package.write(PACKAGE, tmp_path / name, zipped=True)
        assert (tmp_path / "a.edge").read_bytes() == (tmp_path / "b.edge").read_bytes()

    def test_nothing_but_the_package_is_left(self, written):
        assert list(written.parent.iterdir()) == [written]


class TestWriting:
    def test_what_is_there_is_not_replaced(self, written):
        with pytest.raises(ModelError, match="already exists; --force replaces it"):
            package.write(PACKAGE, written)

    @pytest.mark.parametrize("zipped", [False, True])
    def test_force_replaces_either_kind(self, written, zipped):
        package.write(replace(PACKAGE, name="dogs"), written, zipped=zipped, force=True)
        assert package.read(written).name == "dogs"
        assert list(written.parent.iterdir()) == [written]

    def test_force_leaves_a_folder_that_is_no_package(self, tmp_path):
        (tmp_path / "photos").mkdir()
        (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
        with pytest.raises(ModelError, match="not a model package"):
            package.write(PACKAGE, tmp_path / "photos", force=True)
        assert (tmp_path / "photos" / "a.jpg").read_bytes() == b"x"

    @pytest.mark.parametrize("zipped", [False, True])
    def test_a_rename_that_fails_leaves_the_old_one(self, tmp_path, monkeypatch, zipped):
        path = tmp_path / "a.edge"
        package.write(PACKAGE, path)
        rename = Path.rename

        def fail(self, target):
            if self.name == "new":
                raise OSError(28, "No space left on device")
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", fail)
        with pytest.raises(EdgeError, match="No space left"):
            package.write(replace(PACKAGE, name="dogs"), path, zipped=zipped, force=True)
        assert package.read(path) == PACKAGE
        assert list(tmp_path.iterdir()) == [path]

    def test_a_failure_leaves_the_old_one(self, written):
        bad = replace(PACKAGE, provenance={"when": object()})
        with pytest.raises(TypeError):
            package.write(bad, written, force=True)
        assert package.read(written) == PACKAGE
        assert list(written.parent.iterdir()) == [written]

    def test_a_backend_does_not_lead_out_of_the_package(self, tmp_path):
        hostile = replace(PACKAGE.artifacts[0], backend="../../up")
        with pytest.raises(ModelError, match=r"backend is '\.\./\.\./up'"):
            package.write(replace(PACKAGE, artifacts=(hostile,)), tmp_path / "in" / "a.edge")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("suffix", ["/../../../up", "x/../../../up.bin"])
    def test_a_suffix_does_not_lead_out_of_the_package(self, tmp_path, suffix):
        hostile = replace(PACKAGE.artifacts[0], files={suffix: b"x"})
        with pytest.raises(ModelError, match="names inside the package"):
            package.write(replace(PACKAGE, artifacts=(hostile,)), tmp_path / "in" / "a.edge")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"spec": replace(SPEC, input=Size(64, 16384))}, "input.width is 16384, wanted 1 to"),
            ({"spec": replace(SPEC, anchors=SPEC.anchors[:1])}, "anchors for each of 2 strides, g"),
            ({"spec": replace(SPEC, output_names=("a",) * 3)}, "wanted names that differ"),
            ({"name": "caf\udce9"}, "is not UTF-8 text"),
            ({"license": "caf\udce9"}, "is not UTF-8 text"),
        ],
    )
    def test_what_could_not_be_read_is_not_written(self, tmp_path, changed, message):
        with pytest.raises(ModelError) as caught:
            package.write(replace(PACKAGE, **changed), tmp_path / "a.edge")
        assert message in str(caught.value)
        assert list(tmp_path.iterdir()) == []


class TestDamage:
    def test_an_altered_file(self, written):
        edit(written, "ncnn-int8/model.bin", b"evil")
        with pytest.raises(ModelError, match=r"ncnn-int8/model\.bin was altered"):
            package.read(written)

    def test_a_missing_file(self, written):
        edit(written, "tflite-fp32/model.tflite", None)
        with pytest.raises(ModelError, match=r"tflite-fp32/model\.tflite is missing"):
            package.read(written)

    def test_a_file_that_is_not_listed(self, written):
        edit(written, "extra.bin", b"?")
        with pytest.raises(ModelError, match=r"extra\.bin is not listed"):
            package.read(written)

    def test_no_manifest(self, written):
        edit(written, package.MANIFEST, None)
        with pytest.raises(ModelError, match=r"has no model\.toml"):
            package.read(written)

    def test_a_truncated_zip(self, tmp_path):
        path = tmp_path / "a.edge"
        package.write(PACKAGE, path, zipped=True)
        path.write_bytes(path.read_bytes()[:-40])
        with pytest.raises(ModelError, match="not a model package"):
            package.read(path)

    def test_a_missing_package(self, tmp_path):
        with pytest.raises(ModelError, match="No such file"):
            package.read(tmp_path / "none.edge")

    def test_a_link_out_of_the_folder(self, tmp_path):
        path = tmp_path / "a.edge"
        package.write(PACKAGE, path)
        secret = tmp_path / "secret"
        secret.write_bytes(PACKAGE.artifacts[0].files["bin"])
        (path / "ncnn-int8" / "model.bin").unlink()
        (path / "ncnn-int8" / "model.bin").symlink_to(secret)
        with pytest.raises(ModelError, match="is a link"):
            package.read(path)

    @pytest.mark.parametrize("name", ["../up.bin", "/etc/up.bin", "a\\..\\up.bin"])
    def test_a_zip_member_that_leaves_the_package(self, tmp_path, name):
        path = tmp_path / "a.edge"
        package.write(PACKAGE, path, zipped=True)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(name, b"x")
        with pytest.raises(ModelError, match="leaves the package"):
            package.read(path)

    def test_a_compressed_member_is_not_inflated(self, tmp_path):
        path = tmp_path / "a.edge"
        package.write(PACKAGE, path, zipped=True)
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bomb.bin", bytes(10_000_000))
        with pytest.raises(ModelError, match="compressed"):
            package.read(path)

    def test_a_member_that_is_there_twice(self, tmp_path):
        path = tmp_path / "a.edge"
        package.write(PACKAGE, path, zipped=True)
        with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr(package.MANIFEST, b"")
        with pytest.raises(ModelError, match="twice"):
            package.read(path)

    def test_a_file_beyond_the_limit(self, written, monkeypatch):
        monkeypatch.setattr(package, "FILE_LIMIT", 100)
        with pytest.raises(ModelError, match="has 256 bytes; at most 100"):
            package.read(written)

    def test_a_file_that_is_not_listed_is_not_even_read(self, written, monkeypatch):
        monkeypatch.setattr(package, "FILE_LIMIT", 300)
        edit(written, "extra.bin", bytes(400))
        with pytest.raises(ModelError, match=r"extra\.bin is not listed"):
            package.read(written)


class TestManifest:
    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("format = 2", "format = 3", "format 3 is newer than format 2"),
            ("format = 2", "format = 1.0", "format is 1.0"),
            ("format = 2\n", "", "format is missing"),
            ('family = "', 'familiy = "x"\nfamily = "', "unknown key model.familiy; did you mean"),
            ("height = 320", "height = 0", "input.height is 0, wanted 1 to 8192"),
            ("height = 320", "height = 1000000", "input.height is 1000000"),
            ("height = 320", "height = true", "input.height is True, wanted a int"),
            ('color = "BGR"', 'color = "CMYK"', "input.color is 'CMYK', wanted RGB or BGR"),
            ("strides = [8, 16]", "strides = [8, -16]", "model.strides is"),
            ("strides = [8, 16]", "strides = 8", "model.strides is 8"),
            ("0.25", "nan", "input.scale is"),
            ("pad = [0, 1, 255]", "pad = [0, 1]", "wanted 3 whole numbers from 0 to 255"),
            ("[[[10.0, 13.0]", "[[[10.0]", "model.anchors is"),
            ('precision = "int8"', 'precision = "int4"', "precision is 'int4'"),
            ("ncnn-int8/model.bin", "../model.bin", "names inside the package"),
            ("ncnn-int8/model.bin", "ncnn-int8/model.param", "not valid TOML"),
            ('backend = "tflite"', 'backend = "ncnn"\nx = 1', "unknown key artifacts[1].x"),
            ("[model]", "[model", "not valid TOML"),
            ("format = 2", "format = " + "1" * 5000, "not valid TOML"),
            ('backend = "ncnn"', 'backend = "../../up"', "backend is '../../up', wanted small let"),
            ('backend = "ncnn"', 'backend = ""', "backend is ''"),
            ('"out0", "out1"', '"out0", "out0"', "model.outputs is ('out0', 'out0'), wanted names"),
            ("[[[10.0, 13.0]", "[[[true, 13.0]", "model.anchors is"),
            ("[[[10.0, 13.0]", '[[["3", 13.0]', "model.anchors is"),
            ("[[[10.0, 13.0]", "[[[inf, 13.0]", "model.anchors is"),
            ("[[[10.0, 13.0]", "[[[nan, 13.0]", "model.anchors is"),
            ("scale = [0.1, 0.25,", "scale = [0.1, 0,", "input.scale is"),
            ('tool = "edge-yolo 0.1.0"', "when = 2024-01-01", "provenance.when is datetime.date"),
            ("agreement = 0.93", "agreement = nan", "quantization.agreement is nan"),
            ("images = 128", "images = [[inf]]", "quantization.images is"),
            ('family = "yolov7"', 'family = "yolov99"', "unknown model family 'yolov99'"),
            ('form = "heads"', 'form = "tails"', "no output form 'tails'"),
            ("strides = [8, 16]", "strides = [8]", "yolov7 heads reads 1 outputs for 1 strides"),
            ("strides = [8, 16]", "strides = []", "yolov7 heads needs strides"),
            ("anchors = [[[10", "anchors = []\nold = [[[10", "unknown key model.old"),
        ],
    )
    def test_refuses_what_it_does_not_know(self, tmp_path, old, new, message):
        path = tmp_path / "cats.edge"
        package.write(PACKAGE, path)
        text = text_of(path)
        assert old in text
        (path / package.MANIFEST).write_text(text.replace(old, new, 1))
        with pytest.raises(ModelError) as caught:
            package.read(path)
        assert message in str(caught.value)
        assert "model.toml" in str(caught.value)

    @pytest.mark.parametrize(
        ("family", "old", "new", "outputs"),
        [
            ("yolov10", "rows6", "end2end_6", 1),
            ("yolov7", "rows7", "end2end_7", 1),
            ("yolov6", "final", "end2end", 3),
            ("yolox", "centres", "centers", 6),  # codespell:ignore
        ],
    )
    def test_forms_are_read_by_their_old_names_and_written_by_the_new(
        self, tmp_path, family, old, new, outputs
    ):
        names = tuple(f"out{i}" for i in range(outputs))
        spec = replace(SPEC, family=family, form=new, output_names=names)
        package.write(replace(PACKAGE, spec=spec), tmp_path / "a.edge")
        file = tmp_path / "a.edge" / package.MANIFEST
        text = file.read_text()
        assert text.count(f'form = "{new}"') == 1
        file.write_text(text.replace(new, old))
        result = package.read(tmp_path / "a.edge")
        assert result.spec == spec
        package.write(result, tmp_path / "b.edge")
        assert (tmp_path / "b.edge" / package.MANIFEST).read_text() == text

    def test_format_1_is_read_and_format_2_written(self, tmp_path):
        old = Path(__file__).parents[1] / "models" / "bccd-yolov6n.edge"
        text = (old / package.MANIFEST).read_text()
        assert text.startswith("format = 1\n")
        read = package.read(old)
        package.write(replace(read, sources={"labels": "option"}), tmp_path / "new.edge")
        new = (tmp_path / "new.edge" / package.MANIFEST).read_text()
        assert new.startswith("format = 2\n")
        assert 'task = "detect"' in new
        assert 'labels = "option"' in new
        again = package.read(tmp_path / "new.edge")
        assert again == replace(read, sources={"labels": "option"})
        text = text.replace(OLD_PLACEMENT, 'placement = "x"')
        with pytest.raises(ModelError, match=r"input\.placement is 'x', wanted "):
            manifest.loads(text.encode(), "m")
        with pytest.raises(ModelError, match=r"unknown key input\.color"):
            manifest.loads((old / package.MANIFEST).read_bytes().replace(
                b"[input]", b'[input]\ncolor = "RGB"'), "m")  # fmt: skip
        with pytest.raises(ModelError, match="license is missing"):
            manifest.loads(new.replace("license =", "lisense =").encode(), "m")

    def test_what_an_artifact_suits_best_is_kept(self, tmp_path):
        best = replace(PACKAGE.artifacts[0], best_for=("asimdhp", "asimddp"))
        package.write(replace(PACKAGE, artifacts=(best,)), tmp_path / "a.edge")
        assert package.read(tmp_path / "a.edge").artifacts == (best,)

    def test_refuses_bytes_that_are_not_text(self):
        with pytest.raises(ModelError, match=r"m\.toml: not valid TOML"):
            manifest.loads(b"\xff\xfe", "m.toml")

    def test_refuses_two_artifacts_of_one_kind(self, tmp_path):
        twice = replace(PACKAGE, artifacts=PACKAGE.artifacts[:1] * 2)
        with pytest.raises(ModelError, match="same backend and precision"):
            package.write(twice, tmp_path / "a.edge")

    def test_a_digest_is_of_the_file(self, tmp_path):
        package.write(PACKAGE, tmp_path / "a.edge")
        digest = hashlib.sha256(PACKAGE.artifacts[0].files["bin"]).hexdigest()
        assert f'"ncnn-int8/model.bin" = "{digest}"' in text_of(tmp_path / "a.edge")


class TestChoosingAnArtifact:
    def test_the_first_by_default(self):
        assert PACKAGE.artifact() is PACKAGE.artifacts[0]

    def test_by_backend_or_precision(self):
        assert PACKAGE.artifact(backend="tflite") is PACKAGE.artifacts[1]
        assert PACKAGE.artifact(precision="int8") is PACKAGE.artifacts[0]

    def test_a_float_artifact_serves_both_float_precisions(self):
        assert PACKAGE.artifact(precision="fp16") is PACKAGE.artifacts[1]

    def test_none_that_suits(self):
        with pytest.raises(ModelError, match="no artifact for mnn int8; there are: ncnn int8, tfl"):
            PACKAGE.artifact("mnn", "int8")
