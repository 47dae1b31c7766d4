from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra train")

from networks import image, trained  # noqa: E402

from calibration.checkpoints.training_recipe import Recipe  # noqa: E402
from calibration.forms import module  # noqa: E402
from calibration.train.checkpoint import Checkpoint  # noqa: E402
from calibration.train.deploy import deploy  # noqa: E402
from calibration.train.measure import spec  # noqa: E402
from edge import package  # noqa: E402
from edge.detector import Detector  # noqa: E402
from edge.models import coco  # noqa: E402
from edge.types import Size  # noqa: E402

SIZE = 96


@pytest.mark.parametrize("name", ["yolov6n-v2", "yolov6n-v3", "yolov7-tiny"])
def test_the_package_computes_what_the_network_does(tmp_path, name):
    net = trained(name)
    checkpoint = Checkpoint(net.config, Recipe(input=SIZE), coco.LABELS, net.state_dict())
    deploy(checkpoint, tmp_path, facts={"epochs": 3}, name="small", license="Apache-2.0")
    assert {p.name for p in tmp_path.iterdir()} == {"small.onnx", "small.edge"}
    made = package.read(tmp_path / "small.edge")
    assert made.license == "Apache-2.0"
    assert made.provenance["training"] == {"epochs": 3}
    assert [(a.backend, a.precision) for a in made.artifacts] == [("ncnn", "fp16")]
    form, _ = spec(net.config, SIZE, coco.LABELS)
    x = image(Size(SIZE, SIZE))
    with torch.no_grad():
        expected = module(net, form, Size(SIZE, SIZE))(x)
    with Detector.load(tmp_path / "small.edge", precision="fp32", threads=1) as detector:
        detector.backend.input_view()[:] = x.numpy()
        detections = [output.values.copy() for output in detector.backend.run()]
        pixels = np.ascontiguousarray((x[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8))
        assert len(detector(pixels)) > 0
    maps = expected if isinstance(expected, tuple) else (expected,)
    for ours, theirs in zip(detections, maps, strict=True):
        if theirs.ndim == 5:  # the maps as the last convolution gives them
            theirs = theirs.permute(0, 1, 4, 2, 3)
        assert ours.size == theirs.numel()
        apart = np.abs(ours.reshape(theirs.shape) - theirs.numpy()).mean()
        assert apart < 0.01 * theirs.abs().max().item()  # weights in half precision


def test_a_package_is_replaced_and_anything_else_is_left_alone(tmp_path):
    from edge.errors import ModelError

    net = trained("yolov6n-v2")
    checkpoint = Checkpoint(net.config, Recipe(input=SIZE), coco.LABELS, net.state_dict())
    deploy(checkpoint, tmp_path, facts={})
    deploy(checkpoint, tmp_path, facts={"epochs": 4})
    assert package.read(tmp_path / "best.edge").provenance["training"] == {"epochs": 4}
    (tmp_path / "notes.edge").mkdir()
    with pytest.raises(ModelError, match=r"notes\.edge: exists and is not a model package"):
        deploy(checkpoint, tmp_path, facts={}, name="notes")
