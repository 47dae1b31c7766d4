"""The training loop."""

from __future__ import annotations

import copy
import itertools
import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from calibration.checkpoints.training_recipe import Recipe, without_ranges
from calibration.nets.config import Config, YOLOv6
from calibration.nets.fold import fold
from calibration.nets.network import network
from calibration.train import checkpoint, distill, history, yolov6, yolov7
from calibration.train.checkpoint import Checkpoint
from calibration.train.data import Images, batches
from calibration.train.measure import measure
from calibration.train.rounding import observe, round_network
from calibration.train.targets import Targets
from edge.errors import CalibrationError
from edge.io.datasets import Dataset

Row: TypeAlias = dict[str, float]

_NORM_MOMENTUM = 0.03  # of batch normalization's statistics, late in a training
_OBSERVED = 8  # batches by which ranges begin
_PACE = 100.0  # ranges are logarithms: they learn so many times as fast as weights


@dataclass(frozen=True, slots=True)
class Machine:
    """What a training runs on.

    Attributes:
        device: "cpu" or "cuda".
        threads: Of the CPU.
        bf16: Whether convolutions compute in bfloat16.
    """

    device: str = "cpu"
    threads: int = 2
    bf16: bool = True

    def arithmetic(self) -> AbstractContextManager[Any]:
        """The context in which networks run."""
        return torch.autocast(self.device, torch.bfloat16, enabled=self.bf16)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training is.

    Attributes:
        epoch: From 0.
        step: Steps of this epoch that are done.
        steps: Steps of an epoch.
        rate: Images a second in this epoch.
        losses: Means of this epoch.
    """

    epoch: int
    step: int
    steps: int
    rate: float
    losses: Mapping[str, float]


class Training:
    """A network and all that changes while it is trained.

    Args:
        config: The network; its classes are those of `labels`.
        recipe: What to do.
        labels: Names by class id.
        machine: Where.
        initial: Tensors to begin with, by name; those that do not fit are passed over. With
            `recipe.qat` those of a network in whatever form.
        teacher: In evaluation mode, for `recipe.distill`.
    """

    def __init__(
        self,
        config: Config,
        recipe: Recipe,
        labels: tuple[str, ...],
        machine: Machine,
        *,
        initial: Mapping[str, Tensor] | None = None,
        teacher: nn.Module | None = None,
    ) -> None:
        if recipe.distill and teacher is None:
            raise CalibrationError(f"{', '.join(recipe.distill)} distillation needs a teacher")
        self.config, self.recipe, self.labels = config, recipe, labels
        # Codes times their step need more bits than bfloat16 has.
        self.machine = replace(machine, bf16=machine.bf16 and not recipe.qat)
        self.net = network(config, deployed=recipe.qat, seed=recipe.seed).train()
        self.fitting = _load_fitting(self.net, _folded(initial) if recipe.qat else initial or {})
        if recipe.qat:
            round_network(self.net)
        self.net.to(machine.device)
        self.average = copy.deepcopy(self.net).eval().requires_grad_(False)
        self.teacher = None if teacher is None else teacher.to(machine.device).eval()
        learned = {name: p for name, p in self.net.named_parameters() if p.requires_grad}
        plain = without_ranges(learned)
        groups: list[dict[str, Any]] = [
            {
                "params": [p for p in plain.values() if p.ndim > 1],
                "weight_decay": recipe.weight_decay,
            },
            {"params": [p for p in plain.values() if p.ndim <= 1], "weight_decay": 0.0},
        ]
        if recipe.qat:
            ranges = [p for name, p in learned.items() if name not in plain]
            groups.append({"params": ranges, "weight_decay": 0.0, "pace": _PACE})
        self.optimizer = torch.optim.AdamW(groups, lr=0.0)
        self._norms = [m for m in self.net.modules() if isinstance(m, nn.BatchNorm2d)]
        self.rows: list[Row] = []  # one for each epoch done
        self.step = 0
        self.best = -1.0

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.rows)

    def resume(self, saved: Checkpoint, images: int) -> None:
        """Take up a training where its last checkpoint left it.

        Raises:
            CalibrationError: That was another number of images.
        """
        state = saved.state
        if state["images"] != images:
            raise CalibrationError(
                f"the training began with {state['images']} images, the data now has "
                f"{images}; use the same data, or begin again with --weights"
            )
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(dict(saved.model))
        self.optimizer.load_state_dict(state["optimizer"])
        self.rows, self.step = history.loads(state["rows"]), state["step"]
        self.best = state["best"]

    def observe(self, photos: Images) -> None:
        """Before the first epoch of a training with `recipe.qat`: what values there are."""
        made = batches(photos, self.recipe, 0, threads=min(self.machine.threads, 4))
        device = self.machine.device
        subset = itertools.islice(made, _OBSERVED)
        observe(self.net, (images.to(device).float() / 255 for images, _ in subset))
        self.average.load_state_dict(self.net.state_dict())

    def run_epoch(self, photos: Images, report: Callable[[Progress], None]) -> Row:
        """One pass over the images.

        Raises:
            CalibrationError: The loss is no longer a number.
        """
        steps = math.ceil(len(photos) / self.recipe.batch)
        sums: dict[str, float] = {}
        start, done = time.monotonic(), 0
        made = batches(photos, self.recipe, self.epoch, threads=min(self.machine.threads, 4))
        for i, (images, targets) in enumerate(made):
            for name, value in self._step(images, targets, steps).items():
                sums[name] = sums.get(name, 0.0) + value
            done += len(images)
            means = {name: value / (i + 1) for name, value in sums.items()}
            if not all(map(math.isfinite, means.values())):
                raise CalibrationError(
                    f"the loss is no longer a number in epoch {self.epoch + 1}: {means}; "
                    "try a lower rate"
                )
            rate = done / (time.monotonic() - start)
            report(Progress(self.epoch, i + 1, steps, rate, means))
        return {name: value / steps for name, value in sums.items()}

    def _step(self, images: Tensor, targets: Targets, steps: int) -> dict[str, float]:
        device = self.machine.device
        x = images.to(device).float() / 255
        targets = Targets(*(column.to(device) for column in targets))
        rate = self._rate(steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("pace", 1.0)
        for norm in self._norms:
            norm.momentum = max(_NORM_MOMENTUM, 1 - self._kept())
        with self.machine.arithmetic():
            features = self.net.features(x)
            levels = _head(self.net)(features)
        parts = self._losses(levels, targets)
        if self.teacher is not None:
            parts |= self._distilled(x, features, levels, steps)
        total = torch.stack(list(parts.values())).sum()
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), self.recipe.clip)
        self.optimizer.step()
        self.step += 1
        self._update_average()
        return {name: part.item() for name, part in parts.items()}

    def _losses(self, levels: Any, targets: Targets) -> dict[str, Tensor]:
        if isinstance(self.config, YOLOv6):
            return yolov6.loss(levels, targets, self.recipe.box_loss)
        anchors = torch.tensor(self.config.anchors, device=self.machine.device)
        return yolov7.loss(levels, anchors, targets)

    def _distilled(self, x: Tensor, features: Any, levels: Any, steps: int) -> dict[str, Tensor]:
        """The losses against the teacher, which fade as the student learns from the labels."""
        done = self.step / (steps * self.recipe.epochs)
        weight = self.recipe.distill_weight * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)
        assert self.teacher is not None
        with torch.no_grad(), self.machine.arithmetic():
            theirs = self.teacher.features(x)
            outputs = _head(self.teacher)(theirs)
        parts = {}
        if "channel" in self.recipe.distill:
            apart = distill.channel_wise(theirs, features)
            parts["channel"] = weight * distill.CHANNEL_WEIGHT * apart
        if "head" in self.recipe.distill:
            parts["head"] = weight * distill.head(outputs, levels)
        return parts

    def _rate(self, steps: int) -> float:
        total = steps * self.recipe.epochs
        warm = min(max(50.0, self.recipe.warm_up * steps), total / 4)
        if self.step < warm:
            return self.recipe.rate * (self.step + 1) / warm
        done = (self.step - warm) / max(1.0, total - warm)
        low = self.recipe.last_rate
        return self.recipe.rate * (low + (1 - low) * (1 + math.cos(math.pi * done)) / 2)

    def _kept(self) -> float:
        """Share that an average over the steps keeps: small at first, so that it follows."""
        return min(self.recipe.ema, (1 + self.step) / (10 + self.step))

    @torch.no_grad()
    def _update_average(self) -> None:
        keep = self._kept()
        now = self.net.state_dict()
        for name, tensor in self.average.state_dict().items():
            if tensor.is_floating_point():
                tensor.lerp_(now[name], 1 - keep)
            else:
                tensor.copy_(now[name])

    def checkpoint(self, images: int | None = None) -> Checkpoint:
        """The training as it stands; without the number of images, only the network."""
        state: dict[str, Any] = {}
        if images is not None:
            state = {
                "net": self.net.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "rows": history.dumps(self.rows),
                "step": self.step,
                "best": self.best,
                "images": images,
            }
        averaged = {name: t.cpu() for name, t in self.average.state_dict().items()}
        if images is None:
            averaged = without_ranges(averaged)
        return Checkpoint(self.config, self.recipe, self.labels, averaged, state)


def train(
    training: Training,
    images: Images,
    held_out: Dataset,
    out: Path,
    report: Callable[[Progress], None],
    finished: Callable[[Row], None],
) -> None:
    """Train to the end, leaving `last.pt`, `best.pt`, `log.csv` and `curve.svg` in a folder.

    Args:
        training: New or taken up again.
        images: To learn from.
        held_out: To choose the best epoch by, with the class ids of the network.
        out: The folder, which exists.
        report: Called after each step.
        finished: Called after each epoch, with its row of `log.csv`.

    Raises:
        CalibrationError: The loss is no longer a number.
        DataError: An image cannot be read.
    """
    recipe = training.recipe
    torch.set_num_threads(training.machine.threads)
    if recipe.qat and not training.rows:
        training.observe(images)
    while training.epoch < recipe.epochs:
        epoch, wall, cpu = training.epoch, time.monotonic(), time.process_time()
        row: Row = {"epoch": epoch + 1, **training.run_epoch(images, report)}
        better = False
        if recipe.evaluates(epoch):
            net = copy.deepcopy(training.average).cpu()
            metrics = measure(net, held_out, training.labels, recipe.input).metrics
            row |= {name: metrics[name] for name in ("AP", "AP50")}
            better = metrics["AP"] > training.best
            training.best = max(training.best, metrics["AP"])
        row |= {"seconds": time.monotonic() - wall, "cpu_seconds": time.process_time() - cpu}
        training.rows.append(row)
        if better:
            checkpoint.write(training.checkpoint(), out / "best.pt")
        checkpoint.write(training.checkpoint(len(images)), out / "last.pt")
        history.write(training.rows, out)
        finished(row)


def _head(net: nn.Module) -> nn.Module:
    return net.detect if isinstance(net.config, YOLOv6) else net.model[-1]


def _folded(tensors: Mapping[str, Tensor] | None) -> dict[str, Tensor]:
    state = {name: t.float().numpy() for name, t in (tensors or {}).items()}
    return {name: torch.from_numpy(values) for name, values in fold(state).items()}


def _load_fitting(net: nn.Module, tensors: Mapping[str, Tensor]) -> int:
    """Take over the tensors that fit by name and shape. Returns how many."""
    own = net.state_dict()
    fitting = {k: v for k, v in tensors.items() if k in own and own[k].shape == v.shape}
    net.load_state_dict({**own, **fitting})
    return len(fitting)
