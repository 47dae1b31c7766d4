from __future__ import annotations

import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from networks import image, torch, trained
from upstream_files import Upstream, as_release_04, model, random_state, save

from calibration.checkpoints import read
from calibration.checkpoints.recognize import canonical
from calibration.nets.config import YOLOv7Tiny
from calibration.nets.fold import fold
from calibration.nets.network import load, network
from edge.errors import ModelError, UnsupportedModelError
from edge.types import Size

# list of names and shapes, network, whether it is of the deployed form
DIALECTS = [
    ("n1", "yolov6n-v1", False),
    ("n1.fused", "yolov6n-v1", True),  # six normalizations are left unfolded by upstream
    ("n2", "yolov6n-v2", False),
    ("n2.fused", "yolov6n-v2", True),
    ("t2", "yolov6t-v2", False),
    ("n3", "yolov6n-v3", False),
    ("n3.fused", "yolov6n-v3", True),
    ("n4", "yolov6n-v3", False),
    ("n4.fused", "yolov6n-v3", True),
    ("n4ab", "yolov6n-v3", False),
    ("n4ab.fused", "yolov6n-v3", True),
    ("n4ns", "yolov6n-v3", False),
    ("s4.fused", "yolov6s-v3", True),
    ("y7t", "yolov7-tiny", False),
    ("y7t.fused", "yolov7-tiny", True),
    ("y7td", "yolov7-tiny", False),
    ("y7td.fused", "yolov7-tiny", True),
]


@pytest.fixture(scope="module")
def listed(shared):
    def shapes(name):
        lines = (shared / "knowledge" / "state_dicts" / name).read_text().splitlines()
        rows = (re.match(r"(\S+) \(([\d, ]*)\)", line) for line in lines)
        return {row[1]: tuple(int(n) for n in row[2].split(",") if n.strip()) for row in rows}

    return shapes


def with_anchors(state):
    """The published anchors in place of random ones, as buffers in strides and in pixels."""
    if "model.77.anchors" in state:
        pixels = torch.tensor(YOLOv7Tiny().anchors, dtype=torch.float32)
        state["model.77.anchors"] = pixels / torch.tensor([8, 16, 32]).view(3, 1, 1)
        state["model.77.anchor_grid"] = pixels.view(3, 1, 3, 1, 1, 2)
    return state


def official(tmp_path, state, *, legacy=False, eps=1e-3, **attributes):
    """A file as training leaves it: averaged weights in half precision beside other ones."""
    path = tmp_path / "official.pt"
    with Upstream() as upstream:
        averaged = model(upstream, state, eps=eps).half()
        stem = next(iter(state))
        raw = model(upstream, {stem: torch.zeros_like(state[stem])})
        for key, value in attributes.items():
            setattr(averaged, key, value)
        optimizer = torch.optim.SGD(raw.parameters(), lr=0.01, momentum=0.9)
        content = {
            "epoch": 299,
            "best_fitness": np.array([0.37]),
            "training_results": "text",
            "model": raw,
            "ema": averaged,
            "updates": 12345,
            "optimizer": optimizer.state_dict(),
            "wandb_id": None,
        }
        return save(content, path, legacy=legacy)


@pytest.mark.parametrize(
    ("dialect", "name", "deployed", "legacy"),
    [(*row, False) for row in DIALECTS]
    + [(*row, True) for row in DIALECTS if row[0] in ("n4", "y7t")],
)
def test_every_dialect_comes_back_tensor_for_tensor(
    listed, tmp_path, dialect, name, deployed, legacy
):
    state = with_anchors(random_state(listed(dialect)))
    result = read(official(tmp_path, state, legacy=legacy))
    assert (result.name, result.deployed, result.origin) == (name, deployed, "ema")
    assert (result.strides, result.eps, result.refused) == ((8, 16, 32), 1e-3, ())
    expected = {}
    for key, value in state.items():
        own = canonical(key)
        if own is not None and not own.startswith("detect.proj"):
            half = value.half().float() if value.is_floating_point() else value
            expected[own] = half.numpy()
    if deployed:
        expected = fold(expected)
    assert set(result.state) - set(expected) <= {
        "detect.proj",
        "detect.proj_conv.weight",
        *(f"model.77.{kind}.{i}.implicit" for kind in ("ia", "im") for i in range(3)),
    }
    for key, value in expected.items():
        assert np.array_equal(result.state[key], value), key
        assert result.state[key].dtype in (np.float32, np.int64)
    load(result.config, result.state, deployed=deployed)


