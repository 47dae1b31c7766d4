"""What is known of a model, from whom: the user first, then its file, then its family.

Each function gives a fact, where it is from as `Package.sources` says it, and that in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from edge.errors import ModelError
from edge.models import coco
from edge.models.base import Anchors, Preprocessing
from edge.models.metadata import Facts
from edge.types import Color, Placement, Size

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the user says of a model; what is None is concluded.

    Attributes:
        family: Key into `edge.models.FAMILIES`.
        input: Size of the network input.
        labels: Class names.
        anchors: Width and height of each anchor in input pixels, one after the other, in the order
            of the file's outputs.
        color: Order of the input's channels.
        mean: Per channel in that order, subtracted from pixels of 0 to 255.
        std: Per channel; what is left is divided by it. Where all of mean and std are at most 1,
            both are fractions of 255.
        letterbox: Where the image lies in the input.
        pad: Pixel value around it, per channel.
        name: Of the package.
        license: Of the weights.
    """

    family: str | None = None
    input: Size | None = None
    labels: tuple[str, ...] | None = None
    anchors: tuple[float, ...] | None = None
    color: Color | None = None
    mean: Triple | None = None
    std: Triple | None = None
    letterbox: Placement | None = None
    pad: tuple[int, int, int] | None = None
    name: str | None = None
    license: str | None = None

    @property
    def reads(self) -> bool:
        """Whether anything is said of how the file is read: more than size, name and license."""
        return replace(self, name=None, license=None, input=None) != Overrides()


def labels(
    classes: int | None,
    overrides: Overrides,
    facts: Facts,
    *,
    usual: tuple[str, ...] | None = None,
) -> tuple[tuple[str, ...], str, str]:
    """The class names.

    Args:
        classes: How many the outputs have; None where they do not tell.
        overrides: What the user says.
        facts: What the file says.
        usual: Of the family's released models, where it has names of its own.

    Raises:
        ModelError: There are others than the outputs have.
    """
    for names, source, who in (
        (overrides.labels, "option", "named by the caller"),
        (facts.labels, "file", "named by its metadata"),
    ):
        if names is not None:
            if classes not in (None, len(names)):
                raise ModelError(f"the model has {classes} classes, got {len(names)} labels")
            return names, source, f"{len(names)} classes, {who}"
    if facts.label_file is not None and classes in (None, len(facts.label_file)):
        names = _unique(facts.label_file)
        return names, "file", f"{len(names)} classes, named by a file of labels in it"
    if usual:
        return usual, "assumed", f"{len(usual)} classes: taken for COCO's ids"
    if classes in (None, len(coco.LABELS)):
        return coco.LABELS, "assumed", f"{len(coco.LABELS)} classes: taken for COCO's"
    if classes == len(coco.LABELS_BY_CATEGORY):
        why = f"{classes} classes: taken for COCO's category ids"
        return coco.LABELS_BY_CATEGORY, "assumed", why
    names = tuple(f"class {i}" for i in range(classes or 0))
    return names, "assumed", f"{classes} classes, without names; --labels names them"


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    """Names that stand for no class, such as ??? for the gaps in COCO's ids, by their number."""
    return tuple(
        name if name and names.count(name) == 1 else f"class {i}" for i, name in enumerate(names)
    )


def anchors(
    family: str,
    usual: Anchors,
    overrides: Overrides,
    declared: Anchors | None,
    order: Sequence[int],
) -> tuple[Anchors, str, str]:
    """The anchors by level, for families that have them.

    Args:
        family: Its name.
        usual: What it has where nothing is said; empty for families without.
        overrides: What the user says.
        declared: What the file says.
        order: The place in the file of each level's output.

    Raises:
        ModelError: Others are said than the outputs have levels and anchors.
    """
    shape = [len(level) for level in usual]
    if overrides.anchors is not None:
        if not usual:
            raise ModelError(f"--anchors: {family} has none in this form")
        return _asked(overrides.anchors, shape, order), "option", "anchors: named by the caller"
    if not usual:
        return (), "", ""
    if declared is not None:
        if [len(level) for level in declared] != shape:
            raise ModelError(
                f"its metadata hold {sum(map(len, declared))} anchors in "
                f"{len(declared)} levels, its outputs want {sum(shape)} in {len(shape)}"
            )
        return declared, "file", f"anchors {_text(declared)}: named by its metadata"
    return usual, "family", f"anchors {_text(usual)}: the usual ones of {family}, the file has none"


def _asked(numbers: Sequence[float], shape: Sequence[int], order: Sequence[int]) -> Anchors:
    if len(numbers) != 2 * sum(shape):
        raise ModelError(
            f"--anchors: {len(numbers)} numbers, wanted {2 * sum(shape)}: width and height of "
            f"{' + '.join(map(str, shape))} anchors"
        )
    pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
    by_file = sorted(range(len(shape)), key=lambda level: order[level])
    ends = list(accumulate(shape[level] for level in by_file))
    groups = {
        level: tuple(pairs[end - shape[level] : end])
        for level, end in zip(by_file, ends, strict=True)
    }
    return tuple(groups[level] for level in range(len(shape)))


def _text(levels: Anchors) -> str:
    return ", ".join(" ".join(f"{w:g},{h:g}" for w, h in level) for level in levels)


def preprocessing(
    family: str, usual: Preprocessing, overrides: Overrides, *, channels: int
) -> tuple[Preprocessing, dict[str, str], tuple[str, ...]]:
    """What becomes of an image before the network sees it.

    Args:
        family: Its name.
        usual: What it has where nothing is said.
        overrides: What the user says.
        channels: Of the network's input; one is gray.

    Returns:
        The preprocessing, the sources of its facts, and sentences.

    Raises:
        ModelError: A color is said that the input has no channels for.
    """
    color = overrides.color or ("GRAY" if channels == 1 else usual.color)
    if (color == "GRAY") != (channels == 1):
        channel_count = "one channel" if channels == 1 else f"{channels} channels"
        raise ModelError(f"--color {color.lower()}: the input has {channel_count}")
    mean, scale, pad = usual.mean, usual.scale, usual.pad
    if {color, usual.color} == {"RGB", "BGR"}:  # each color keeps its numbers
        mean, scale, pad = mean[::-1], scale[::-1], pad[::-1]
    scaled, words = _scaled(overrides)
    mean = scaled.mean or mean
    scale = tuple(1 / s for s in scaled.std) if scaled.std else scale  # type: ignore[assignment]
    result = Preprocessing(
        color, mean, scale, overrides.pad or pad, overrides.letterbox or usual.placement
    )
    origins = {
        "color": overrides.color or ("file" if channels == 1 else None),
        "mean": overrides.mean,
        "std": overrides.std,
        "letterbox": overrides.letterbox,
        "pad": overrides.pad,
    }
    sources = {
        fact: "file" if value == "file" else "family" if value is None else "option"
        for fact, value in origins.items()
    }
    assumed = [fact for fact, source in sources.items() if source == "family"]
    if assumed:
        words = (*words, f"{', '.join(assumed)}: as usual for {family}, no file tells them")
    return result, sources, words


def _scaled(overrides: Overrides) -> tuple[Overrides, tuple[str, ...]]:
    """Mean and std of 0 to 255."""
    given = [value for triple in (overrides.mean, overrides.std) if triple for value in triple]
    if not given or max(given) > 1:
        return overrides, ()
    mean, std = (
        (triple[0] * 255, triple[1] * 255, triple[2] * 255) if triple else None
        for triple in (overrides.mean, overrides.std)
    )
    words = ("mean and std are at most 1, so they are taken for fractions of 255",)
    return replace(overrides, mean=mean, std=std), words
