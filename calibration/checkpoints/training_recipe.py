"""What a training does: plain values, readable without torch, kept in every checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, TypeVar

from calibration.nets.config import STRIDES, Config, YOLOv6, YOLOv7Tiny
from edge.errors import CalibrationError, ModelError

T = TypeVar("T")

BoxLoss = Literal["giou", "siou", "ciou"]


@dataclass(frozen=True, slots=True)
class Augment:
    """How an image is changed before the network sees it.

    Attributes:
        mosaic: Probability that four images are joined into one.
        scale: An image's size is multiplied by 1 - scale to 1 + scale.
        shift: A single image moves by up to this share of the input.
        flip_horizontal: Probability.
        flip_vertical: Probability; for images without an up and down.
        hue: Change at most, as a share of the color circle.
        saturation: Saturation is multiplied by 1 - this to 1 + this.
        value: Brightness, likewise.
    """

    mosaic: float = 1.0
    scale: float = 0.5
    shift: float = 0.1
    flip_horizontal: float = 0.5
    flip_vertical: float = 0.0
    hue: float = 0.015
    saturation: float = 0.7
    value: float = 0.4


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training. The same recipe on the same data and machine gives the same weights.

    Attributes:
        input: Side of the square network input, a multiple of 32.
        epochs: Passes over the images.
        batch: Images in a step; the last, smaller batch of an epoch is used too.
        rate: Highest learning rate of AdamW.
        last_rate: What is left of it at the end, as a share; a cosine leads there.
        warm_up: Epochs in which the rate rises from 0 (at least 50 steps).
        weight_decay: Of convolution weights only.
        clip: Largest norm of the gradients of a step.
        ema: Share of the averaged weights that a late step keeps.
        plain: Share of the epochs, at the end, without mosaic.
        box_loss: Of YOLOv6. YOLOv7 takes "ciou".
        seed: Of weights, order and augmentation.
        evaluate_every: Epochs between two evaluations; the last epochs are all evaluated.
        augment: How images are changed.
        distill: Losses against a teacher: "head", "channel".
        distill_weight: Of those losses at the start; a cosine takes it down to a hundredth.
        qat: Train the deployed form, in the arithmetic of INT8.
    """

    input: int = 320
    epochs: int = 100
    batch: int = 16
    rate: float = 2e-3
    last_rate: float = 0.01
    warm_up: float = 3.0
    weight_decay: float = 0.025
    clip: float = 10.0
    ema: float = 0.9999
    plain: float = 0.1
    box_loss: BoxLoss = "giou"
    seed: int = 0
    evaluate_every: int = 5
    augment: Augment = field(default_factory=Augment)
    distill: tuple[str, ...] = ()
    distill_weight: float = 1.0
    qat: bool = False

    def __post_init__(self) -> None:
        if self.input % STRIDES[-1] or self.input < STRIDES[-1]:
            raise CalibrationError(f"the input is a multiple of {STRIDES[-1]}, got {self.input}")
        if min(self.epochs, self.batch, self.evaluate_every) < 1:
            raise CalibrationError("epochs, batch and evaluate_every are at least 1")

    def mosaics(self, epoch: int) -> bool:
        """Whether mosaics are still made in an epoch, counted from 0."""
        return epoch < self.epochs - round(self.epochs * self.plain)

    def evaluates(self, epoch: int) -> bool:
        """Whether an epoch, counted from 0, ends with an evaluation."""
        left = self.epochs - 1 - epoch
        return left % self.evaluate_every == 0 or left < min(5, self.epochs * self.plain)


def dumps(config: Config, recipe: Recipe, labels: tuple[str, ...]) -> str:
    """A network and how it is trained, as JSON."""
    kind = "yolov6" if isinstance(config, YOLOv6) else "yolov7-tiny"
    return json.dumps(
        {"net": {"kind": kind, **asdict(config)}, "recipe": asdict(recipe), "labels": labels}
    )


def loads(text: str, name: str) -> tuple[Config, Recipe, tuple[str, ...]]:
    """What `dumps` wrote.

    Args:
        text: The JSON.
        name: Of the file, for messages.

    Raises:
        ModelError: It is something else.
    """
    try:
        values = json.loads(text)
        net = dict(values["net"])
        kind = net.pop("kind")
        config: Config
        if kind == "yolov6":
            config = _make(YOLOv6, net)
        elif kind == "yolov7-tiny":
            anchors = tuple(tuple((w, h) for w, h in level) for level in net["anchors"])
            config = _make(YOLOv7Tiny, {**net, "anchors": anchors})
        else:
            raise ValueError(f"unknown network {kind!r}")
        recipe = dict(values["recipe"])
        recipe["augment"] = _make(Augment, recipe["augment"])
        recipe["distill"] = tuple(recipe["distill"])
        return config, _make(Recipe, recipe), tuple(str(label) for label in values["labels"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{name}: not a checkpoint of this project: {error}") from error


def without_ranges(tensors: Mapping[str, T]) -> dict[str, T]:
    """The tensors of the network alone: a training in INT8 keeps the ranges of inputs with them.

    Args:
        tensors: By name. A range is `max_abs` of a convolution, see `calibration.train.rounding`.
    """
    return {
        name: tensor for name, tensor in tensors.items() if name.rpartition(".")[2] != "max_abs"
    }


def _make(kind: type[T], values: Mapping[str, Any]) -> T:
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    if unknown := values.keys() - known:
        raise ValueError(f"unknown {', '.join(sorted(unknown))}")
    return kind(**values)
