"""`edge eval`: measure a model on images with labels."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge import bundled
from edge.cli import UsageError, compare, options
from edge.cli.collect import collect, describe, for_model
from edge.detector import Detector
from edge.errors import SinkError
from edge.evaluate import Evaluation, curves, evaluate
from edge.io.datasets import Dataset, Images, Objects, open_dataset
from edge.io.results import write_results
from edge.io.sinks.targets import prepare_file, write_whole
from edge.models import coco
from edge.paths import exists
from edge.text import printable

HELP = "measure a model on images with labels: average precision and recall as COCO defines them"

_MEANING = {
    "AP": "IoU .50 to .95",
    "AP50": "IoU .50",
    "AP75": "IoU .75",
    "APs": "objects up to 32 x 32 pixels",
    "APm": "from there to 96 x 96",
    "APl": "larger ones",
    "AR1": "1 detection of an image and class",
    "AR10": "10 detections",
    "AR100": "100 detections",
    "ARs": "100, objects up to 32 x 32 pixels",
    "ARm": "100, from there to 96 x 96",
    "ARl": "100, larger ones",
}
_COLUMNS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    options.add_model_arguments(parser)
    parser.add_argument(
        "--compare",
        nargs=2,
        metavar=("A", "B"),
        help="B's difference from A, each a model, MODEL@BACKEND-PRECISION, or of --model such as "
        "ncnn-int8, mnn or fp16; with intervals and agreement",
    )
    parser.add_argument(
        "--resamples",
        type=options.whole(100),
        default=1000,
        metavar="N",
        help="sets of images drawn for the intervals of --compare (default 1000)",
    )
    parser.add_argument(
        "--data",
        required=True,
        metavar="DIR",
        help="a YOLO folder (images/, labels/) or its data.yaml, a COCO folder or .json file, a "
        "VOC folder, or test:conveyor?seed=N&frames=N",
    )
    parser.add_argument(
        "--split",
        metavar="S",
        help="only this part of the data, by its name or by what it is for: train, val or test",
    )
    options.add_detection_arguments(parser, conf=0.03, iou=0.65)
    parser.add_argument(
        "--save", type=Path, metavar="FILE", help="write the detections as COCO results (JSON)"
    )
    parser.add_argument(
        "--curves",
        type=Path,
        metavar="FILE",
        help="write precision over recall: a table (.csv) or an image (.svg)",
    )
    parser.add_argument("--per-class", action="store_true", help="the numbers of each class too")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object on standard output instead of a table"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="say what runs the model")


def run(args: argparse.Namespace) -> int:
    """Evaluate. Returns 0, or 1 when an image could not be used."""
    dataset = open_dataset(args.data, args.split)
    if args.compare is not None:
        return compare.run(args, dataset)
    if args.model is None:
        if not args.data.startswith("test:"):
            raise UsageError("--model is required, or --compare with two models")
        args.model = bundled.MODEL
    with options.load_detector(args, multi_label=True) as detector:
        labels = detector.spec.labels
        dataset = for_model(dataset, labels)
        for option, file in (("--save", args.save), ("--curves", args.curves)):
            if file is not None:
                _prepare(option, file, dataset)
        describe(dataset)
        collected = collect(detector, dataset)
        circumstances = _circumstances(args, detector, dataset)
    if collected.interrupted:
        return 1  # the numbers of a part would pass for those of the whole

    failed = collected.failed
    truth, detections = list(collected.truth.values()), list(collected.detections.values())
    if args.save is not None:
        ids = [dataset.samples[i].image_id for i in collected.detections]
        write_results(args.save, zip(ids, detections, strict=True), _category_ids(dataset))
    evaluation = evaluate(truth, detections, classes=len(labels))
    if args.curves is not None:
        as_image = args.curves.suffix == ".svg"
        text = curves.image(evaluation) if as_image else curves.table(evaluation, labels)
        write_whole(args.curves, text.encode())
    classes = _per_class(evaluation, labels, truth) if args.per_class else {}
    if args.json:
        report = {
            **evaluation.metrics,
            "images": len(detections),
            "failed": failed,
            "objects": sum(map(len, truth)),
            "detections": sum(map(len, detections)),
            **circumstances,
        }
        if args.per_class:
            report["per_class"] = classes
        print(json.dumps(report))
    else:
        print(_table(evaluation.metrics))
        if args.per_class:
            print(_class_table(classes))
    return 1 if failed else 0


def _circumstances(
    args: argparse.Namespace, detector: Detector, dataset: Dataset
) -> dict[str, object]:
    """What the numbers depend on."""
    size = detector.spec.input
    return {
        "input": [size.height, size.width],
        "precision": detector.backend.precision,
        "threads": detector.backend.threads,
        "score_threshold": args.conf,
        "iou_threshold": args.iou,
        "nms": args.nms,
        "agnostic_nms": args.agnostic_nms,
        "max_detections": args.max_det,
        "data": str(dataset.path),
        "split": dataset.split,
    }


def _prepare(option: str, file: Path, dataset: Dataset) -> None:
    """See that a result can be written, before the work is done."""
    if exists(file, SinkError) and file.is_dir():
        raise UsageError(f"{option}: {file} is a folder; wanted a file")
    if option == "--curves" and file.suffix not in (".csv", ".svg"):
        raise UsageError(f"--curves: {file} is neither .csv nor .svg")
    if file.resolve() in {other.resolve() for other in dataset.files}:
        raise SinkError(f"{file}: the labels themselves; the result would replace them")
    if option == "--save":
        _check_ids(dataset)
    prepare_file(file, Images(dataset.samples))


def _check_ids(dataset: Dataset) -> None:
    names: dict[int, Path] = {}
    for sample in dataset.samples:
        other = names.setdefault(sample.image_id, sample.path)
        if other is not sample.path:
            raise UsageError(
                f"--save: {other.name} and {sample.path.name} would both be image "
                f"{sample.image_id}; give them other names, or all of them numbers"
            )


def _category_ids(dataset: Dataset) -> Mapping[int, int]:
    """The dataset's own numbers, else those of COCO for its 80 classes, else the class ids."""
    if dataset.category_ids:
        return dataset.category_ids
    names = tuple(name.casefold() for name in dataset.names or ())
    return dict(enumerate(coco.CATEGORY_IDS if names == coco.LABELS else range(len(names))))


def _per_class(
    evaluation: Evaluation, labels: Sequence[str], truth: Sequence[Objects]
) -> dict[str, dict[str, float]]:
    """The numbers of each class that has objects, by name; by id where two share one."""
    objects = Counter(k for each in truth for k in each.class_ids.tolist())
    return {
        labels[k] if labels.count(labels[k]) == 1 else str(k): {
            "objects": objects[k],
            **evaluation.of_class(k).metrics,
        }
        for k in sorted(objects)
    }


def _table(metrics: Mapping[str, float]) -> str:
    return "\n".join(f"{k:6} {_cell(v)}   {_MEANING[k]}" for k, v in metrics.items())


def _class_table(classes: Mapping[str, Mapping[str, float]]) -> str:
    classes = {printable(name): metrics for name, metrics in classes.items()}
    wide = max(map(len, ("class", *classes)))
    lines = ["", f"{'class':{wide}} objects " + " ".join(f"{c:>6}" for c in _COLUMNS)]
    for name, metrics in classes.items():
        cells = " ".join(_cell(metrics[c]) for c in _COLUMNS)
        lines.append(f"{name:{wide}} {metrics['objects']:7} {cells}")
    return "\n".join(lines)


def _cell(value: float) -> str:
    return f"{'-':>6}" if value < 0 else f"{value:6.4f}"
