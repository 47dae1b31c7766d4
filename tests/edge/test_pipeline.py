from __future__ import annotations

import io
import json
import signal

import cv2
import numpy as np
import pytest

from edge.errors import SinkError, SourceError, UnsavedError
from edge.io.sinks import open_save
from edge.io.sinks.jsonl import JsonLines
from edge.io.sources import open_source
from edge.pipeline import Percentiles, Summary, run
from edge.types import Detections, Failure, Frame, Latency, Result


class Bright:
    """Finds the rectangle of bright pixels. Each frame takes it one millisecond more."""

    def __init__(self) -> None:
        self.calls = 0

    def run(self, frame: Frame) -> Result:
        self.calls += 1
        rows, columns = np.nonzero(frame.planes[0].max(axis=2) > 127)
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] if rows.size else []
        boxes = np.array(box, np.float32).reshape(-1, 4)
        n = len(boxes)
        found = Detections(boxes, np.full(n, 0.5, np.float32), np.zeros(n, np.int32))
        return Result(frame, found, Latency(0.0, self.calls / 1000, 0.0))


class Recorder:
    """A sink that keeps count, and may fail."""

    def __init__(self, write: Exception | None = None, close: Exception | None = None) -> None:
        self.results: list[int] = []
        self.failures: list[Failure] = []
        self.closed = 0
        self._write, self._close = write, close

    def write(self, result: Result) -> None:
        if self._write:
            raise self._write
        self.results.append(result.frame.index)

    def write_failure(self, failure: Failure) -> None:
        self.failures.append(failure)

    def close(self) -> None:
        self.closed += 1
        if self._close:
            raise self._close


class Closing:
    """A source that says whether it was closed."""

    live, rate, count, files = False, None, None, ()

    def __init__(self, items, error: BaseException | None = None) -> None:
        self._items, self._error = items, error
        self.taken = self.closed = 0

    def __iter__(self):
        for item in self._items:
            self.taken += 1
            yield item
        if self._error:
            raise self._error

    def close(self) -> None:
        self.closed += 1


def frames(n: int) -> list[Frame]:
    return [Frame((np.zeros((8, 8, 3), np.uint8),), "BGR", i) for i in range(n)]


@pytest.fixture
def folder(tmp_path):
    """Three pictures with a bright rectangle; the middle one is broken."""
    path = tmp_path / "photos"
    path.mkdir()
    image = np.zeros((60, 80, 3), np.uint8)
    image[10:30, 20:50] = 255
    for name in ("a.png", "b.png", "c.png"):
        cv2.imwrite(str(path / name), image)
    (path / "b.png").write_bytes((path / "b.png").read_bytes()[:30])
    return path


def test_a_folder_with_a_broken_file_runs_to_its_end(folder, tmp_path):
    source = open_source(str(folder))
    stream = io.BytesIO()
    sinks = [JsonLines(stream, ("box",)), open_save(f"{tmp_path}/out", source, ("box",))]
    summary = run(source, Bright(), sinks)
    assert (summary.frames, summary.failures, summary.interrupted) == (2, 1, False)
    first, second, third = map(json.loads, stream.getvalue().splitlines())
    for line, index, name in ((first, 0, "a.png"), (third, 2, "c.png")):
        assert (line["frame"], line["source"]) == (index, f"{folder}/{name}")
        (detection,) = line["detections"]
        assert detection["box"] == [20, 10, 50, 30]
    assert (second["frame"], second["source"]) == (1, f"{folder}/b.png")
    assert second["error"]
    assert "detections" not in second
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]


def test_a_video_becomes_an_annotated_video(tmp_path):
    path = str(tmp_path / "v.mp4")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"mp4v"), 10.0, (80, 60))
    image = np.zeros((60, 80, 3), np.uint8)
    image[16:32, 32:64] = 255
    for _ in range(10):
        writer.write(image)
    writer.release()
    source, stream = open_source(path), io.BytesIO()
    saved = open_save(f"{tmp_path}/out/", source, ("box",))
    assert run(source, Bright(), [JsonLines(stream, ("box",)), saved]).frames == 10
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["time"] for line in lines] == pytest.approx([i / 10 for i in range(10)], abs=1e-3)
    assert all(len(line["detections"]) == 1 for line in lines)
    again = open_source(f"{tmp_path}/out/v.mp4")
    assert sum(1 for _ in again) == 10


