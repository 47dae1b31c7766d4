from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra train")

from calibration.checkpoints.training_recipe import Recipe  # noqa: E402
from calibration.train.data import Images, batches  # noqa: E402
from edge.errors import DataError, SourceError  # noqa: E402
from edge.io.datasets import Dataset, Objects, Sample  # noqa: E402
from edge.types import Size  # noqa: E402

RECIPE = Recipe(input=64, epochs=10, batch=3)


def dataset(count=7, render=None):
    def sample(i):
        image = np.random.default_rng(i).integers(0, 256, (60, 120, 3), dtype=np.uint8)
        labels = Objects.of(
            [(20, 10, 60, 40), (90, 30, 20, 20)], [i % 2, 1], ignored=[False, i == 0]
        )
        draw = render or (lambda: image)
        return Sample(Path(f"{i}.png"), i, labels, Size(60, 120), render=draw)

    return Dataset(Path("made"), "test", tuple(sample(i) for i in range(count)), ("a", "b"))


def epoch(recipe=RECIPE, number=0, threads=1, memory=None):
    images = Images(dataset(), recipe.input, memory)
    return list(batches(images, recipe, number, threads=threads))


def assert_same(first, second):
    assert len(first) == len(second)
    for (images, targets), (others, expected) in zip(first, second, strict=True):
        assert torch.equal(images, others)
        assert all(torch.equal(a, b) for a, b in zip(targets, expected, strict=True))


def test_batches_do_not_depend_on_threads_or_memory():
    assert_same(epoch(threads=1), epoch(threads=3))
    assert_same(epoch(threads=1), epoch(threads=3, memory=0))


def test_epochs_and_seeds_differ():
    first = epoch()[0][0]
    assert not torch.equal(first, epoch(number=1)[0][0])
    assert not torch.equal(first, epoch(Recipe(input=64, epochs=10, batch=3, seed=1))[0][0])


def test_an_epoch_holds_every_image_once():
    plain = Recipe(input=64, epochs=1, batch=3, plain=1.0)
    sizes = [len(images) for images, _ in epoch(plain)]
    assert sizes == [3, 3, 1]


def test_images_fit_the_input_and_leave_ignored_objects_out():
    image = Images(dataset(), 64)[0]
    assert image.image.shape == (32, 64, 3)
    np.testing.assert_allclose(image.boxes, np.array([[20, 10, 80, 50]]) * (64 / 120), rtol=1e-5)
    assert len(Images(dataset(), 64)[1].boxes) == 2


def test_colors_are_red_first():
    blue = np.zeros((60, 120, 3), np.uint8)
    blue[..., 0] = 255  # OpenCV's order
    assert Images(dataset(1, lambda: blue), 64)[0].image[0, 0].tolist() == [0, 0, 255]


def test_an_image_that_cannot_be_read_is_named():
    def broken():
        raise SourceError("a damaged one")

    with pytest.raises(DataError, match=r"0\.png: a damaged one"):
        Images(dataset(1, broken), 64)


def test_an_epoch_that_is_left_early_stops_its_threads():
    made = batches(Images(dataset(), 64), RECIPE, 0, threads=2)
    next(made)
    made.close()
    with pytest.raises(StopIteration):
        next(made)