@pytest.mark.parametrize("name", ["yolov6n-v1", "yolov6n-v2", "yolov6n-v3", "yolov7-tiny"])
def test_a_network_read_back_computes_the_same(tmp_path, name):
    net = trained(name)
    state = dict(net.state_dict())
    if name == "yolov6n-v3":
        state = {as_release_04(key): value for key, value in state.items()}
    with Upstream() as upstream:
        path = save({"model": model(upstream, state), "ema": None}, tmp_path / "x.pt")
    result = read(path)
    assert result.origin == "model"
    x = image(Size(64, 96))
    with torch.no_grad():
        expected, got = net(x), load(result.config, result.state)(x)
    for want, get in zip(expected, got, strict=True):
        a, b = (want, get) if torch.is_tensor(want) else (want.classes, get.classes)
        assert torch.equal(a, b)


def test_names_strides_and_anchors_are_the_file_s(tmp_path):
    net = network(YOLOv7Tiny(classes=3))
    state = dict(net.state_dict())
    state["model.77.anchor_grid"] = state["model.77.anchor_grid"] * 2
    file = official(tmp_path, state, names=["a", "b", "c"], stride=torch.tensor([8.0, 16.0, 32.0]))
    result = read(file)
    assert result.labels == ("a", "b", "c")
    assert result.config.classes == 3
    assert result.anchors[0][0] == (20.0, 26.0)
    assert result.config.anchors == result.anchors
    np.testing.assert_array_equal(result.state["model.77.anchors"][0][0], [2.5, 3.25])


def test_names_may_be_a_mapping_and_are_dropped_when_their_number_is_wrong(tmp_path):
    state = dict(network(YOLOv7Tiny(classes=2)).state_dict())
    assert read(official(tmp_path, state, names={0: "a", 1: "b"})).labels == ("a", "b")
    result = read(official(tmp_path, state, names=["a"]))
    assert result.labels == ()
    assert "1 entries for 2 classes" in result.notes[0]


def test_another_eps_in_the_modules_is_used(listed, tmp_path):
    state = random_state(listed("n2"))
    assert read(official(tmp_path, state, eps=1e-5)).eps == 1e-5


def test_the_activation_of_yolov7_tiny_is_read_from_its_modules(tmp_path):
    with Upstream() as upstream:
        tree = model(upstream, dict(trained("yolov7-tiny").state_dict()))
        for module in tree.modules():
            if hasattr(module, "act"):
                module.act = torch.nn.SiLU()
        path = save({"model": tree}, tmp_path / "silu.pt")
        assert read(path).config.activation == "silu"
        for other, message in (
            (torch.nn.Hardswish(), "Hardswish"),
            (torch.nn.LeakyReLU(0.2), "LeakyReLU of slope 0.2"),
        ):
            tree.model._modules["0"].act = other
            save({"model": tree}, path)
            with pytest.raises(UnsupportedModelError, match=message):
                read(path)


@pytest.mark.parametrize("prefix", ["", "module.", "module._orig_mod."])
@pytest.mark.parametrize("key", [None, "model", "state_dict"])
def test_bare_tensors_are_read(tmp_path, prefix, key):
    state = {prefix + name: value for name, value in trained("yolov6n-v3").state_dict().items()}
    path = save({key: state} if key else state, tmp_path / "bare.pt")
    result = read(path)
    assert result.name == "yolov6n-v3"
    assert "tensors only" in result.notes[0]
    assert result.origin == (key or "tensors")


def test_a_data_parallel_wrapper_is_opened(tmp_path):
    with Upstream() as upstream:
        wrapper = torch.nn.Module()
        wrapper.module = model(upstream, dict(trained("yolov6n-v2").state_dict()))
        path = save({"model": wrapper}, tmp_path / "ddp.pt")
    assert read(path).name == "yolov6n-v2"


