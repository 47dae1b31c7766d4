"""`edge eval`: measure a model on pictures with labels."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge import pipeline
from edge.cli import UsageError, options
from edge.detector import Detector
from edge.errors import DataError
from edge.evaluate import Evaluation, evaluate
from edge.io.datasets import Dataset, Objects, Pictures, Sample, open_dataset
from edge.io.results import write_results
from edge.io.sinks.progress import Progress, printable
from edge.io.sinks.targets import prepare_file
from edge.models import coco
from edge.types import Detections, Failure, Result

HELP = "measure a model on pictures with labels: average precision and recall as COCO defines them"

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
        "--data",
        required=True,
        metavar="DIR",
        help="a YOLO folder (images/, labels/), a COCO .json file, a VOC folder, or "
        "test:conveyor?seed=N&frames=N",
    )
    parser.add_argument("--split", metavar="S", help="only this part of the data, such as val")
    options.add_detection_arguments(parser, conf=0.03, iou=0.65)
    parser.add_argument(
        "--save", type=Path, metavar="FILE", help="write the detections as COCO results (JSON)"
    )
    parser.add_argument("--per-class", action="store_true", help="the numbers of each class too")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object on standard output instead of a table"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="say what runs the model")


def run(args: argparse.Namespace) -> int:
    """Evaluate. Returns 0, or 1 when a picture could not be used."""
    dataset = open_dataset(args.data, args.split)
    with options.load_detector(args, multi_label=True) as detector:
        options.report_backend(detector, args)
        labels = detector.spec.labels
        dataset = dataset.for_model(labels)
        pictures = Pictures(dataset.samples)
        if args.save is not None:
            if args.save.is_dir():
                raise UsageError(f"--save: {args.save} is a folder; wanted a file")
            _check_ids(dataset)
            prepare_file(args.save, pictures)
        if dataset.splits and dataset.split is None:
            known = ", ".join(dataset.splits)
            print(f"the whole of the data is used; --split chooses from {known}", file=sys.stderr)
        collector, progress = _Collector(dataset.samples), Progress(sys.stderr, pictures.count)
        summary = pipeline.run(pictures, detector, [collector, progress])
        circumstances = _circumstances(args, detector, dataset)
    for failure in collector.failures:
        progress.write_failure(failure)
    print(summary, file=sys.stderr)
    if summary.interrupted:
        return 1  # the numbers of a part would pass for those of the whole

    failed = summary.failures + len(collector.failures)
    truth, found = list(collector.truth.values()), list(collector.found.values())
    if args.save is not None:
        ids = [dataset.samples[i].image_id for i in collector.found]
        write_results(args.save, zip(ids, found, strict=True), _category_ids(dataset))
    evaluation = evaluate(truth, found, classes=len(labels))
    classes = _per_class(evaluation, labels, truth) if args.per_class else {}
    if args.json:
        report = {
            **evaluation.metrics,
            "images": len(found),
            "failed": failed,
            "objects": sum(map(len, truth)),
            "detections": sum(map(len, found)),
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


class _Collector:
    """Keeps what was found, beside what is there, by the place of the picture."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples
        self.truth: dict[int, Objects] = {}
        self.found: dict[int, Detections] = {}
        self.failures: list[Failure] = []

    def write(self, result: Result) -> None:
        """Keep what was found, unless the labels are not for this picture."""
        frame = result.frame
        try:
            self.truth[frame.index] = self._samples[frame.index].objects(frame.size)
        except DataError as error:
            self.failures.append(Failure(frame.index, frame.time, frame.source, str(error)))
        else:
            self.found[frame.index] = result.found

    def write_failure(self, failure: Failure) -> None:
        """Nothing was found, and nothing is expected."""

    def close(self) -> None:
        """Nothing is held open."""


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
        "max_detections": args.max_det,
        "data": str(dataset.path),
        "split": dataset.split,
    }


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
