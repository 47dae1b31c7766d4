from __future__ import annotations

from dataclasses import replace

from quant_graphs import MODEL, Builder, detector

from calibration.quant.plan.prepare import prepare
from calibration.quant.simulate.heads import necks


def test_the_neck_is_the_last_that_scores_and_boxes_share():
    assert necks(prepare(detector()), MODEL) == ("last",)


def test_every_level_has_its_neck_whatever_the_order_of_outputs():
    net = Builder()
    outputs = {"scores": [], "boxes": []}
    source = "image"
    for level in ("fine", "coarse"):
        source = net.conv(level, source, (4, net_channels(source), 3, 3), strides=(2, 2))
        stem = net.add("Relu", f"{level}_stem", source)
        own = net.add("HardSwish", f"{level}_own", net.conv(f"{level}_plain", stem, (4, 4, 1, 1)))
        outputs["scores"].append(net.conv(f"{level}_scores", own, (2, 4, 1, 1)))
        outputs["boxes"].append(net.conv(f"{level}_boxes", stem, (4, 4, 1, 1)))
    graph = net.graph(*outputs["scores"], *outputs["boxes"])
    assert necks(graph, MODEL) == ("fine_stem", "coarse_stem")
    whole = net.graph(*outputs["scores"])  # as where one tensor says all of a level
    spec = replace(MODEL, family="nanodet", form="maps", output_names=whole.outputs)
    assert necks(whole, spec) == ("fine_own", "coarse_own")


def net_channels(source: str) -> int:
    return 3 if source == "image" else 4
