"""Camera demo: camera -> detection -> window, video file or JSON Lines.

    python apps/camera_demo --model parts.edge --source usb:0 --show
    python apps/camera_demo --model parts.edge --source csi:0 --save out.mp4 --json

It is what a program of your own would look like: everything comes from the public API of `edge`.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from typing import NoReturn

from window import Window

from edge import Detector, EdgeError
from edge.io.base import Sink
from edge.io.sinks import open_save
from edge.io.sinks.jsonl import JsonLines
from edge.io.sinks.progress import Progress
from edge.pipeline import Feed, Summary, open_feed, run
from edge.redaction import redacted, remember
from edge.stopping import stops_as_interrupts


def main() -> int:
    """Parse the command line and run. Returns the exit status."""
    for word in sys.argv[1:]:
        remember(word)
    parser = Parser(prog="camera_demo", description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True, help="a .edge package, or a model file")
    parser.add_argument("--source", default="usb:0", help="default usb:0; test:conveyor needs none")
    parser.add_argument("--conf", type=float, default=0.25, help="lowest score that is shown")
    others = max(1, (os.cpu_count() or 1) - 1)  # one core reads, draws and writes
    parser.add_argument("--threads", type=int, default=others, help="default %(default)s")
    parser.add_argument("--max-age", type=float, default=0.5, metavar="SECONDS")
    parser.add_argument("--max-frames", type=int, metavar="N")
    parser.add_argument("--show", action="store_true", help="show it; q or Esc ends")
    parser.add_argument("--save", metavar="FILE", help="a video with the boxes drawn in")
    parser.add_argument("--json", action="store_true", help="JSON Lines on standard output")
    args = parser.parse_args()
    if not (args.show or args.save or args.json):
        parser.error("nowhere to show it: wanted --show, --save or --json")
    try:
        with (
            stops_as_interrupts(),
            Detector.load(args.model, threads=args.threads, conf=args.conf) as detector,
        ):
            summary = watch(args, detector)
    except (EdgeError, ValueError) as error:
        print(f"camera_demo: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader has seen enough, as in `| head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:  # before there was anything to stop well, or for the second time
        os.write(2, b"camera_demo: stopped at once\n")
        os._exit(1)  # threads may be held up anywhere
    print(summary, file=sys.stderr)
    return 1 if summary.failures else 0


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the command line, without its passwords."""

    def error(self, message: str) -> NoReturn:
        """Say it and exit."""
        super().error(redacted(message))


def watch(args: argparse.Namespace, detector: Detector) -> Summary:
    """Run until the source ends, the window is closed, Ctrl-C or SIGTERM."""
    labels = detector.spec.labels
    feed = open_feed(args.source)
    sinks: list[Sink] = []
    if args.json:
        sinks.append(JsonLines(sys.stdout.buffer, labels))
    if args.save:
        sinks.append(open_save(args.save, feed.source, labels))
    if not args.show:
        return work(args, feed, detector, sinks, None)

    window = Window("edge", labels)
    # Windows belong to the main thread; everything else has threads of its own anyway.
    done: list[Summary | BaseException] = []
    stop = threading.Event()

    def behind() -> None:
        try:
            done.append(work(args, feed, detector, [*sinks, window], stop))
        except Exception as error:
            done.append(error)
        finally:
            window.close()

    thread = threading.Thread(target=behind)
    thread.start()
    try:
        window.show()
    except KeyboardInterrupt:
        pass  # as if it had been closed
    finally:
        stop.set()
        thread.join()
    (end,) = done
    if isinstance(end, BaseException):
        raise end
    return end


def work(
    args: argparse.Namespace,
    feed: Feed,
    detector: Detector,
    sinks: list[Sink],
    stop: threading.Event | None,
) -> Summary:
    """The whole of it: one call."""
    return run(
        [feed],
        detector,
        sinks,
        watchers=[Progress(sys.stderr, feed.source.count)],
        max_frames=args.max_frames,
        max_age=args.max_age,
        stop=stop,
    )


if __name__ == "__main__":
    sys.exit(main())
