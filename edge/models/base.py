"""What a family and a model declare."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from types import MappingProxyType
from typing import Literal, Protocol, TypeAlias

from edge.errors import ModelError
from edge.formats.ncnn_examples import Ending
from edge.types import AnyArray, Candidates, Color, Layout, Placement, Size, Tensor

Anchors = tuple[tuple[tuple[float, float], ...], ...]  # level, anchor, (width, height) in pixels
Part: TypeAlias = Literal[
    "boxes", "classes", "objectness", "centerness",  # of a box: 4 numbers, or a distribution each
    "sizes", "offsets",  # of a peak
    "score", "class_id", "image",  # of what was suppressed inside
]  # fmt: skip
_SIZES: Mapping[Part, int] = MappingProxyType({"boxes": 4, "sizes": 2, "offsets": 2})  # others: 1
Parts: TypeAlias = tuple[tuple[Part, ...], ...]
Score: TypeAlias = Literal["probability", "logit", "softmax"]
Unit: TypeAlias = Literal["pixels", "fractions", "cells"]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """From an image to the network input: value = (pixel - mean) * scale, pixel in 0-255.

    Attributes:
        color: Order of the input's channels.
        mean: Per channel, in that order; for one gray channel the first counts.
        scale: Per channel, likewise.
        pad: Pixel value around the image, per channel, likewise.
        placement: Where the image lies in the input; see `Letterbox.fit`.
    """

    color: Color = "RGB"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1 / 255, 1 / 255, 1 / 255)
    pad: tuple[int, int, int] = (114, 114, 114)
    placement: Placement = "center"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What must be known of a model besides its weights. Travels inside the model package.

    Attributes:
        family: Key into `edge.models.FAMILIES`.
        form: Which of the family's output forms this is; key into `Family.layouts`.
        input: Size of the network input.
        labels: Class names, by class id.
        strides: Input pixels per cell of each output level, in the order of the outputs.
        anchors: Per level, for anchor-based families; else empty.
        input_name: Name of the network's input tensor.
        output_names: Names of the output tensors, in the order that the decoder reads them.
        preprocessing: From an image to the network input.

    Example:
        >>> from edge import ModelSpec, Size
        >>> spec = ModelSpec("yolov6", "rows", Size(320, 320), labels=("bolt", "nut"))
        >>> str(spec.resized(Size(256, 416)).input)
        '256x416'
        >>> spec.resized(Size(250, 416))
        Traceback (most recent call last):
        ValueError: the input size of this model is a multiple of 32, got 250x416
    """

    family: str
    form: str
    input: Size
    labels: tuple[str, ...]
    strides: tuple[int, ...] = (8, 16, 32)
    anchors: Anchors = ()
    input_name: str = "images"
    output_names: tuple[str, ...] = ("output",)
    preprocessing: Preprocessing = field(default_factory=Preprocessing)

    def shape(self, layout: Layout) -> tuple[int, ...]:
        """Of the input, with a batch axis of 1."""
        channels = 1 if self.preprocessing.color == "GRAY" else 3
        if layout == "NHWC":
            return (1, self.input.height, self.input.width, channels)
        return (1, channels, self.input.height, self.input.width)

    def resized(self, size: Size) -> ModelSpec:
        """The same at another input size.

        Raises:
            ValueError: Its levels do not meet at such a size.
        """
        step = max(self.strides, default=1)
        if size.height % step or size.width % step:
            raise ValueError(f"the input size of this model is a multiple of {step}, got {size}")
        return replace(self, input=size)


