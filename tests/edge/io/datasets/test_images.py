from pathlib import Path

import numpy as np

from edge.io.datasets import Images, Objects, Sample
from edge.types import Failure, Frame

NOTHING = Objects.of([], [])


def test_files_and_rendered_images_come_in_order_and_failures_keep_their_place(save_image):
    there, gone = save_image("a.png"), Path("gone.png")
    image = np.zeros((8, 9, 3), np.uint8)
    samples = [
        Sample(there, 1, NOTHING),
        Sample(gone, 2, NOTHING),
        Sample(Path("made"), 3, NOTHING, render=lambda: image),
    ]
    images = Images(samples)
    one, two, three = images
    assert images.count == 3
    assert images.files == (there, gone)
    assert not images.live
    assert isinstance(one, Frame)
    assert (one.index, one.source, one.planes[0].shape) == (0, str(there), (24, 32, 3))
    assert isinstance(two, Failure)
    assert (two.index, two.source, two.reason) == (1, "gone.png", "No such file or directory")
    assert isinstance(three, Frame)
    assert (three.index, three.source) == (2, "made")
    assert three.planes[0] is image
