from __future__ import annotations

import numpy as np
import pytest
from quant_graphs import MODEL, detector, images

torch = pytest.importorskip("torch")

from calibration.quant.learn.samples import TrainingSample, TrainingSamples, draw  # noqa: E402
from calibration.quant.learn.torch_graph import TorchGraph  # noqa: E402
from calibration.quant.plan.prepare import prepare  # noqa: E402
from calibration.quant.search.context import SearchContext  # noqa: E402


@pytest.fixture(scope="module")
def samples() -> TrainingSamples:
    graph = prepare(detector())
    posed = SearchContext(graph, MODEL, "ncnn", images(2), {}, None, None, [0], lambda d, t: None)
    return TrainingSamples(posed, TorchGraph(graph))


def test_a_mirrored_image_is_read_and_said_from_right_to_left(samples):
    plain, turned = TrainingSample(0), TrainingSample(0, mirrored=True)
    assert torch.equal(samples.image(turned), samples.image(plain).flip(3))
    outputs = [torch.arange(2 * 16.0).reshape(1, 2, 4, 4), torch.zeros(1, 4, 4, 4)]
    there = samples.inside(outputs, plain).levels[0].classes
    back = samples.inside([values.flip(3) for values in outputs], turned).levels[0].classes
    assert torch.equal(there, back)
    assert there.shape == (1, 1, 2, 3, 4)  # the padding below is left out


def test_a_part_is_enlarged_to_where_the_image_was_and_no_further(samples):
    whole = samples.image(TrainingSample(1))
    part = samples.image(TrainingSample(1, window=(0.0, 0.5, 0.5, 0.5)))
    assert torch.equal(part[:, :, 12:], whole[:, :, 12:])
    corner = torch.nn.functional.interpolate(whole[:, :, :6, 8:], (12, 16), mode="bilinear")
    torch.testing.assert_close(part[:, :, :12], corner)
    assert torch.equal(samples.image(TrainingSample(1)), whole)  # it was not changed in place


def test_the_teacher_is_asked_about_what_is_shown(samples):
    for sample in (
        TrainingSample(0),
        TrainingSample(0, mirrored=True),
        TrainingSample(0, window=(0.2, 0.2, 0.6, 0.6)),
    ):
        image = samples.image(sample)
        expected = samples.inside(TorchGraph(prepare(detector()))(image), sample)
        for _ in range(2):
            (outputs,) = samples.expected(sample, image).levels
            torch.testing.assert_close(outputs.classes, expected.levels[0].classes)


def test_guises_are_drawn_by_the_seed_and_stay_inside():
    first, again = (
        [draw(np.random.default_rng(7), 3, crops=True) for _ in range(1)] for _ in range(2)
    )
    assert first == again
    random = np.random.default_rng(0)
    drawn = [draw(random, 0, crops=True) for _ in range(200)]
    windows = [each.window for each in drawn if each.window is not None]
    assert 60 < len(windows) < 140
    assert 60 < sum(each.mirrored for each in drawn) < 140
    for top, left, height, width in windows:
        assert 0 <= top <= top + height <= 1
        assert 0 <= left <= left + width <= 1
        assert min(height, width) >= 0.5
    assert all(draw(random, 0, crops=False).window is None for _ in range(20))
