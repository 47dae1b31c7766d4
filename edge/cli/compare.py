"""`edge eval --compare A B`: two ways to run a model, or two models, on the same images."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

from edge.backends import BACKENDS
from edge.backends.base import Precision
from edge.cli import UsageError, options
from edge.cli.collect import Collected, collect, describe, for_model
from edge.evaluate import Agreement, agreement
from edge.evaluate.bootstrap import Difference, differences
from edge.io.datasets import Dataset
from edge.redaction import masked, redacted
from edge.text import printable
from edge.types import Detections

_PRECISIONS: tuple[Precision, ...] = get_args(Precision)
_ENOUGH = 20  # objects: the interval of a class with fewer is shown, not relied on
_SIZES = ("AP50", "APs", "APm", "APl")


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two.

    Attributes:
        name: As it was given.
        model: Path of the package or model file.
        backend: None: the package's first.
        precision: None: the artifact's own.
    """

    name: str
    model: Path
    backend: str | None
    precision: Precision | None

    @classmethod
    def parse(cls, text: str, model: Path | None) -> Side:
        """Read PATH, PATH@BACKEND-PRECISION, or BACKEND-PRECISION of `model`.

        Of a backend and a precision, either may be left out.

        Raises:
            ValueError: It has another form, or needs `--model`.
        """
        path, at, artifact = text.rpartition("@")
        words = artifact.split("-")
        if not (at or _is_artifact(words)):
            return cls(text, Path(text), None, None)
        if not _is_artifact(words):
            raise ValueError(
                "--compare: after @ comes BACKEND, PRECISION or BACKEND-PRECISION, got "
                f"{masked(text)!r}"
            )
        if not at and model is None:
            raise ValueError(f"--compare {text}: of which model? --model names it")
        backend = next((word for word in words if word in BACKENDS), None)
        precision = next((word for word in _PRECISIONS if word in words), None)
        return cls(text, Path(path) if at else model or Path(), backend, precision)


def run(args: argparse.Namespace, dataset: Dataset) -> int:
    """Evaluate both and their difference. Returns 0, or 1 when an image could not be used."""
    if args.backend or args.precision:
        raise UsageError("with --compare, backends and precisions are part of A and B")
    if args.save is not None or args.curves is not None:
        raise UsageError("--save and --curves are for one model, not for --compare")
    try:
        sides = [Side.parse(text, args.model) for text in args.compare]
    except ValueError as error:
        raise UsageError(str(error)) from error
    describe(dataset)
    collected: list[Collected] = []
    labels: list[tuple[str, ...]] = []
    effects: list[dict[str, object]] = []
    for side in sides:
        print(f"{printable(redacted(side.name))}:", file=sys.stderr)
        one = argparse.Namespace(**vars(args))
        one.model, one.backend, one.precision = side.model, side.backend, side.precision
        with options.load_detector(one, multi_label=True) as detector:
            labels.append(detector.spec.labels)
            if labels[0] != labels[-1]:
                raise UsageError("--compare: the two models do not have the same classes")
            collected.append(collect(detector, for_model(dataset, detector.spec.labels)))
            effects.append(
                {"name": redacted(side.name), "precision": detector.backend.precision,
                 "threads": detector.backend.threads, "input": str(detector.spec.input)}
            )  # fmt: skip
        if collected[-1].interrupted:
            return 1
    both = sorted(collected[0].detections.keys() & collected[1].detections.keys())
    truth = [collected[0].truth[i] for i in both]
    first, second = ([each.detections[i] for i in both] for each in collected)
    overall, classes = differences(
        truth, first, second, classes=len(labels[0]), resamples=args.resamples
    )
    objects = Counter(k for each in truth for k in each.class_ids.tolist())
    present = {
        labels[0][k] if labels[0].count(labels[0][k]) == 1 else str(k): k for k in sorted(objects)
    }
    same = agreement(first, second, classes=len(labels[0]))
    report = {
        "a": effects[0],
        "b": effects[1],
        "images": len(both),
        "failed": max(each.failed for each in collected),
        "resamples": args.resamples,
        "difference": _plain(overall),
        "agreement": asdict(same),
        "per_class": {
            name: {
                "objects": objects[k],
                "difference": _plain(classes[k]),
                "agreement": asdict(_of_class(first, second, k)),
            }
            for name, k in present.items()
        },
    }
    if args.json:
        print(json.dumps(report))
    else:
        print(_table(overall, same, sides))
        if args.per_class:
            print(_class_table(present, objects, classes))
    return 1 if any(each.failed for each in collected) else 0


def _is_artifact(words: Sequence[str]) -> bool:
    """Whether it is one backend, one precision, or one of each in this order."""
    kinds = ["backend" if w in BACKENDS else "precision" if w in _PRECISIONS else "" for w in words]
    return kinds in (["backend"], ["precision"], ["backend", "precision"])


def _of_class(
    first: Sequence[Detections], second: Sequence[Detections], class_id: int
) -> Agreement:
    """The agreement about one class, which is the only one there."""
    one = [[each[each.class_ids == class_id] for each in side] for side in (first, second)]
    return agreement(one[0], one[1], classes=class_id + 1)


def _plain(results: Mapping[str, Difference]) -> dict[str, dict[str, float | None]]:
    """JSON has no NaN."""
    return {
        name: {key: None if math.isnan(v) else v for key, v in asdict(each).items()}
        for name, each in results.items()
    }


def _table(overall: Mapping[str, Difference], same: Agreement, sides: Sequence[Side]) -> str:
    lines = [
        f"A: {printable(sides[0].name)}",
        f"B: {printable(sides[1].name)}",
        f"{'':6} {'A':>7} {'B':>7} {'B - A':>8}   95 % interval",
        *(f"{name:6} {_row(each)}" for name, each in overall.items()),
        "",
        f"B agrees with A (score .3, IoU above .5): it finds {_percent(same.recall)} of what A "
        f"finds,",
        f"and {_percent(same.precision)} of what it finds A finds too; "
        f"AP with A as the truth {_cell(same.ap)}",
    ]
    return "\n".join(lines)


def _class_table(
    present: Mapping[str, int],
    objects: Mapping[int, int],
    classes: Sequence[Mapping[str, Difference]],
) -> str:
    shown = {printable(name): k for name, k in present.items()}
    wide = max(map(len, ("class", *shown)))
    heads = "".join(f"{f'd{name}':>9}" for name in _SIZES)
    heads = f"{'A':>7} {'B':>7} {'B - A':>8}   {'95 % interval':22} {heads}"
    lines = ["", f"{'class':{wide}} objects {heads}"]
    for name, k in shown.items():
        row = _row(classes[k]["AP"], marked=objects[k] >= _ENOUGH)
        others = "".join(f"{_change(classes[k][size]):>9}" for size in _SIZES)
        lines.append(f"{name:{wide}} {objects[k]:7} {row:48} {others}")
    return "\n".join(lines)


def _row(each: Difference, *, marked: bool = True) -> str:
    interval = "-" if math.isnan(each.low) else f"[{each.low:+.4f}, {each.high:+.4f}]"
    mark = " *" if marked and each.significant else ""
    return f"{_cell(each.before):>7} {_cell(each.after):>7} {_change(each):>8}   {interval}{mark}"


def _change(each: Difference) -> str:
    change = each.after - each.before
    return "-" if math.isnan(change) else f"{change:+.4f}"


def _cell(value: float) -> str:
    return "-" if math.isnan(value) or value < 0 else f"{value:.4f}"


def _percent(value: float) -> str:
    return "-" if value < 0 else f"{100 * value:.1f} %"