def test_views_and_brain_floats_are_read_right(tmp_path):
    state = dict(trained("yolov6n-v2").state_dict())
    name = "backbone.ERBlock_3.0.rbr_dense.conv.weight"
    state[name] = state[name].permute(1, 0, 3, 2).contiguous().permute(1, 0, 3, 2)
    other = "detect.cls_preds.0.bias"
    state[other] = torch.cat([torch.zeros(5), state[other].bfloat16().float()]).bfloat16()[5:]
    result = read(save(state, tmp_path / "views.pt")).state
    assert np.array_equal(result[name], state[name].numpy())
    assert np.array_equal(result[other], state[other].float().numpy())


def test_reading_needs_no_torch(tmp_path):
    path = save(dict(trained("yolov6n-v3").state_dict()), tmp_path / "x.pt")
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path; from calibration.checkpoints import read\n"
        f"found = read(Path({str(path)!r})); print(found.name, len(found.state))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["yolov6n-v3", "756"]


OTHERS = {
    "Ultralytics": ({"model.0.conv.weight": (16, 3, 3, 3)}, "ultralytics.nn.tasks.DetectionModel"),
    "YOLOv5": (
        {
            "model.0.conv.weight": (16, 3, 6, 6),
            "model.2.cv3.conv.weight": (32, 32, 1, 1),
            "model.24.m.0.weight": (255, 64, 1, 1),
        },
        "models.yolo.DetectionModel",
    ),
    "YOLOv7 other than tiny": (
        {"model.105.ia.0.implicit": (1, 256, 1, 1), "model.0.conv.weight": (32, 3, 3, 3)},
        "models.yolo.Model",
    ),
    "four levels": (
        {
            "backbone.stem.rbr_reparam.weight": (16, 3, 3, 3),
            "backbone.ERBlock_6.0.rbr_reparam.weight": (8, 8, 3, 3),
        },
        "yolov6.models.yolo.Model",
    ),
    "without plain RepVGG": (
        {"backbone.stem.conv.weight": (16, 3, 3, 3), "backbone.ERBlock_2.0.conv.weight": (1,)},
        "yolov6.models.yolo.Model",
    ),
    "YOLOX": ({"backbone.backbone.stem.conv.conv.weight": (16, 12, 3, 3)}, ""),
    "no network known here": ({"fc.weight": (3, 3)}, ""),
}


@pytest.mark.parametrize("what", OTHERS)
def test_other_networks_are_refused_by_name(tmp_path, what):
    shapes, cls = OTHERS[what]
    state = random_state(shapes)
    with Upstream() as upstream:
        content = state
        if cls:
            root = upstream.of(cls)()
            for name, tensor in state.items():
                holder = root
                *path, leaf = name.split(".")
                for part in path:
                    if part not in holder._modules:
                        holder.add_module(part, torch.nn.Module())
                    holder = holder._modules[part]
                holder.register_parameter(leaf, torch.nn.Parameter(tensor))
            content = {"model": root}
        path = save(content, tmp_path / "other.pt")
    with pytest.raises(UnsupportedModelError, match=f"other.pt: .*{what}"):
        read(path)


def test_files_of_another_kind_are_named(tmp_path):
    path = tmp_path / "x.pt"
    for content, why in (
        (b"", "not a file of torch.save"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"\x80\x02}q\x00.", "a pickle, but not of torch.save"),
        (b"PK\x03\x04 and nothing", "damaged zip"),
        (bytes(257) + b"ustar" + bytes(300), "written by torch before 0.4"),
        (b"safetensors", "not a file of torch.save"),
    ):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=why):
            read(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}q\x00.")
        archive.writestr("a/constants.pkl", b"\x80\x02).")
    with pytest.raises(UnsupportedModelError, match="TorchScript"):
        read(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}q\x00." + bytes(1000))
    with pytest.raises(ModelError, match="compressed"):
        read(path)


def test_content_of_another_kind_is_named(tmp_path):
    for content, why in (
        ({"epoch": 3}, "neither a model nor tensors; its entries: epoch"),
        ([1, 2], "found list"),
        ({"model": 5}, "its entries: model"),
    ):
        with pytest.raises(ModelError, match=why):
            read(save(content, tmp_path / "x.pt"))
