"""What the emulated machine with a camera runs: the camera is troubled in each way that the driver
knows, and must come back by itself. Prints what happened as one JSON object.
"""

import collections
import itertools
import json
import subprocess
import sys

import numpy as np

from edge.io.sources import open_source
from edge.io.sources.live import ReconnectPolicy
from edge.types import Event, Frame

SOON = ReconnectPolicy(stall=3.0, first=0.05, max_pause=0.2)


def control(setting: str) -> None:
    subprocess.run(["v4l2-ctl", "-d", "/dev/video0", "-c", setting], check=True)


def frames(source, count, events):
    """The next frames of a source; its events on the way."""
    results = []
    for item in source:
        if isinstance(item, Event):
            events.append([item.name, item.reason])
        elif isinstance(item, Frame):
            results.append(item)
            if len(results) == count:
                return results
    raise SystemExit("the source ended")


def formats() -> dict:
    """Each format that we take, and the mean color of what comes: all show the same bars."""
    results = {}
    for code in ("YUYV", "NV12", "YU12", "BGR3", "RGB3", "GREY"):  # codespell:ignore
        source = open_source(f"usb:0?format={code}", SOON)
        (frame,) = frames(iter(source), 1, [])
        source.close()
        results[code] = [frame.format, str(frame.size), float(np.mean(frame.planes[0]))]
    return results


def exact(image: str) -> list:
    """Whether the camera shows a known image to the bit, in the driver's own format."""
    expected = np.fromfile(image, np.uint8)
    source = open_source("usb:0?format=BGR3&size=640x480", SOON)
    same = [
        bool(np.array_equal(f.planes[0].ravel(), expected)) for f in frames(iter(source), 5, [])
    ]
    source.close()
    return same


def troubles() -> dict:
    source = open_source("0", SOON)
    stream, events = iter(source), []
    result = frames(stream, 10, events)
    for trouble in ("disconnect=1", "inject_fatal_streaming_error=1"):
        control(trouble)
        result += frames(stream, 20, events)
    control("percentage_of_dropped_buffers=50")
    result += frames(stream, 20, events)
    control("percentage_of_dropped_buffers=0")
    source.stop()
    source.close()
    steps = [b.captured - a.captured for a, b in itertools.pairwise(result)]
    return {
        "events": events,
        "frames": [frame.index for frame in result],
        "kept": dict(collections.Counter(frame.format for frame in result)),
        "forward": all(step > 0 for step in steps),
        "dark": sum(float(frame.planes[0].mean()) < 8 for frame in result),
    }


if __name__ == "__main__":
    if sys.argv[1] == "exact":
        print(json.dumps(exact(sys.argv[2])))
    else:
        print(json.dumps({"formats": formats(), **troubles()}))
