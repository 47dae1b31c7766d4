"""`edge run`: find objects in images, a video or a camera."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge import pipeline
from edge.cli import options
from edge.io.base import Sink
from edge.io.sinks import open_save
from edge.io.sinks.jsonl import JsonLines
from edge.io.sinks.progress import Progress
from edge.io.sources import open_source

HELP = "find objects in images, a video or a camera"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    options.add_model_arguments(parser)
    parser.add_argument(
        "--source",
        required=True,
        metavar="S",
        help="an image, folder, glob, video file, camera index or /dev/videoN",
    )
    options.add_detection_arguments(parser, conf=0.25, iou=0.45)
    parser.add_argument(
        "--classes", nargs="+", default=(), metavar="C", help="only these, by name or id"
    )
    parser.add_argument("--max-frames", type=options.whole(1), metavar="N", help="stop after N")
    parser.add_argument(
        "--save", type=Path, metavar="DIR|FILE", help="pictures or a video with the boxes drawn"
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object per frame on standard output"
    )