@dataclass(frozen=True, slots=True)
class Scoring:
    """Which candidates are taken.

    Attributes:
        threshold: A candidate's score is greater than this.
        multi_label: Every class above the threshold, not only a box's best.
    """

    threshold: float
    multi_label: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputLayout(ABC):
    """How exports lay out their outputs: what `edge.models.layouts` decodes.

    A base class, not a protocol: all that its members say is data, and only `decode` differs.

    Attributes:
        parts: What the channels (or columns) of each output hold, in order. With `per_level`,
            the outputs come part by part, each of all levels.
        score: From what scores and objectness hold to a probability. Where there is objectness
            or centerness, the score is its product with the class's.
        unit: Of the boxes: pixels of the input, fractions of it, or cells of their level.
        per_level: There is one output of each part for each stride, and a stride at least.
        anchored: There are anchors for each stride.
        optional: How many of the last parts may be missing.
        suppress: Whether the candidates still need non-maximum suppression.
        every_class: Scoring is always multi-label: the network was trained so.
    """

    parts: Parts
    score: Score = "probability"
    unit: Unit = "pixels"
    per_level: bool = False
    anchored: bool = False
    optional: int = 0
    suppress: bool = True
    every_class: bool = False

    @abstractmethod
    def decode(self, outputs: Sequence[Tensor], spec: ModelSpec, scoring: Scoring) -> Candidates:
        """The candidates whose score is above the threshold, in input pixels.

        Args:
            outputs: In the order of `ModelSpec.output_names`, batch axis included or not.
            spec: What the outputs belong to.
            scoring: Which candidates are taken.

        Raises:
            ModelError: The outputs do not have the shapes that the spec promises.
        """

    def channels(self, index: int, count: int, classes: int) -> dict[Part, slice] | None:
        """Which channels of an output, of one anchor where there are anchors, hold what.

        Args:
            index: Of the output's entry in `parts`.
            count: Number of its channels.
            classes: Number of labels.

        Returns:
            Slices by part, or None where such a number of channels does not hold the parts.
        """
        parts = self.parts[index]
        sizes = {part: _SIZES.get(part, 1) for part in parts}
        if "classes" in sizes:
            sizes["classes"] = classes
        if "boxes" in sizes:  # the rest
            sizes["boxes"] += count - sum(sizes.values())
        boxes = sizes.get("boxes", 4)
        if sum(sizes.values()) != count or boxes < 4 or boxes % 4:
            return None
        ends = list(accumulate(sizes.values()))
        return {part: slice(end - sizes[part], end) for part, end in zip(parts, ends, strict=True)}

    def check(self, spec: ModelSpec) -> None:
        """Check that a model declares the outputs, strides and anchors that are read here.

        Raises:
            ModelError: It does not; says what was found and what is wanted.
        """
        name, levels = f"{spec.family} {spec.form}", len(spec.strides)
        if self.per_level and not levels:
            raise ModelError(f"{name} needs strides, there are none")
        count = len(self.parts)
        allowed = [
            n * (levels if self.per_level else 1) for n in range(count - self.optional, count + 1)
        ]
        if len(spec.output_names) not in allowed:
            counts = " or ".join(map(str, allowed))
            strides = f" for {levels} strides" if self.per_level else ""
            raise ModelError(
                f"{name} reads {counts} outputs{strides}, got {len(spec.output_names)}"
            )
        if self.anchored and (len(spec.anchors) != levels or not all(spec.anchors)):
            counts = ", ".join(str(len(level)) for level in spec.anchors) or "none"
            raise ModelError(f"{name} needs anchors for each of {levels} strides, got {counts}")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a model shows when it runs once, on a plain gray image.

    Attributes:
        input_name: Name of its input.
        input: Size of the network input.
        outputs: Name to value, without the batch axis where it is 1.
        chosen: Whether the user named the family that looks at it: it then also takes what could
            as well be another's.
        ending: What the detection layer said that stood behind the outputs in the file.
        signs: What else the file shows: "focus" or "no focus", whether the network begins with the
            four quarters of the image's pixels; "six", it begins with a convolution of 6x6;
            "leaky", its first activation is one that darknet uses; "image_arrays", a name that
            YOLOv6 gives.
        left_out: Outputs of the file that hold nothing new, and are not among `outputs`.
    """

    input_name: str
    input: Size
    outputs: Mapping[str, AnyArray]
    chosen: bool = False
    ending: Ending | None = None
    signs: frozenset[str] = frozenset()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a family concludes from what a model shows.

    Attributes:
        form: Key into `Family.layouts`.
        classes: Number of classes; None where the outputs do not tell.
        outputs: Names, in the order that the decoder reads them.
        evidence: What was seen, as a phrase.
        strides: As in `ModelSpec`.
        anchors: As in `ModelSpec`.
        labels: Of the released models, where nothing else names the classes and they are not
            COCO's 80.
    """

    form: str
    classes: int | None
    outputs: tuple[str, ...]
    evidence: str
    strides: tuple[int, ...] = ()
    anchors: Anchors = ()
    labels: tuple[str, ...] | None = None


class Recognize(Protocol):
    """Looks at a model's outputs."""

    def __call__(self, probe: Seen) -> Recognition | None:
        """What this family makes of them, or None when they are not its own."""


@dataclass(frozen=True, slots=True)
class Family:
    """A detector family: how to recognize and how to read its outputs.

    Attributes:
        name: As written in model metadata.
        layouts: Of the outputs, by the name of the form that has them.
        recognize: From what a model shows to a form.
        input: Usual input size.
        preprocessing: Usual preprocessing.
        source: Where the arithmetic comes from.
    """

    name: str
    layouts: Mapping[str, OutputLayout]
    recognize: Recognize
    input: Size
    preprocessing: Preprocessing
    source: str
