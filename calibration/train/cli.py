"""`edge train`: train or fine-tune a network on labeled images."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibration.checkpoints.training_recipe import Augment, Recipe, without_ranges
from calibration.learning_data import held_out_data, training_data, without
from calibration.nets.config import NETS, STRIDES, Config, YOLOv6, YOLOv7Tiny
from calibration.train.show import Show
from edge.cli import UsageError, options
from edge.errors import CalibrationError, ModelError, NotInstalledError
from edge.io.datasets import Dataset, open_dataset, summary
from edge.io.datasets.splits import role

if TYPE_CHECKING:
    from calibration.train.checkpoint import Checkpoint
    from calibration.train.loop import Machine, Training

HELP = "train or fine-tune a network on images with labels"

_DEFAULT = Recipe()
_QAT_EPOCHS, _QAT_RATE = 10, 1e-4
_NETS = tuple(name for name in NETS if not name.endswith("-v1"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="a YOLO folder or its data.yaml, a COCO folder or .json file, a VOC folder (of all "
        "these the split train, else what is in neither val nor test; DIR?split=NAME takes "
        "another), or test:conveyor?seed=N&frames=N. Held-out images are never trained on",
    )
    parser.add_argument(
        "--val",
        metavar="DIR",
        help="held-out images to choose the best epoch by, of data with a split val that one; "
        "default: the split val (or valid) of --data",
    )
    parser.add_argument(
        "-o", "--output", required=True, type=Path, metavar="DIR", help="folder for the results"
    )
    parser.add_argument("--arch", choices=_NETS, help="default: that of --weights, else yolov6n-v2")
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FILE.pt",
        help="begin with this training's result, or an official checkpoint",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the training in the output folder"
    )
    parser.add_argument(
        "--qat",
        action="store_true",
        help="go on training what --weights found, with weights and activations rounded to 8 bits, "
        f"for edge calibrate; usually {_QAT_EPOCHS} epochs at a rate of {_QAT_RATE:g}",
    )
    _add_recipe(parser)
    _add_teacher(parser)
    machine = parser.add_argument_group("machine")
    machine.add_argument("--device", choices=("cpu", "cuda"), help="default: cuda where there is")
    machine.add_argument(
        "--threads", type=options.whole(0), default=0, metavar="N", help="0: one per core"
    )
    machine.add_argument(
        "--precision", choices=("fp32", "bf16"), help="default: bf16 where the machine computes it"
    )


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    group, whole, number = parser.add_argument_group("recipe"), options.whole, options.number
    d, a = _DEFAULT, _DEFAULT.augment
    group.add_argument(
        "--imgsz", type=whole(STRIDES[-1]), metavar="N", help=f"side of the input ({d.input})"
    )
    group.add_argument("--epochs", type=whole(1), metavar="N", help=f"passes ({d.epochs})")
    group.add_argument("--batch", type=whole(1), default=d.batch, metavar="N")
    group.add_argument(
        "--lr",
        type=number(1e-8, 1),
        metavar="R",
        help=f"highest learning rate of AdamW ({d.rate:g}); a tenth of that suits fine-tuning",
    )
    group.add_argument("--seed", type=whole(0), default=d.seed, metavar="N")
    group.add_argument("--mosaic", type=number(0, 1), default=a.mosaic, metavar="P")
    group.add_argument("--scale", type=number(0, 0.9), default=a.scale, metavar="S")
    group.add_argument(
        "--flip",
        choices=("none", "horizontal", "both"),
        default="horizontal",
        help="both suits images taken from above",
    )
    group.add_argument(
        "--box-loss", choices=("giou", "siou", "ciou"), default=d.box_loss, help="of YOLOv6"
    )
    group.add_argument("--eval-every", type=whole(1), default=d.evaluate_every, metavar="N")


def _add_teacher(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("teacher")
    group.add_argument(
        "--teacher",
        type=Path,
        metavar="FILE.pt",
        help="learn from this training's result too; one of the same network and data is "
        "self-distillation",
    )
    group.add_argument(
        "--distill",
        choices=("head", "channel", "both"),
        default="both",
        help="what is compared: the outputs, the features before the head (same widths), or both",
    )
    group.add_argument("--distill-weight", type=options.number(0, 1e3), default=1.0, metavar="W")


def run(args: argparse.Namespace) -> int:
    """Train, and say what came out. Returns 0."""
    _require_torch()
    from calibration.train.checkpoint import read
    from calibration.train.data import Images
    from calibration.train.deploy import deploy
    from calibration.train.loop import train

    out: Path = args.output
    if args.resume:
        training, data, held_out = _resumed(args, out)
    else:
        if (out / "last.pt").exists():
            raise UsageError(f"{out} holds a training; --resume goes on with it")
        training, data, held_out = _new(args)
        out.mkdir(parents=True, exist_ok=True)
    recipe, machine = training.recipe, training.machine
    for line in summary({"train": data, "val": held_out}):
        print(line, file=sys.stderr)
    print(
        f"{len(data)} images, {len(held_out)} held out, {len(training.labels)} classes; "
        f"{recipe.input}x{recipe.input}, {recipe.epochs} epochs of batches of {recipe.batch}; "
        f"{machine.device}, {machine.threads} threads, {'bf16' if machine.bf16 else 'fp32'}"
        f"{', rounded to 8 bits' if recipe.qat else ''}",
        file=sys.stderr,
    )
    show = Show(recipe.epochs)
    train(training, Images(data, recipe.input), held_out, out, show.progress, show.finished)
    deploy(read(out / "best.pt"), out, facts=_facts(training, data, held_out))
    print(
        f"best AP {training.best:.4f}; wrote best.pt, best.onnx, best.edge, log.csv and curve.svg "
        f"to {out}",
        file=sys.stderr,
    )
    return 0


def _facts(training: Training, data: Dataset, held_out: Dataset) -> dict[str, Any]:
    """What the card of the model says of its training."""
    rows = [row for row in training.rows if "AP" in row]
    best = max(rows, key=lambda row: row["AP"])
    return {
        "images": len(data),
        "held_out": len(held_out),
        "epochs": training.epoch,
        "best_epoch": int(best["epoch"]),
        "AP": round(best["AP"], 4),
        "AP50": round(best["AP50"], 4),
        "seed": training.recipe.seed,
        **({"qat": True} if training.recipe.qat else {}),
    }


def _require_torch() -> None:
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise NotInstalledError("training needs PyTorch", "train") from error


def _new(args: argparse.Namespace) -> tuple[Training, Dataset, Dataset]:
    from calibration.train import checkpoint
    from calibration.train.loop import Training

    begin = None if args.weights is None else _begin(args.weights, folded=args.qat)
    data, held_out = _data(args)
    labels = data.names or tuple(str(i) for i in range(_classes(data)))
    if begin is not None and {label.casefold() for label in labels} <= {
        label.casefold() for label in begin.labels
    }:
        labels = begin.labels  # so that the head still knows its classes
    data = data.for_model(labels)
    recipe = _recipe(args, begin)
    config = _config(args, begin, len(labels))
    if args.qat:
        _check_qat(args, begin, labels)
    teacher = None
    if args.teacher is not None:
        teacher = _teacher(checkpoint.read(args.teacher), args, config, labels)
    training = Training(
        config,
        recipe,
        labels,
        _machine(args),
        initial=None if begin is None else begin.model,
        teacher=teacher,
    )
    if begin is not None:
        whole = len(without_ranges(training.net.state_dict()))
        print(f"{args.weights}: {training.fitting} of {whole} tensors taken over", file=sys.stderr)
    return training, data, held_out.for_model(labels)


def _check_qat(args: argparse.Namespace, begin: Checkpoint | None, labels: tuple[str, ...]) -> None:
    if begin is None:
        raise UsageError("--qat goes on from a training: name its best.pt with --weights")
    if begin.labels != labels:
        raise UsageError(
            f"--qat: {args.weights} has the classes {', '.join(begin.labels)}, the data "
            f"{', '.join(labels)}; train for these first"
        )
    if args.precision == "bf16":
        raise UsageError("--qat: bf16 has too few bits for codes times their step; leave it out")


def _begin(path: Path, *, folded: bool) -> Checkpoint:
    """A checkpoint of ours, or an official one of the same networks; `folded` ones may do."""
    import torch

    from calibration import checkpoints
    from calibration.train import checkpoint

    refused = UsageError(
        f"{path} is deployed: its blocks are folded and cannot be trained but with --qat; wanted "
        "is the file that the training left"
    )
    try:
        ours = checkpoint.read(path)
    except ModelError:
        if not path.is_file():
            raise
    else:
        if ours.recipe.qat and not folded:
            raise refused
        return ours
    official = checkpoints.read(path)
    if official.deployed and not folded:
        raise refused
    tensors = {name: torch.from_numpy(values) for name, values in official.state.items()}
    return checkpoint.Checkpoint(official.config, Recipe(), official.labels, tensors)


def _resumed(args: argparse.Namespace, out: Path) -> tuple[Training, Dataset, Dataset]:
    from calibration.train import checkpoint
    from calibration.train.loop import Training

    saved = checkpoint.read(out / "last.pt")
    data, held_out = (part.for_model(saved.labels) for part in _data(args))
    teacher = None
    if saved.recipe.distill:
        if args.teacher is None:
            raise UsageError("the training has a teacher; name it with --teacher")
        teacher = _teacher(checkpoint.read(args.teacher), args, saved.config, saved.labels)
    training = Training(saved.config, saved.recipe, saved.labels, _machine(args), teacher=teacher)
    training.resume(saved, len(data))
    print(f"going on after epoch {training.epoch}", file=sys.stderr)
    return training, data, held_out


def _data(args: argparse.Namespace) -> tuple[Dataset, Dataset]:
    """What to learn from, and the held-out images; none of these is among the first."""
    if args.data is None:
        raise UsageError("--data names the images to learn from")
    data = training_data(args.data)
    if args.val is not None:
        held_out = held_out_data(args.val)
    elif role(data.split or "") != "val" and "val" in map(role, data.splits):
        held_out = open_dataset(data.path, "val")
    else:
        result = f" (found: {', '.join(data.splits)})" if data.splits else ""
        raise UsageError(
            f"the data has no split val{result}; --val names the held-out images, such as another "
            "folder or DIR?split=NAME"
        )
    return without(data, held_out.samples), held_out


def _classes(data: Dataset) -> int:
    ids = [int(i) for sample in data.samples for i in sample.labels.class_ids]
    if not ids:
        raise UsageError(f"{data.path}: no objects in it")
    return max(ids) + 1


def _recipe(args: argparse.Namespace, begin: Checkpoint | None) -> Recipe:
    usual = begin.recipe.input if begin is not None else _DEFAULT.input
    distill = {"head": ("head",), "channel": ("channel",), "both": ("head", "channel")}
    try:
        return Recipe(
            input=args.imgsz or usual,
            epochs=args.epochs or (_QAT_EPOCHS if args.qat else _DEFAULT.epochs),
            batch=args.batch,
            rate=args.lr or (_QAT_RATE if args.qat else _DEFAULT.rate),
            seed=args.seed,
            box_loss=args.box_loss,
            evaluate_every=args.eval_every,
            augment=Augment(
                mosaic=args.mosaic,
                scale=args.scale,
                flip_horizontal=0.0 if args.flip == "none" else 0.5,
                flip_vertical=0.5 if args.flip == "both" else 0.0,
            ),
            distill=distill[args.distill] if args.teacher is not None else (),
            distill_weight=args.distill_weight,
            qat=args.qat,
        )
    except CalibrationError as error:
        raise UsageError(str(error)) from error


def _config(args: argparse.Namespace, begin: Checkpoint | None, classes: int) -> Config:
    if begin is not None:
        if isinstance(begin.config, YOLOv6) and begin.config.layout == 1:
            raise UsageError(
                f"{args.weights} is a YOLOv6 of release 0.1, whose head with objectness is not "
                "trained here"
            )
        config = replace(
            begin.config, classes=classes
        )  # and its anchors, which it was trained with
        if args.arch is not None and _with_anchors_of(config, NETS[args.arch]) != config:
            raise UsageError(f"--arch {args.arch}: {args.weights} is another network")
        return config
    return replace(NETS[args.arch or "yolov6n-v2"], classes=classes)


def _with_anchors_of(trained: Config, net: Config) -> Config:
    """A network with the classes, and the anchors if it has some, of a trained one."""
    if isinstance(net, YOLOv7Tiny) and isinstance(trained, YOLOv7Tiny):
        net = replace(net, anchors=trained.anchors)
    return replace(net, classes=trained.classes)


def _teacher(
    saved: Checkpoint, args: argparse.Namespace, config: Config, labels: tuple[str, ...]
) -> Any:
    if saved.labels != labels:
        raise UsageError(f"--teacher: {args.teacher} has the classes {', '.join(saved.labels)}")
    if isinstance(saved.config, YOLOv6) != isinstance(config, YOLOv6):
        raise UsageError(f"--teacher: {args.teacher} is of another family")
    if (
        isinstance(config, YOLOv6)
        and isinstance(saved.config, YOLOv6)
        and args.distill != "head"
        and saved.config.width != config.width
    ):
        raise UsageError(
            f"--teacher: {args.teacher} has features of another width; --distill head does not "
            "need them"
        )
    return saved.network()


def _machine(args: argparse.Namespace) -> Machine:
    import os

    import torch

    from calibration.train.loop import Machine

    cuda = torch.cuda.is_available()
    if args.device == "cuda" and not cuda:
        raise UsageError("--device cuda: this PyTorch finds no CUDA device")
    device = args.device or ("cuda" if cuda else "cpu")
    if args.precision is not None:
        bf16 = args.precision == "bf16"
    elif device == "cuda":
        bf16 = torch.cuda.is_bf16_supported()
    else:
        bf16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return Machine(device, args.threads or os.cpu_count() or 1, bf16)
