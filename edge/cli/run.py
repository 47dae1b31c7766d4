"""`edge run`: find objects in images, videos, streams and cameras."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from edge import bundled, pipeline
from edge.cli import UsageError, config, options
from edge.errors import SinkError
from edge.io.base import Sink
from edge.io.sinks import open_save
from edge.io.sinks.box_tally import BoxTally
from edge.io.sinks.jsonl import JsonLines
from edge.io.sinks.log import Log
from edge.io.sinks.progress import Progress
from edge.io.sinks.record import Recorder
from edge.io.sources import ReconnectPolicy
from edge.io.sources.live import Reconnect
from edge.pipeline import Feed, Policy, Summary
from edge.redaction import masked
from edge.text import printable

HELP = "find objects in images, videos, streams and cameras"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    options.add_model_arguments(parser, default=bundled.MODEL, live=True)
    parser.add_argument(
        "--source",
        action="append",
        metavar="S",
        help="an image, folder, glob, video, camera (0, usb:SERIAL, csi:0), rtsp:// or http:// "
        "stream, - (standard input), test:conveyor or replay:FILE; may be given several times, "
        f"each with #fps=FRAMES_PER_SECOND&priority=N; default, without --model: "
        f"{bundled.SOURCE}",
    )
    options.add_detection_arguments(parser, conf=0.25, iou=0.45)
    parser.add_argument(
        "--classes", nargs="+", default=(), metavar="C", help="only these, by name or id"
    )
    parser.add_argument("--max-frames", type=options.whole(1), metavar="N", help="stop after N")
    parser.add_argument(
        "--save", metavar="DIR|FILE", help="images, or a video, with the boxes drawn in"
    )
    parser.add_argument(
        "--record", type=Path, metavar="FILE", help="frames and results, for replay:FILE"
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object per frame on standard output"
    )
    _add_live_arguments(parser)
    config.add_arguments(parser)
    parser.add_argument("-v", "--verbose", action="store_true", help="say what runs the model")


def _add_live_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--drop-policy",
        choices=get_args(Policy),
        help="what a frame does that comes too early (default: drop-oldest for cameras and "
        "streams, wait for the rest)",
    )
    parser.add_argument(
        "--max-age",
        type=options.number(0.001, 3600),
        metavar="SECONDS",
        help="drop frames of cameras whose result would be older",
    )
    parser.add_argument(
        "--reconnect",
        choices=get_args(Reconnect),
        default="lost",
        help="lost (default): a camera must be there at first, and is waited for when it goes; "
        "always: also at first; never: its loss is an error",
    )
    parser.add_argument(
        "--stall",
        type=options.number(0.1, 3600),
        default=5.0,
        metavar="SECONDS",
        help="a camera without a frame for so long is lost (default 5)",
    )
    parser.add_argument(
        "--log", choices=("text", "json"), default="text", help="form of what goes to stderr"
    )


def run(args: argparse.Namespace) -> int:
    """Detect in every frame of the sources. Returns 0, or 1 when a frame failed."""
    if args.source is None:
        if args.model != bundled.MODEL:
            raise UsageError("--source is missing: what shall the model look at?")
        args.source = [bundled.SOURCE]
    if args.print_config:
        print(config.as_toml(args).decode(), end="")
        return 0
    if args.save is not None and len(args.source) > 1:
        raise UsageError("--save takes one source, so that every file is of one")
    with options.load_detector(args, classes=args.classes, live=True) as detector:
        feeds, sinks = _open(args, detector.spec.labels)
        count = _count(args, feeds)
        watcher = Log(sys.stderr) if args.log == "json" else Progress(sys.stderr, count)
        box_tally = BoxTally(detector.spec.labels)
        try:
            summary = pipeline.run(
                feeds,
                detector,
                sinks,
                watchers=[watcher, box_tally],
                max_frames=args.max_frames,
                max_age=args.max_age,
            )
        except KeyboardInterrupt:
            # The second: threads may be held up anywhere, also inside the runtimes, which do not
            # survive it when Python tidies up around them.
            os.write(2, b"edge: stopped at once\n")
            os._exit(1)
    _report(args, summary, box_tally, count)
    stopped = summary.interrupted and not any(feed.source.live for feed in feeds)
    return 1 if summary.failures or stopped else 0


def _open(args: argparse.Namespace, labels: Sequence[str]) -> tuple[list[Feed], list[Sink]]:
    reconnect = ReconnectPolicy(args.reconnect, args.stall)
    with ExitStack() as opened:
        feeds: list[Feed] = []
        for address in args.source:
            feed = pipeline.open_feed(address, reconnect=reconnect, policy=args.drop_policy)
            opened.callback(feed.source.close)
            feeds.append(feed)
        sinks: list[Sink] = []
        if args.json:
            sinks.append(JsonLines(sys.stdout.buffer, labels))
        if args.save is not None:
            sinks.append(open_save(args.save, feeds[0].source, labels))
        if args.record is not None:
            files = [file for feed in feeds for file in feed.source.files]
            if args.record.resolve() in [file.resolve() for file in files]:
                raise SinkError(f"{args.record}: the source itself")
            sinks.append(Recorder(args.record))
        opened.pop_all()
        return feeds, sinks


def _count(args: argparse.Namespace, feeds: Sequence[Feed]) -> int | None:
    """How many results there will be, where that is known."""
    counts = [feed.source.count for feed in feeds]
    known = [count for count in counts if count is not None]
    total = sum(known) if len(known) == len(counts) else None
    if total is not None and args.max_frames is not None:
        return min(total, int(args.max_frames))
    return total


def _report(
    args: argparse.Namespace, summary: Summary, box_tally: BoxTally, count: int | None
) -> None:
    if args.log == "json":
        numbers = {k: v for k, v in asdict(summary).items() if v not in (None, {}, False)}
        numbers["seen"] = box_tally.counts
        Log(sys.stderr).say("summary", "", time.time(), **numbers)
        return
    done = summary.frames + summary.failures + sum(summary.dropped.values())
    if count is not None and done < count and not summary.interrupted:
        # No failure: of some containers the header only estimates. But nobody else would say it.
        names = " ".join(map(masked, args.source))
        text = f"{names}: {count} frames were announced, {done} could be read"
        print(printable(text), file=sys.stderr)
    print(printable(str(box_tally)), file=sys.stderr)
    print(summary, file=sys.stderr)
