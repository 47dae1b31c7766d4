"""python -m tests.bench.pipeline MODEL: the pipeline against the same stages one after the other,
and against the loop that users write with OpenCV and ncnn, as ratios within one run.

MODEL is a .edge package of YOLOv6Lite for ncnn. The work: decode a video, detect, draw, write a
video and JSON Lines. All take turns, round after round, so that a slow moment of the machine meets
all alike; one thread per inference, so that the second core is there for the rest. Prints JSON.
"""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import io
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
os.environ["OMP_WAIT_POLICY"] = "passive"

import cv2
import ncnn
import numpy as np

from edge.conveyor import Conveyor
from edge.detector import Detector
from edge.io.sinks import open_save
from edge.io.sinks.jsonl import JsonLines
from edge.io.sources import open_source
from edge.package import Package
from edge.pipeline import Feed, run
from edge.recognize import open_model
from edge.types import Frame, Size
from tests.bench.peers import opencv_nms, python_distances


def make_video(path: Path, frames: int, size: Size) -> None:
    """A belt with parts on it, as MPEG-4."""
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*"mp4v"), 30.0, (size.width, size.height)
    )
    belt = Conveyor(1, Size(480, 640))
    for index in range(frames):
        writer.write(cv2.resize(belt.render(index)[0], (size.width, size.height)))
    writer.release()


def pipelined(detector: Detector, video: Path, folder: Path) -> int:
    source = open_source(str(video))
    sinks = [
        JsonLines(io.BytesIO(), detector.spec.labels),
        open_save(str(folder / "pipelined.mp4"), source, detector.spec.labels),
    ]
    return run([Feed(source)], detector, sinks).frames


def serial(detector: Detector, video: Path, folder: Path) -> int:
    """The very same stages, without threads."""
    source = open_source(str(video))
    sinks = [
        JsonLines(io.BytesIO(), detector.spec.labels),
        open_save(str(folder / "serial.mp4"), source, detector.spec.labels),
    ]
    count = 0
    for item in source:
        assert isinstance(item, Frame)
        result = detector.run(item)
        for sink in sinks:
            sink.write(result)
        count += 1
    for closing in (*sinks, source):
        closing.close()
    return count


def open_plain(package: Package) -> tuple[ncnn.Net, str, Size, tuple[int, ...], tuple[str, ...]]:
    """A network as a user opens it, from the package's files."""
    files = package.artifact("ncnn", None).files
    net = ncnn.Net()
    net.opt.num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("param", "bin"):
            (Path(folder) / f"model.{suffix}").write_bytes(files[suffix])
        net.load_param(f"{folder}/model.param")
        net.load_model(f"{folder}/model.bin")
    spec = package.spec
    return net, spec.input_name, spec.input, spec.strides, spec.output_names


def plain(opened, video: Path, folder: Path) -> int:
    """VideoCapture, letterbox, ncnn, NumPy, NMSBoxes, rectangle, VideoWriter, json: the usual."""
    net, input_name, input_, strides, names = opened
    capture = cv2.VideoCapture(str(video))
    rate, lines, writer, count = capture.get(cv2.CAP_PROP_FPS), io.StringIO(), None, 0
    while True:
        read, image = capture.read()
        if not read:
            break
        height, width = image.shape[:2]
        scale = min(input_.height / height, input_.width / width)
        h, w = round(height * scale), round(width * scale)
        top, left = (input_.height - h) // 2, (input_.width - w) // 2
        fitted = cv2.copyMakeBorder(
            cv2.resize(image, (w, h)), top, input_.height - h - top, left,
            input_.width - w - left, cv2.BORDER_CONSTANT, value=(114, 114, 114),
        )  # fmt: skip
        tensor = cv2.cvtColor(fitted, cv2.COLOR_BGR2RGB).astype(np.float32).transpose(2, 0, 1) / 255
        tensor = np.ascontiguousarray(tensor)  # held: ncnn.Mat only borrows it
        extractor = net.create_extractor()
        extractor.input(input_name, ncnn.Mat(tensor).clone())
        heads = [np.array(extractor.extract(name)[1]) for name in names]
        boxes, scores, ids = python_distances(heads, strides, 0.25)
        kept = opencv_nms(boxes, scores, ids, 0.45) if len(boxes) else []
        results = []
        for i in np.asarray(kept, int).ravel():
            x1, y1, x2, y2 = ((boxes[i] - [left, top, left, top]) / scale).tolist()
            cv2.rectangle(image, (int(x1), int(y1)), (int(x2), int(y2)), (0, 255, 0), 2)
            text = f"{ids[i]} {scores[i]:.2f}"
            cv2.putText(image, text, (int(x1), int(y1)), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 255))
            results.append(
                {"class": int(ids[i]), "score": float(scores[i]), "box": [x1, y1, x2, y2]}
            )
        lines.write(json.dumps(results) + "\n")
        if writer is None:
            codec = cv2.VideoWriter_fourcc(*"mp4v")
            writer = cv2.VideoWriter(str(folder / "plain.mp4"), codec, rate, (width, height))
        writer.write(image)
        count += 1
    capture.release()
    if writer is not None:
        writer.release()
    return count


def measure(model: Path, rounds: int, frames: int, size: Size, input_: Size) -> dict[str, object]:
    """Median frames/s of each, and median over the rounds of each one's time by ours."""
    package = open_model([model]).package
    with (
        tempfile.TemporaryDirectory() as name,
        Detector.load(model, backend="ncnn", threads=1, imgsz=input_) as detector,
    ):
        folder = Path(name)
        make_video(folder / "video.mp4", frames, size)
        opened = open_plain(package)
        opened = (*opened[:2], input_, *opened[3:])
        ways: dict[str, Callable[[], int]] = {
            "pipeline": lambda: pipelined(detector, folder / "video.mp4", folder),
            "serial": lambda: serial(detector, folder / "video.mp4", folder),
            "plain": lambda: plain(opened, folder / "video.mp4", folder),
        }
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for work in ways.values():
            work()  # warm-up
        orders = itertools.cycle(itertools.permutations(ways))
        for _ in range(rounds):
            for way in next(orders):
                start = time.perf_counter()
                assert ways[way]() == frames
                seconds[way].append(time.perf_counter() - start)
    ours = seconds["pipeline"]
    return {
        "model": model.name,
        "input": str(input_),
        "video": str(size),
        "frames": frames,
        "rounds": rounds,
        "threads": 1,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "frames_per_s": {w: round(frames / statistics.median(s), 1) for w, s in seconds.items()},
        "times_ours": {
            way: round(statistics.median(t / o for t, o in zip(s, ours, strict=True)), 2)
            for way, s in seconds.items()
            if way != "pipeline"
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--frames", type=int, default=90)
    parser.add_argument("--video", type=Size.parse, default=Size(720, 1280), metavar="HxW")
    parser.add_argument("--imgsz", type=Size.parse, default=Size(320, 320), metavar="HxW")
    args = parser.parse_args()
    print(json.dumps(measure(args.model, args.rounds, args.frames, args.video, args.imgsz)))


if __name__ == "__main__":
    main()