def test_max_frames_counts_failures_and_reads_no_frame_too_many():
    first, third, fourth = frames(3)
    source = Closing([first, Failure(1, 0.0, "x", "broken"), third, fourth])
    sink = Recorder()
    summary = run(source, Bright(), [sink], max_frames=2)
    assert (summary.frames, summary.failures) == (1, 1)
    assert (len(sink.results), len(sink.failures)) == (1, 1)
    assert source.taken == 2


def test_everything_is_closed_when_a_sink_fails_to_write():
    source, sinks = Closing(frames(3)), [Recorder(), Recorder(write=SinkError("full")), Recorder()]
    with pytest.raises(SinkError, match="full"):
        run(source, Bright(), sinks)
    assert [source.closed, *(sink.closed for sink in sinks)] == [1, 1, 1, 1]


def test_a_result_that_one_sink_cannot_save_is_a_failed_frame_and_the_rest_goes_on():
    class Picky(Recorder):
        def write(self, result):
            if result.frame.index == 1:
                raise UnsavedError("b.jpg: no room")
            super().write(result)

    before, picky, after = Recorder(), Picky(), Recorder()
    summary = run(Closing(frames(3)), Bright(), [before, picky, after])
    assert (summary.frames, summary.failures) == (2, 1)
    assert (before.results, before.failures) == ([0, 1, 2], [])
    assert (picky.results, picky.failures) == ([0, 2], [])
    assert after.results == [0, 2]
    assert [(f.index, f.reason) for f in after.failures] == [(1, "b.jpg: no room")]


def test_everything_is_closed_when_a_sink_fails_to_close():
    source, sinks = Closing(frames(3)), [Recorder(close=SinkError("full")), Recorder()]
    with pytest.raises(SinkError, match="full"):
        run(source, Bright(), sinks)
    assert [source.closed, *(sink.closed for sink in sinks)] == [1, 1, 1]
    assert sinks[1].results == [0, 1, 2]


def test_a_source_that_fails_closes_everything():
    source, sink = Closing(frames(2), SourceError("camera 0: gone")), Recorder()
    with pytest.raises(SourceError, match="gone"):
        run(source, Bright(), [sink])
    assert sink.results == [0, 1]
    assert (source.closed, sink.closed) == (1, 1)


def test_an_interrupt_ends_the_run_with_everything_flushed(tmp_path):
    class Interrupting(Bright):
        def run(self, frame):
            if frame.index == 2:
                signal.raise_signal(signal.SIGINT)  # as the terminal does on Ctrl-C
            return super().run(frame)

    path = tmp_path / "out.jsonl"
    source, sink = Closing(frames(5)), Recorder()
    with path.open("wb") as stream:
        summary = run(source, Interrupting(), [JsonLines(stream, ()), sink])
    assert summary.interrupted
    assert summary.frames == 2
    assert len(path.read_bytes().splitlines()) == 2
    assert (source.closed, sink.closed) == (1, 1)


def test_percentiles_lie_between_their_neighbours():
    found = Percentiles.of([i / 1000 for i in range(101)])
    assert (found.p50, found.p90, found.p99) == pytest.approx((0.050, 0.090, 0.099))
    assert Percentiles.of([0.25]) == Percentiles(0.25, 0.25, 0.25)


def test_the_summary_has_the_latencies_of_the_detector():
    summary = run(Closing(frames(101)), Bright(), [])
    assert summary.latency is not None
    assert summary.latency.p50 == pytest.approx(0.051)
    assert summary.latency.p99 == pytest.approx(0.100)


def test_the_summary_reads_well():
    summary = Summary(50, 2, 4.0, Percentiles(0.0123, 0.0204, 0.05))
    assert str(summary) == (
        "50 frames; 2 failed; 12.5 frames/s in 4.0 s; latency p50 12.3, p90 20.4, p99 50.0 ms"
    )
    assert str(Summary(0, 0, 0.0, None, interrupted=True)) == "0 frames; interrupted"
