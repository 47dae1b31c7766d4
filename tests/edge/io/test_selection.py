from __future__ import annotations

import numpy as np
import pytest

from edge.conveyor import Conveyor
from edge.io.selection import fault, is_duplicate, look
from edge.types import Frame, Size

cv2 = pytest.importorskip("cv2")
BELT = Conveyor(3, Size(240, 320))


def of(image: np.ndarray):
    return look(Frame.of(image))


@pytest.mark.parametrize("index", [0, 61, 122])
def test_a_sharp_image_has_no_fault_and_a_blurred_one_does(index):
    image = BELT.render(index)[0]
    assert fault(of(image)) is None
    assert fault(of(cv2.GaussianBlur(image, (0, 0), 5))) == "blurred"


@pytest.mark.parametrize(("value", "why"), [(2, "black"), (128, "blank"), (255, "blank")])
def test_a_covered_or_dazzled_camera_is_noticed_through_its_noise(value, why):
    noise = np.random.default_rng(0).normal(value, 3, (240, 320, 3))
    assert fault(of(noise.clip(0, 255).astype(np.uint8))) == why


def test_noise_makes_no_other_image_but_a_small_part_does():
    image = BELT.render(0)[0]
    noise = np.random.default_rng(0).normal(0, 6, image.shape)
    again = (image + noise).clip(0, 255).astype(np.uint8)
    assert is_duplicate(of(image), of(again))
    changed = image.copy()
    changed[100:140, 100:140] = 255 - changed[100:140, 100:140]
    assert not is_duplicate(of(image), of(changed))


def test_every_kind_of_frame_is_measured():
    gray = cv2.cvtColor(BELT.render(0)[0], cv2.COLOR_BGR2GRAY)
    assert look(Frame((gray,), "GRAY")).detail == pytest.approx(of(BELT.render(0)[0]).detail, 0.05)
