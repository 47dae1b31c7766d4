from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra train")

from networks import image, trained  # noqa: E402

from calibration.canonical import canonical  # noqa: E402
from calibration.checkpoints.training_recipe import Recipe  # noqa: E402
from calibration.nets.config import family  # noqa: E402
from calibration.nets.network import deploy as folded  # noqa: E402
from calibration.quant.plan.planning import plan  # noqa: E402
from calibration.quant.plan.prepare import _pointwise, prepare  # noqa: E402
from calibration.quant.plan.structure import convolutions  # noqa: E402
from calibration.quant.search.weights import largest  # noqa: E402
from calibration.quant.simulate.simulate import layer_values  # noqa: E402
from calibration.quant.spec.spec import QuantSpec, Scheme  # noqa: E402
from calibration.train.checkpoint import Checkpoint  # noqa: E402
from calibration.train.deploy import deploy  # noqa: E402
from calibration.train.rounding import (  # noqa: E402
    RoundedConv,
    RoundedUpsample,
    observe,
    round_network,
)
from edge.models import coco  # noqa: E402
from edge.overrides import Overrides  # noqa: E402
from edge.recognize import open_model  # noqa: E402
from edge.types import Size  # noqa: E402

SIZE = 96


def by_weights(net):
    """The rounding modules of a network, by what their weights are in its graph."""
    results = {}
    for module in net.modules():
        if isinstance(module, RoundedConv | RoundedUpsample):
            weight = module.weight.detach().numpy()
            weight = _pointwise(weight) if isinstance(module, RoundedUpsample) else weight
            results[weight.tobytes()] = module
    return results


@pytest.mark.parametrize("name", ["yolov6n-v2", "yolov6n-v3", "yolov7-tiny"])
def test_a_rounded_network_has_the_arithmetic_of_the_runtime(name, tmp_path):
    """Layer by layer: sums on the edge of two codes would part the ways of whole networks."""
    random = torch.Generator().manual_seed(0)
    net = round_network(folded(trained(name)).train())
    observe(net, [image(Size(SIZE, SIZE))])
    recipe = Recipe(input=SIZE, qat=True)
    deploy(Checkpoint(net.config, recipe, coco.LABELS, net.state_dict()), tmp_path, facts={})
    opened = open_model([tmp_path / "best.onnx"], Overrides(family=family(net.config)))
    graph = prepare(canonical(opened.package)[0])
    modules = by_weights(net)
    nodes = {n: modules.pop(graph.constants[n.inputs[1]].tobytes()) for n in convolutions(graph)}
    assert not modules  # every convolution of the network is one of the graph, and the reverse
    max_abs = {n.inputs[0]: float(m.max_abs.detach().exp()) for n, m in nodes.items()}
    layers = {node.name: largest(graph, node) for node in nodes}
    spec = QuantSpec({"symmetric": Scheme({k: (-v, v) for k, v in max_abs.items()}, layers)})
    planned = plan(graph, spec, "ncnn")
    for node, module in nodes.items():
        weight, bias = map(torch.from_numpy, layer_values(node, planned.layers[node.name], planned))
        grid = planned.tensors[node.inputs[0]]
        # Away from the edge between two codes, and beyond the range too.
        steps = torch.randint(-190, 191, (1, weight.shape[1], 6, 6), generator=random)
        x = grid.scale * (steps + 0.6 * torch.rand(steps.shape, generator=random) - 0.3)
        codes = steps.clamp(grid.low, grid.high)
        with torch.no_grad():
            result = module(x)
            if isinstance(module, RoundedUpsample):
                places = torch.nn.functional.conv2d(codes * grid.scale, weight, bias)
                blocks = places.view(1, 2, 2, -1, 6, 6).permute(0, 3, 4, 1, 5, 2)
                expected = blocks.reshape(result.shape)
            else:
                expected = torch.nn.functional.conv2d(
                    codes * grid.scale, weight, bias, module.stride, module.padding
                )
        apart = (result - expected).abs().amax((0, 2, 3)) > 1e-4 * expected.abs().max()
        assert apart.sum() <= 1 + len(apart) // 20, node.name  # a weight on the edge of two codes


def test_ranges_are_the_largest_values_of_all_that_was_seen():
    net = round_network(folded(trained("yolov6n-v2")).train())
    small, large = 0.5 * image(Size(64, 64), 1), image(Size(64, 64), 2)
    observe(net, [small, large, small])
    assert net.backbone.stem.rbr_reparam.max_abs.exp().item() == pytest.approx(large.max().item())
    assert not any(torch.isinf(m.max_abs) for m in net.modules() if hasattr(m, "max_abs"))


def test_a_range_grows_for_what_it_cuts_off_that_is_needed():
    conv = RoundedConv(torch.nn.Conv2d(1, 1, 1))
    with torch.no_grad():
        conv.weight.fill_(1.0)
        conv.bias.fill_(0.0)
    x = torch.full((1, 1, 1, 1), 3.0)
    assert conv(x).item() == pytest.approx(1.0)  # the range ends there
    (conv(x) - 3.0).square().sum().backward()
    assert conv.max_abs.grad.item() < 0
    assert conv.weight.grad.item() != 0
