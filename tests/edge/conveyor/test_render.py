import hashlib
import subprocess
import sys

import numpy as np
import pytest

from edge.conveyor import FRAMES_PER_LINE, LABELS, Conveyor
from edge.conveyor.render import _lay_over
from edge.types import Size

SMALL = Size(240, 320)

# Of images and truth: the same on every machine and with every NumPy. Who changes the scene on
# purpose states the new ones, and retrains what was trained on it.
EACH_LINE = tuple(range(11, 9600, 600))  # so many that every pattern of belt is among them
DIGESTS = {
    (0, Size(480, 640), (0, 17, 123456)): "1e0873a7b4d5b66b31cc46103615baa3",
    (5, Size(240, 320), EACH_LINE): "81b97d7d2ed06046825f9f39761f6dab",
    (4294967295, Size(416, 352), (0, 611)): "c62eb880317265a36c0d668594487e49",
}


def digest(seed, size, frames):
    conveyor, total = Conveyor(seed, size), hashlib.sha256()
    for index in frames:
        image, truth = conveyor.render(index)
        total.update(image.tobytes())
        for column in (truth.boxes, truth.class_ids, truth.areas, truth.visibility, truth.ignored):
            total.update(column.tobytes())
    return total.hexdigest()[:32]


@pytest.mark.parametrize(("seed", "size", "frames"), DIGESTS)
def test_frames_are_the_same_bits_everywhere(seed, size, frames):
    assert digest(seed, size, frames) == DIGESTS[seed, size, frames]


