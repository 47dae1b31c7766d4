from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra train")

from calibration.checkpoints.training_recipe import Augment, Recipe, without_ranges  # noqa: E402
from calibration.nets.config import NETS  # noqa: E402
from calibration.train import checkpoint  # noqa: E402
from calibration.train.data import Images  # noqa: E402
from calibration.train.loop import Machine, Training, train  # noqa: E402
from calibration.train.measure import measure  # noqa: E402
from calibration.train.rounding import RoundedConv  # noqa: E402
from edge.errors import CalibrationError  # noqa: E402
from edge.io.datasets import Dataset, Objects, Sample  # noqa: E402
from edge.types import Size  # noqa: E402

LABELS = ("square", "bar")
MACHINE = Machine(threads=1, bf16=False)
STILL = Augment(0, 0, 0, 0, 0, 0, 0, 0)


def shapes(count, side=64):
    """Red squares and green bars on gray, each image another."""

    def sample(i):
        random = np.random.default_rng(i)
        image = np.full((side, side, 3), 90, np.uint8)
        image += random.integers(0, 20, image.shape, dtype=np.uint8)
        boxes = []
        for k, (w, h) in enumerate(((20, 20), (32, 14))):
            x = int(random.integers(0, side - w))
            y = int(random.integers(0, side // 2 - h)) + k * side // 2
            image[y : y + h, x : x + w] = ((30, 40, 220), (40, 210, 30))[k]
            boxes.append((x, y, w, h))
        labels = Objects.of(boxes, [0, 1])
        return Sample(Path(f"{i}.png"), i, labels, Size(side, side), render=lambda: image)

    return Dataset(Path("made"), "test", tuple(sample(i) for i in range(count)), LABELS)


def begin(name, recipe, **options):
    config = replace(NETS[name], classes=2)
    return Training(config, recipe, LABELS, MACHINE, **options)


def nothing(_):
    """A report that nobody reads."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["yolov6n-v2", "yolov7-tiny"])
def test_a_handful_of_images_is_learned_by_heart(name, tmp_path):
    data = shapes(4)
    recipe = Recipe(
        input=64, epochs=100, batch=4, rate=3e-3, evaluate_every=100, plain=0.0, augment=STILL
    )
    training = begin(name, recipe)
    before = measure(training.average, data, LABELS, 64).metrics["AP"]
    train(training, Images(data, 64), data, tmp_path, nothing, nothing)
    assert before < 0.1
    assert training.best >= 0.9  # 0.96 to 1, by seeds
    best = checkpoint.read(tmp_path / "best.pt").network()
    assert measure(best, data, LABELS, 64).metrics["AP"] == pytest.approx(training.best)


def test_a_loss_that_is_no_number_ends_the_training(tmp_path):
    training = begin("yolov6n-v2", Recipe(input=64, epochs=2, batch=2))
    with torch.no_grad():
        training.net.backbone.stem.rbr_dense.conv.weight.fill_(torch.nan)
    with pytest.raises(CalibrationError, match="no longer a number in epoch 1"):
        train(training, Images(shapes(2), 64), shapes(2), tmp_path, nothing, nothing)


def test_distillation_without_a_teacher_is_refused():
    with pytest.raises(CalibrationError, match="head distillation needs a teacher"):
        begin("yolov6n-v2", Recipe(input=64, distill=("head",)))


@pytest.mark.parametrize("name", ["yolov6n-v2", "yolov7-tiny"])
def test_a_student_that_is_its_teacher_has_nothing_to_learn_from_it(name):
    recipe = Recipe(input=64, epochs=1, batch=2, distill=("head", "channel"))
    teacher = begin(name, Recipe(input=64)).net.train()
    training = begin(name, recipe, teacher=teacher)
    training.teacher.train()  # so that both normalize by the batch
    rows = training.run_epoch(Images(shapes(2), 64), nothing)
    assert rows["head"] == pytest.approx(0, abs=1e-4)
    assert rows["channel"] == pytest.approx(0, abs=1e-4)
    assert rows["box"] > 0.01


def test_a_student_comes_nearer_to_its_teacher():
    data = Images(shapes(2), 64)
    teacher = begin("yolov6n-v2", Recipe(input=64, seed=5)).net
    recipe = Recipe(
        input=64, epochs=12, batch=2, rate=3e-3, augment=STILL, distill=("head", "channel")
    )
    training = begin("yolov6n-v2", recipe, teacher=teacher)
    rows = []
    for _ in range(8):
        rows.append(training.run_epoch(data, nothing))
        training.rows.append(rows[-1])
    assert rows[-1]["channel"] < 0.7 * rows[0]["channel"]


def test_the_rate_rises_then_falls_to_its_last_share():
    training = begin("yolov6n-v2", Recipe(input=64, epochs=100, rate=1e-2, warm_up=10))
    rates = []
    for training.step in range(1000):
        rates.append(training._rate(10))
    assert rates[0] == pytest.approx(1e-4)
    assert rates[100] == pytest.approx(1e-2)
    assert rates[-1] == pytest.approx(1e-4, rel=1e-2)
    assert rates.index(max(rates)) in (99, 100)


def test_tensors_that_do_not_fit_are_passed_over():
    trained = begin("yolov6n-v2", Recipe(input=64, seed=3)).net
    other = replace(NETS["yolov6n-v2"], classes=7)
    training = Training(
        other, Recipe(input=64), tuple("abcdefg"), MACHINE, initial=trained.state_dict()
    )
    assert training.fitting == len(trained.state_dict()) - 6  # weights and biases of three levels
    ours, theirs = training.net.state_dict(), trained.state_dict()
    assert torch.equal(
        ours["backbone.stem.rbr_dense.conv.weight"], theirs["backbone.stem.rbr_dense.conv.weight"]
    )


SCRIPT = """
import sys
from pathlib import Path
import torch
from test_loop import begin, nothing, shapes
from calibration.train import checkpoint
from calibration.train.data import Images
from calibration.train.loop import train
from calibration.checkpoints.training_recipe import Recipe

out, data = Path(sys.argv[1]), shapes(6)
training = begin(sys.argv[2], Recipe(input=64, epochs=5, batch=2, evaluate_every=2))
if (out / "last.pt").exists():
    training.resume(checkpoint.read(out / "last.pt"), len(data))
show = lambda row: print(int(row["epoch"]), flush=True)
train(training, Images(data, 64), data, out, nothing, show)
"""


def start(out, name):
    out.mkdir(exist_ok=True)
    here = Path(__file__).parent
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(out), name],
        env={**os.environ, "PYTHONPATH": str(here)},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_result(tmp_path):
    with start(tmp_path / "whole", "yolov6n-v2") as whole:
        assert whole.communicate(timeout=250)[0].split() == ["1", "2", "3", "4", "5"]
    with start(tmp_path / "killed", "yolov6n-v2") as killed:
        assert [killed.stdout.readline().strip() for _ in range(2)] == ["1", "2"]
        time.sleep(0.2)  # into the third epoch
        killed.send_signal(signal.SIGKILL)
    with start(tmp_path / "killed", "yolov6n-v2") as again:
        epochs = again.communicate(timeout=250)[0].split()
    assert epochs in (["3", "4", "5"], ["4", "5"])
    one, other = (checkpoint.read(tmp_path / run / "last.pt") for run in ("whole", "killed"))
    for name, tensor in one.model.items():
        assert torch.equal(tensor, other.model[name]), name
    for name, tensor in one.state["net"].items():
        assert torch.equal(tensor, other.state["net"][name]), name


def test_a_training_is_not_resumed_on_other_data(tmp_path):
    recipe = Recipe(input=64, epochs=1, batch=2)
    training = begin("yolov6n-v2", recipe)
    train(training, Images(shapes(2), 64), shapes(2), tmp_path, nothing, nothing)
    saved = checkpoint.read(tmp_path / "last.pt")
    with pytest.raises(CalibrationError, match="began with 2 images, the data now has 3"):
        begin("yolov6n-v2", recipe).resume(saved, 3)


class Killed(Exception):
    pass


def kill(_):
    raise Killed


def test_a_rounded_training_learns_and_goes_on_where_it_was_killed(tmp_path):
    data, held_out = Images(shapes(4), 64), shapes(2)
    learned = begin("yolov6n-v2", Recipe(input=64, seed=3)).net.state_dict()
    recipe = Recipe(input=64, epochs=4, batch=2, rate=3e-3, augment=STILL, qat=True)

    def new():
        return begin("yolov6n-v2", recipe, initial=learned)

    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole = new()
    train(whole, data, held_out, tmp_path / "whole", nothing, nothing)
    assert whole.rows[-1]["box"] < 0.98 * whole.rows[0]["box"]  # 0.80 to 0.95, by seeds
    with pytest.raises(Killed):
        train(new(), data, held_out, tmp_path / "killed", nothing, kill)
    again = new()
    again.resume(checkpoint.read(tmp_path / "killed" / "last.pt"), len(data))
    assert again.epoch == 1
    train(again, data, held_out, tmp_path / "killed", nothing, nothing)
    one, other = (checkpoint.read(tmp_path / run / "last.pt") for run in ("whole", "killed"))
    for name, tensor in one.model.items():
        assert torch.equal(tensor, other.model[name]), name
    ranges = [name for name in one.model if name.endswith(".max_abs")]
    started = new()
    started.observe(data)
    before, averaged = started.net.state_dict(), started.average.state_dict()
    assert all(torch.equal(before[name], averaged[name]) for name in ranges)
    moved = [name for name in ranges if not torch.equal(one.model[name], before[name])]
    assert len(moved) > 0.9 * len(ranges) > 0


@pytest.mark.parametrize("name", ["yolov6n-v2", "yolov7-tiny"])
def test_what_a_rounded_training_leaves_is_the_deployed_network(name, tmp_path):
    learned = begin(name, Recipe(input=64, seed=3)).net
    recipe = Recipe(input=64, epochs=1, batch=2, rate=1e-7, qat=True)
    training = begin(name, recipe, initial=learned.state_dict())
    assert training.fitting == len(without_ranges(training.net.state_dict()))
    assert not training.machine.bf16
    train(training, Images(shapes(2), 64), shapes(2), tmp_path, nothing, nothing)
    best = checkpoint.read(tmp_path / "best.pt")
    assert not any(name.endswith(".max_abs") for name in best.model)
    net = best.network()
    assert net.deployed
    assert not any(isinstance(module, RoundedConv) for module in net.modules())
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        ours, before = net(x), learned.eval()(x)
    for result, expected in zip(ours, before, strict=True):  # nothing got lost on the way
        if name == "yolov6n-v2":
            result, expected = result.boxes, expected.boxes
        torch.testing.assert_close(result, expected, atol=1e-3, rtol=1e-3)
