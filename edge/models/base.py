"""What a family and a model declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from edge.errors import ModelError
from edge.types import AnyArray, Candidates, Colour, Placement, Size, Tensor

Anchors = tuple[tuple[tuple[float, float], ...], ...]  # level, anchor, (width, height) in pixels


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """From an image to the network input: value = (pixel - mean) * scale, pixel in 0-255.

    Attributes:
        colour: Order of the input's channels.
        mean: Per channel, in that order.
        scale: Per channel, in that order.
        pad: Pixel value around the image, per channel, in that order.
        placement: Where the image lies in the input; see `Letterbox.fit`.
    """

    colour: Colour = "RGB"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1 / 255, 1 / 255, 1 / 255)
    pad: tuple[int, int, int] = (114, 114, 114)
    placement: Placement = "centre"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What must be known of a model besides its weights. Travels inside the model package.

    Attributes:
        family: Key into `edge.models.FAMILIES`.
        form: Which of the family's output forms this is; key into `Family.forms`.
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

    def resized(self, size: Size) -> ModelSpec:
        """The same at another input size.

        Raises:
            ValueError: Its levels do not meet at such a size.
        """
        step = max(self.strides, default=1)
        if size.height % step or size.width % step:
            raise ValueError(f"the input size of this model is a multiple of {step}, got {size}")
        return replace(self, input=size)


class Decode(Protocol):
    """Reads raw outputs."""

    def __call__(
        self,
        outputs: Sequence[Tensor],
        spec: ModelSpec,
        *,
        score_threshold: float,
        multi_label: bool = False,
    ) -> Candidates:
        """The candidates whose score is above the threshold, in input pixels.

        Args:
            outputs: In the order of `ModelSpec.output_names`, batch axis included or not.
            spec: What the outputs belong to.
            score_threshold: A candidate's score is greater than this.
            multi_label: Every class above the threshold, not only a box's best.

        Raises:
            ModelError: The outputs do not have the shapes that the spec promises.
        """


@dataclass(frozen=True, slots=True)
class Form:
    """One way in which a family's exports lay out their outputs.

    Attributes:
        decode: Reads it.
        suppress: Whether the candidates still need non-maximum suppression.
        outputs: The numbers of outputs that `decode` takes.
        per_level: They are those of each stride, and there is a stride at least.
        anchored: There are anchors for each stride.
    """

    decode: Decode
    suppress: bool = True
    outputs: tuple[int, ...] = (1,)
    per_level: bool = False
    anchored: bool = False

    def check(self, spec: ModelSpec) -> None:
        """Check that a model declares the outputs, strides and anchors that its form reads.

        Raises:
            ModelError: It does not; says what was found and what is wanted.
        """
        name, levels = f"{spec.family} {spec.form}", len(spec.strides)
        if self.per_level and not levels:
            raise ModelError(f"{name} needs strides, there are none")
        wanted = [count * (levels if self.per_level else 1) for count in self.outputs]
        if len(spec.output_names) not in wanted:
            counts = " or ".join(map(str, wanted))
            strides = f" for {levels} strides" if self.per_level else ""
            raise ModelError(
                f"{name} reads {counts} outputs{strides}, got {len(spec.output_names)}"
            )
        if self.anchored and (len(spec.anchors) != levels or not all(spec.anchors)):
            counts = ", ".join(str(len(level)) for level in spec.anchors) or "none"
            raise ModelError(f"{name} needs anchors for each of {levels} strides, got {counts}")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a model shows when it runs once, on a plain grey picture.

    Attributes:
        input_name: Name of its input.
        input: Size of the network input.
        outputs: Name to value, without the batch axis where it is 1.
        chosen: Whether the user named the family that looks at it: it then also takes what could
            as well be another's.
    """

    input_name: str
    input: Size
    outputs: Mapping[str, AnyArray]
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a family concludes from what a model shows.

    Attributes:
        form: Key into `Family.forms`.
        classes: Number of classes; None where the outputs do not tell.
        outputs: Names, in the order that the decoder reads them.
        evidence: What was seen, as a phrase.
        strides: As in `ModelSpec`.
        anchors: As in `ModelSpec`.
    """

    form: str
    classes: int | None
    outputs: tuple[str, ...]
    evidence: str
    strides: tuple[int, ...] = ()
    anchors: Anchors = ()


class Recognise(Protocol):
    """Looks at a model's outputs."""

    def __call__(self, seen: Seen) -> Recognition | None:
        """What this family makes of them, or None when they are not its own."""


@dataclass(frozen=True, slots=True)
class Family:
    """A detector family: how to recognise and how to read its outputs.

    Attributes:
        name: As written in model metadata.
        forms: The output forms, by name.
        recognise: From what a model shows to a form.
        input: Usual input size.
        preprocessing: Usual preprocessing.
        source: Where the arithmetic comes from.
    """

    name: str
    forms: Mapping[str, Form]
    recognise: Recognise
    input: Size
    preprocessing: Preprocessing
    source: str