def test_frames_are_the_same_in_a_new_process():
    program = (
        "import sys, hashlib; from edge.conveyor import Conveyor; from edge.types import Size;"
        "image, truth = Conveyor(8, Size(240, 320)).render(700);"
        "print(hashlib.sha256(image.tobytes() + truth.boxes.tobytes()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    image, truth = Conveyor(8, SMALL).render(700)
    here = hashlib.sha256(image.tobytes() + truth.boxes.tobytes()).hexdigest()
    assert done.stdout.strip() == here, done.stderr


def test_any_frame_can_be_had_first():
    forward, backward = Conveyor(11, SMALL), Conveyor(11, SMALL)
    # Across the change of line, and far enough apart that nothing made before is kept.
    order = [*range(580, 620, 5), 1300, 2600]
    frames = {index: forward.render(index) for index in order}
    for index in reversed(order):
        image, truth = backward.render(index)
        assert (image == frames[index][0]).all()
        assert (truth.boxes == frames[index][1].boxes).all()


def test_seeds_sizes_and_frames_differ():
    images = [
        Conveyor(seed, SMALL).render(index)[0] for seed, index in ((1, 0), (2, 0), (1, 1), (1, 600))
    ]
    for i, one in enumerate(images):
        for other in images[:i]:
            assert (one != other).mean() > 0.5


def test_the_image_is_new_memory_each_time():
    conveyor = Conveyor(1, SMALL)
    first, _ = conveyor.render(3)
    kept = first.copy()
    first[:] = 0
    assert (conveyor.render(3)[0] == kept).all()


def test_truth_alone_is_the_truth_of_the_image():
    drawn, message = Conveyor(21, SMALL), Conveyor(21, SMALL)
    for index in range(0, 3000, 173):
        _, truth = drawn.render(index)
        other = message.truth(index)
        for name in ("boxes", "class_ids", "areas", "visibility", "ignored"):
            assert (getattr(truth, name) == getattr(other, name)).all()


def alone(conveyor, moment, part):
    """The class of a part and the box of what it changes on a black image."""
    sprite = conveyor._sprites[moment.line, part]
    thing = conveyor._put(part, sprite.outline, moment.left)
    canvas = np.zeros((480, 3 * 640), np.uint8)
    _lay_over(canvas, sprite, thing.top - sprite.margin, thing.left - sprite.margin)
    lit = canvas.reshape(480, 640, 3).any(axis=-1)
    y, x = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    box = [x[0], y[0], x[-1] + 1, y[-1] + 1] if len(x) else [0, 0, 0, 0]
    return part.class_id, np.array(box)


def test_boxes_are_those_of_what_is_drawn():
    conveyor = Conveyor(31, Size(480, 640))
    checked = 0
    for index in range(0, 2400, 97):
        moment = conveyor._find(index)
        _, truth = conveyor.render(index)
        drawn = [alone(conveyor, moment, part) for part in conveyor._parts(moment)]
        for place in np.flatnonzero(truth.visibility == 1):
            # Drawn are also pixels of which the part covers less than half: one on each side, more
            # at the pointed ends of a spring's wire.
            away = [
                np.abs(truth.boxes[place] - box).max()
                for class_id, box in drawn
                if class_id == truth.class_ids[place]
            ]
            assert min(away) <= (1 if LABELS[truth.class_ids[place]] != "spring" else 5)
            checked += 1
    assert checked > 60


def test_parts_move_with_the_belt_and_keep_their_class():
    conveyor = Conveyor(2, SMALL)
    (_, one), (_, two) = conveyor.render(40), conveyor.render(41)
    shift = conveyor._find(40).left - conveyor._find(41).left
    assert 2 <= abs(shift) <= 9
    moved = one.boxes[one.visibility == 1] + np.float32([shift, 0, shift, 0])
    classes = one.class_ids[one.visibility == 1]
    before = {(k, *box) for k, box in zip(classes, moved.tolist(), strict=True)}
    after = {(k, *box) for k, box in zip(two.class_ids, two.boxes.tolist(), strict=True)}
    assert before & after


def test_some_frames_are_empty_and_classes_are_balanced():
    counts, empty, total = np.zeros(len(LABELS), int), 0, 0
    for seed in range(4):
        conveyor = Conveyor(seed, SMALL)
        for index in range(0, 100 * 61, 61):
            truth = conveyor.truth(index)
            counts += np.bincount(truth.class_ids[~truth.ignored], minlength=len(LABELS))
            empty += len(truth) == 0
            total += 1
    assert 0.02 < empty / total < 0.3
    assert 3 < counts.sum() / total < 12
    assert counts.min() > 0.8 * counts.mean()


def test_the_view_goes_on_to_other_lines():
    conveyor = Conveyor(6, SMALL)
    last, first = (conveyor._find(FRAMES_PER_LINE + i).line for i in (-1, 0))
    assert last is not first
    assert last.light != first.light


@pytest.mark.parametrize("size", [Size(64, 64), Size(64, 2048), Size(2048, 64), Size(97, 131)])
def test_odd_and_extreme_sizes_work(size):
    conveyor = Conveyor(3, size)
    for index in (0, 333, 1234):
        image, truth = conveyor.render(index)
        assert image.shape == (size.height, size.width, 3)
        limit = np.array([size.width, size.height] * 2)
        assert (truth.boxes >= 0).all()
        assert (truth.boxes <= limit).all()
        assert (truth.boxes[:, 2:] > truth.boxes[:, :2]).all()


def test_memory_is_bounded():
    conveyor = Conveyor(9, Size(64, 64))
    for index in range(0, 5000, 37):
        conveyor.render(index)
    assert len(conveyor._sprites._kept) <= 64
    assert len(conveyor._settings._kept) <= 2


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_out_of_range_are_refused(seed):
    with pytest.raises(ValueError, match=f"a seed is from 0 to 4294967295, got {seed}"):
        Conveyor(seed, SMALL)


@pytest.mark.parametrize("size", [Size(63, 320), Size(240, 2049)])
def test_absurd_sizes_are_refused(size):
    with pytest.raises(ValueError, match=f"64 to 2048 pixels on each side, got {size}"):
        Conveyor(0, size)


def test_negative_frames_are_refused():
    with pytest.raises(ValueError, match="counted from 0, got -1"):
        Conveyor(0, SMALL).render(-1)
