"""`edge run`: find objects in images, a video or a camera."""

from __future__ import annotations

import argparse
import sys

from edge import pipeline
from edge.cli import options
from edge.io.base import Sink
from edge.io.sinks import open_save
from edge.io.sinks.jsonl import JsonLines
from edge.io.sinks.progress import Progress
from edge.io.sources import open_source
from edge.text import printable

HELP = "find objects in images, a video or a camera"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    options.add_model_arguments(parser)
    parser.add_argument(
        "--source",
        required=True,
        metavar="S",
        help="an image, folder, glob, video file, camera index, /dev/videoN or test:conveyor",
    )
    options.add_detection_arguments(parser, conf=0.25, iou=0.45)
    parser.add_argument(
        "--classes", nargs="+", default=(), metavar="C", help="only these, by name or id"
    )
    parser.add_argument("--max-frames", type=options.whole(1), metavar="N", help="stop after N")
    parser.add_argument(
        "--save", metavar="DIR|FILE", help="pictures, or a video, with the boxes drawn in"
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object per frame on standard output"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="say what runs the model")


def run(args: argparse.Namespace) -> int:
    """Detect in every frame of the source. Returns 0, or 1 when a frame failed."""
    with options.load_detector(args, classes=args.classes, tuned=True) as detector:
        labels = detector.spec.labels
        source = open_source(args.source)
        try:
            sinks: list[Sink] = []
            if args.json:
                sinks.append(JsonLines(sys.stdout.buffer, labels))
            if args.save is not None:
                sinks.append(open_save(args.save, source, labels))
            count = source.count
            if count is not None and args.max_frames is not None:
                count = min(count, args.max_frames)
            progress = Progress(sys.stderr, count)
        except BaseException:
            source.close()
            raise
        summary = pipeline.run(
            source, detector, sinks, watchers=[progress], max_frames=args.max_frames
        )
    done = summary.frames + summary.failures
    if count is not None and done < count and not summary.interrupted:
        # No failure: of some containers the header only estimates. But nobody else would say it.
        said = f"{args.source}: {count} frames were announced, {done} could be read"
        print(printable(said), file=sys.stderr)
    print(summary, file=sys.stderr)
    stopped = summary.interrupted and not source.live
    return 1 if summary.failures or stopped else 0
