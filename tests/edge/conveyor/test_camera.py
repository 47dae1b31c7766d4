import numpy as np
import pytest

from edge.conveyor.camera import Camera, Exposure
from edge.conveyor.chance import Chance
from edge.types import Size

SIZE = Size(90, 120)


def exposure(smear=1, defocus=0, gain=128, noise=(0, 0), seed=1):
    rows = np.full(SIZE.height, gain, np.uint16)
    return Exposure(smear, defocus, rows, noise, Chance(seed))


def image(value):
    return np.full((SIZE.height, 3 * SIZE.width), value, np.uint8)


def flat(value, **options):
    return Camera(Chance(5), SIZE, 1).expose(image(value), exposure(**options))


@pytest.mark.parametrize("unit", [0.5, 1, 2])
@pytest.mark.parametrize("options", [{"smear": 7}, {"smear": 4}, {"defocus": 2}])
def test_blur_leaves_a_plain_image_as_it_is(unit, options):
    camera = Camera(Chance(5), SIZE, unit)
    assert (camera.soften(image(255), exposure(**options)) == 255).all()
    assert (camera.soften(image(3), exposure(**options)) == 3).all()


@pytest.mark.parametrize("length", [2, 3, 6])
def test_motion_spreads_a_line_evenly_along_the_belt_and_keeps_channels_apart(length):
    canvas = image(0)
    canvas.reshape(90, 120, 3)[:, 60, 1] = 240
    soft = Camera(Chance(5), SIZE, 1).soften(canvas, exposure(smear=length)).reshape(90, 120, 3)
    (columns,) = np.nonzero(soft[0, :, 1])
    assert len(columns) == length
    assert abs(columns.mean() - 60) <= 0.5
    assert (soft[:, columns, 1] == 240 // length).all()
    assert not soft[..., [0, 2]].any()


def test_defocus_is_a_three_by_three_kernel():
    canvas = image(0)
    canvas.reshape(90, 120, 3)[40, 60, 2] = 160
    soft = Camera(Chance(5), SIZE, 1).soften(canvas, exposure(defocus=1)).reshape(90, 120, 3)
    assert soft[39:42, 59:62, 2].tolist() == [[10, 20, 10], [20, 40, 20], [10, 20, 10]]
    assert int(soft.sum()) == 160


def test_light_falls_off_from_the_brightest_spot_and_gain_scales_it():
    plain, bright = flat(100), flat(100, gain=192)
    assert 95 < plain.max() <= 100
    assert 40 < plain.min() < plain.max() - 5
    assert bright.mean() / plain.mean() == pytest.approx(1.5, rel=0.02)
    assert flat(255, gain=256).max() == 255


def test_noise_has_the_strength_asked_for_and_reading_noise_fades_with_light():
    clean = flat(200, gain=150).astype(int)
    photons = flat(200, gain=150, noise=(160, 0)) - clean
    assert photons.std() == pytest.approx(5, rel=0.08)
    assert abs(photons.mean()) < 0.1
    dark, light = (
        (flat(level, noise=(0, 160)) - flat(level).astype(int)).std() for level in (60, 200)
    )
    assert dark > 2 * light


def test_noise_differs_from_frame_to_frame():
    assert (flat(100, noise=(100, 0), seed=1) != flat(100, noise=(100, 0), seed=2)).mean() > 0.5
