from __future__ import annotations

import re

import numpy as np
import pytest
from networks import image, torch, trained

from calibration.nets.config import NETS, YOLOv6, YOLOv7Tiny
from calibration.nets.network import deploy, load, network
from edge.errors import ModelError
from edge.types import Size

# name of the list, network, form
UPSTREAM = [
    ("n1", "yolov6n-v1", False),
    ("n2", "yolov6n-v2", False),
    ("n21", "yolov6n-v2", False),
    ("n3", "yolov6n-v3", False),
    ("t2", "yolov6t-v2", False),
    ("y7t", "yolov7-tiny", False),
    ("n2.fused", "yolov6n-v2", True),
    ("n21.fused", "yolov6n-v2", True),
    ("n3.fused", "yolov6n-v3", True),
    ("t2.fused", "yolov6t-v2", True),
    ("y7td.fused", "yolov7-tiny", True),
]


def shapes_of(net):
    return {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}


def count(net):
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.fixture(scope="module")
def listed(shared):
    def read(name):
        lines = (shared / "knowledge" / "state_dicts" / name).read_text().splitlines()
        rows = (re.match(r"(\S+) \(([\d, ]*)\)", line) for line in lines)
        return {row[1]: tuple(int(n) for n in row[2].split(",") if n.strip()) for row in rows}

    return read


@pytest.mark.parametrize(("upstream", "name", "deployed"), UPSTREAM)
def test_names_and_shapes_are_those_of_the_official_files(listed, upstream, name, deployed):
    assert shapes_of(network(NETS[name], deployed=deployed)) == listed(upstream)


@pytest.mark.parametrize(
    ("name", "training", "deployed"),
    [
        ("yolov6n-v1", 4_737_759, 4_317_439),
        ("yolov6n-v2", 4_737_566, 4_317_246),
        ("yolov6n-v3", 5_058_270, 4_646_974),
        ("yolov7-tiny", 6_228_762, 6_219_709),
    ],
)
def test_parameters_are_as_many_as_upstream(name, training, deployed):
    assert count(network(NETS[name])) == training
    assert count(network(NETS[name], deployed=True)) == deployed


# Millions of parameters and 1e9 operations at 640x640 as the upstream tables print them. They
# count a little more than the multiply-adds of convolutions.
PUBLISHED = [
    ("yolov6n-v2", 4.3, 11.1),
    ("yolov6n-v3", 4.7, 11.4),
    ("yolov6tiny-v2", 15.0, 36.7),
    ("yolov6s-v2", 17.2, 44.2),
    ("yolov6s-v3", 18.5, 45.3),
    ("yolov7-tiny", 6.2, 13.8),
]


def operations(net, size):
    """Two for each multiply-add of the convolutions, from one run."""
    total = 0

    def count_one(module, inputs, output):
        nonlocal total
        kernel = module.weight[0, 0].numel()
        transposed = isinstance(module, torch.nn.ConvTranspose2d)
        places = inputs[0].numel() * module.out_channels if transposed else output.numel()
        total += 2 * places * kernel * (1 if transposed else module.in_channels)

    kinds = (torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    hooks = [m.register_forward_hook(count_one) for m in net.modules() if isinstance(m, kinds)]
    with torch.no_grad():
        net(torch.zeros(1, 3, size, size))
    for hook in hooks:
        hook.remove()
    return total


@pytest.mark.parametrize(("name", "millions", "giga"), PUBLISHED)
def test_sizes_agree_with_the_published_tables(name, millions, giga):
    net = network(NETS[name], deployed=True).eval()
    assert round(count(net) / 1e6, 1) == pytest.approx(millions, abs=0.101)
    result = operations(net, 160) * 16 / 1e9  # convolutions scale with the area
    assert 0.985 * giga < result < giga


@pytest.mark.parametrize("name", ["yolov6n-v1", "yolov6n-v2", "yolov6n-v3", "yolov7-tiny"])
def test_the_deployed_form_computes_the_same(name):
    net = trained(name)
    x = image(Size(96, 128))
    with torch.no_grad():
        expected, result = net(x), deploy(net)(x)
    for want, get in zip(expected, result, strict=True):
        pairs = [(want, get)] if torch.is_tensor(want) else zip(want, get, strict=True)
        for a, b in pairs:
            if a is not None:
                assert a.std() > 0.05  # a network that says the same everywhere proves nothing
                # Of the largest value; float32 itself differs by 2e-5 of it from double.
                assert (b - a).abs().max() <= 1e-4 * max(1, a.abs().max())


def test_another_eps_is_another_network():
    from calibration.nets.fold import fold

    net = trained("yolov6n-v2")
    state = {key: value.numpy() for key, value in net.state_dict().items()}
    right, wrong = (load(net.config, fold(state, eps), deployed=True) for eps in (1e-3, 1e-5))
    x = image(Size(64, 64))
    with torch.no_grad():
        difference = (right(x)[0].boxes - wrong(x)[0].boxes).abs().max()
    assert difference > 1e-4


@pytest.mark.parametrize("name", ["yolov6n-v3", "yolov7-tiny"])
def test_levels_have_strides_8_16_32(name):
    with torch.no_grad():
        levels = network(NETS[name]).eval()(torch.zeros(2, 3, 64, 96))
    sizes = [(level[0] if name == "yolov6n-v3" else level[:, 0]).shape for level in levels]
    if name == "yolov6n-v3":
        assert sizes == [(2, 80, 8, 12), (2, 80, 4, 6), (2, 80, 2, 3)]
    else:
        assert sizes == [(2, 8, 12, 85), (2, 4, 6, 85), (2, 2, 3, 85)]


def test_classes_are_a_choice():
    v6, v7 = network(YOLOv6(3, 0.33, 0.25, classes=3)), network(YOLOv7Tiny(classes=1))
    assert v6.detect.cls_preds[0].out_channels == 3
    assert v7.model[-1].m[0].out_channels == 18
    assert torch.isfinite(v7.model[-1].m[0].bias).all()


@pytest.mark.parametrize("name", ["yolov6n-v2", "yolov7-tiny"])
def test_the_seed_decides_the_weights(name):
    before = torch.get_rng_state()
    one, same, other = (network(NETS[name], seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)


def test_a_new_network_finds_little():
    with torch.no_grad():
        levels = network(NETS["yolov6n-v3"]).eval()(image(Size(64, 64)))
    assert max(level.classes.sigmoid().max() for level in levels) < 0.02


def test_batch_normalization_is_that_of_the_families():
    for name in ("yolov6n-v3", "yolov7-tiny"):
        for module in network(NETS[name]).modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                assert (module.eps, module.momentum) == (1e-3, 0.03)


def test_tensors_that_do_not_fit_are_named():
    state = {key: value.numpy() for key, value in trained("yolov6n-v2").state_dict().items()}
    config = NETS["yolov6n-v2"]
    del state["neck.upsample0.upsample_transpose.bias"]
    with pytest.raises(ModelError, match=r"neck\.upsample0\.upsample_transpose\.bias is missing"):
        load(config, state)
    state["neck.upsample0.upsample_transpose.bias"] = np.zeros(3, np.float32)
    with pytest.raises(ModelError, match=r"has shape \(3,\), wanted \(64,\)"):
        load(config, state)
    with pytest.raises(ModelError, match="is not part of the network"):
        load(config, state | {"detect.extra": np.zeros(1)})
