from __future__ import annotations

import io
import itertools
import json
import signal
import threading
import time

import cv2
import numpy as np
import pytest

from edge.errors import SinkError, SourceError, UnsavedError
from edge.io.sinks import open_save
from edge.io.sinks.jsonl import JsonLines
from edge.io.sources import open_source
from edge.pipeline import Feed, Percentiles, Summary, run
from edge.pipeline.engine import _AgeLimit
from edge.pipeline.frame_queue import FrameQueues
from edge.pipeline.summary import Counters
from edge.types import Detections, Event, Failure, Frame, Latency, Result


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
        detections = Detections(boxes, np.full(n, 0.5, np.float32), np.zeros(n, np.int32))
        return Result(frame, detections, Latency(0.0, self.calls / 1000, 0.0))


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

    def stop(self) -> None:
        pass

    def close(self) -> None:
        self.closed += 1


class Watching(Recorder):
    """A watcher that remembers what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []

    def event(self, event: Event) -> None:
        self.events.append(event)


def frame(index: int) -> Frame:
    return Frame((np.zeros((8, 8, 3), np.uint8),), "BGR", index)


def frames(n: int) -> list[Frame]:
    return [frame(index) for index in range(n)]


def until(condition) -> None:
    """Wait for another thread; the test's timeout is the limit."""
    while not condition():
        time.sleep(0.001)


@pytest.fixture
def folder(tmp_path):
    """Three images with a bright rectangle; the middle one is broken."""
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

    first, second, other, watcher = Picky(), Picky(), Recorder(), Watching()
    summary = run(Closing(frames(3)), Bright(), [first, second, other], watchers=[watcher])
    assert (summary.frames, summary.failures) == (2, 1)
    assert first.results == second.results == [0, 2]
    assert other.results == [0, 1, 2]
    assert [(f.index, f.reason) for f in watcher.failures] == [(1, "b.jpg: no room")] * 2


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
    source, sink = Closing(map(frame, itertools.count())), Recorder()
    with path.open("wb") as stream:
        summary = run(source, Interrupting(), [JsonLines(stream, ()), sink])
    assert summary.interrupted
    assert summary.frames == len(sink.results) == len(path.read_bytes().splitlines()) >= 3
    assert summary.frames + summary.dropped.get("stopped", 0) == source.taken
    assert (source.closed, sink.closed) == (1, 1)


def test_a_second_interrupt_waits_for_nobody():
    class Stuck(Recorder):
        def write(self, result):
            if not stopping.is_set():
                signal.raise_signal(signal.SIGINT)
                assert stopping.wait(60)
                signal.raise_signal(signal.SIGINT)
                release.wait(60)

    class Stopping(Watching):
        def event(self, event):
            stopping.set()

    stopping, release = threading.Event(), threading.Event()
    with pytest.raises(KeyboardInterrupt):
        run(Closing(map(frame, itertools.count())), Bright(), [Stuck()], watchers=[Stopping()])
    release.set()


def test_an_event_set_elsewhere_stops_the_run():
    class Asking(Recorder):
        def write(self, result):
            super().write(result)
            stop.set()

    stop, sink = threading.Event(), Asking()
    summary = run(Closing(map(frame, itertools.count())), Bright(), [sink], stop=stop)
    assert summary.interrupted
    assert summary.frames == len(sink.results)


class Camera(Closing):
    """Frames one after the other as the test lets them come, each of its own age."""

    live = True


def gated(n, gate):
    """Frames of now; the gate is asked before each."""
    for index in range(n):
        gate(index)
        yield Frame(frame(0).planes, "BGR", index, time.time(), "cam", time.monotonic())


class Slow(Bright):
    """A detector that waits for the test at each frame."""

    def __init__(self, gate) -> None:
        super().__init__()
        self._gate = gate

    def run(self, frame):
        self._gate(frame.index)
        return super().run(frame)


@pytest.mark.parametrize(
    ("policy", "observed", "why"),
    [("drop-oldest", [0, 5], "overtaken"), ("drop-latest", [0, 1], "no-room")],
)
def test_while_the_detector_is_busy_a_camera_drops_by_its_policy(policy, observed, why):
    busy, over = threading.Event(), threading.Event()

    def come(index):
        if index == 1:
            assert busy.wait(60)

    def work(index):
        busy.set()
        assert over.wait(60)

    def source():
        yield from gated(6, come)
        over.set()

    sink = Recorder()
    summary = run([Feed(Camera(source()), policy=policy)], Slow(work), [sink])
    assert sink.results == observed
    assert (summary.frames, summary.failures, summary.dropped) == (2, 0, {why: 4})
    assert summary.age is not None


def test_a_slow_sink_of_a_camera_misses_results_and_the_others_do_not():
    begun, late, fast = threading.Event(), threading.Event(), Recorder()

    class SlowSink(Recorder):
        def write(self, result):
            begun.set()
            assert late.wait(60)
            super().write(result)

    def source():
        for index, item in enumerate(gated(40, lambda _: None)):
            yield item
            until(lambda index=index: len(fast.results) > index)  # the camera's pace
            assert begun.wait(60)
        late.set()

    slow = SlowSink()
    summary = run([Feed(Camera(source()))], Bright(), [slow, fast])
    assert fast.results == list(range(40))
    assert slow.results[0] == 0
    assert slow.results[-8:] == list(range(32, 40))
    assert summary.frames == 40
    assert summary.missed == {"SlowSink": 40 - len(slow.results)}


def test_a_sink_that_fails_is_left_out_and_its_error_comes_at_the_end():
    other, watcher = Recorder(), Watching()
    with pytest.raises(SinkError, match="full"):
        run(
            Closing(frames(20)),
            Bright(),
            [Recorder(write=SinkError("full")), other],
            watchers=[watcher],
        )
    assert other.results == list(range(20))
    (event,) = watcher.events
    assert (event.name, event.subject, event.reason) == ("failed", "Recorder", "full")


def test_without_any_sink_left_the_run_ends():
    endless = Closing(map(frame, itertools.count()))
    with pytest.raises(SinkError, match="full"):
        run(endless, Bright(), [Recorder(write=SinkError("full"))])
    assert endless.closed == 1


def test_a_watcher_that_fails_changes_nothing():
    class Broken(Watching):
        def write(self, result):
            raise SinkError("no terminal")

    sink = Recorder()
    assert run(Closing(frames(30)), Bright(), [sink], watchers=[Broken()]).frames == 30
    assert sink.results == list(range(30))


def test_a_defect_in_the_detector_ends_everything_and_is_raised():
    class Defect(Bright):
        def run(self, frame):
            if frame.index == 3:
                raise ZeroDivisionError
            return super().run(frame)

    source, sink = Closing(map(frame, itertools.count())), Recorder()
    with pytest.raises(ZeroDivisionError):
        run(source, Defect(), [sink])
    assert sink.results == [0, 1, 2]
    assert (source.closed, sink.closed) == (1, 1)


def test_one_source_of_several_may_fail_and_the_others_go_on():
    broken = Closing(frames(2), SourceError("camera 0: gone"))
    whole, sink, watcher = Closing(frames(50)), Recorder(), Watching()
    with pytest.raises(SourceError, match="gone"):
        run([Feed(broken, name="a"), Feed(whole)], Bright(), [sink], watchers=[watcher])
    assert len(sink.results) == 52
    assert [(e.name, e.subject) for e in watcher.events] == [("failed", "a")]


def test_of_several_sources_or_sinks_that_all_fail_each_is_told():
    watcher = Watching()
    feeds = [Feed(Closing([], SourceError(f"{name}: gone")), name=name) for name in "ab"]
    with pytest.raises(SourceError, match="gone"):
        run(feeds, Bright(), [Recorder()], watchers=[watcher])
    assert {event.reason for event in watcher.events} == {"a: gone", "b: gone"}

    watcher = Watching()
    sinks = [Recorder(write=SinkError(f"{name}: full")) for name in "ab"]
    with pytest.raises(SinkError, match="full"):
        run(Closing(map(frame, itertools.count())), Bright(), sinks, watchers=[watcher])
    assert {event.reason for event in watcher.events} == {"a: full", "b: full"}


def test_the_run_stops_at_its_frames_also_when_damaged_ones_were_overtaken():
    busy, over = threading.Event(), threading.Event()

    def source():
        yield frame(0)
        assert busy.wait(60)
        for index in range(1, 5):
            yield Failure(index, 0.0, "cam", "damaged")
        over.set()
        yield from map(frame, range(5, 1000))

    def work(index):
        busy.set()
        assert over.wait(60)

    detector = Slow(work)
    summary = run(Camera(source()), detector, [Recorder()], max_frames=2)
    assert (detector.calls, summary.frames) == (1, 1)


def test_a_damaged_frame_that_nobody_came_to_has_not_failed():
    counters = Counters()
    queues = FrameQueues([Feed(Closing([]))], counters)
    queues.put(queues.queues[0], Failure(0, 0.0, "a.png", "damaged"))
    queues.stop()
    summary = counters.summary(1.0, interrupted=False)
    assert (summary.failures, summary.dropped) == (0, {"stopped": 1})


def test_the_detector_is_shared_by_priority():
    feeds = [Feed(Closing([]), priority=priority) for priority in (3, 1, 1)]
    queues = FrameQueues(feeds, Counters())
    taken = []
    for _ in range(100):
        for queue, name in zip(queues.queues, "abc", strict=True):
            if len(queue.waiting) < queue.depth:
                queues.put(queue, Frame(frame(0).planes, "BGR", 0, 0.0, name))
        taken.append(queues.take().source)
    assert [taken.count(name) for name in "abc"] == [60, 20, 20]


def test_a_source_that_was_silent_has_saved_nothing_up():
    first, second = Feed(Closing([])), Feed(Closing([]))
    queues = FrameQueues([first, second], Counters())
    one, other = queues.queues
    for _ in range(50):
        queues.put(one, Frame(frame(0).planes, "BGR", 0, 0.0, "a"))
        queues.take()
    taken = []
    for _ in range(10):
        for queue, name in ((one, "a"), (other, "b")):
            while len(queue.waiting) < queue.depth:
                queues.put(queue, Frame(frame(0).planes, "BGR", 0, 0.0, name))
        taken.append(queues.take().source)
    assert taken.count("b") <= 6


def test_a_source_is_held_to_its_rate_by_the_time_of_its_frames():
    video = [Frame(frame(0).planes, "BGR", i, i / 30, "v") for i in range(90)]
    sink = Recorder()
    summary = run([Feed(Closing(video), rate=10)], Bright(), [sink])
    assert sink.results == list(range(0, 90, 3))
    assert summary.dropped == {"rate": 60}


def test_frames_that_would_be_too_old_are_dropped_and_counted():
    clock = itertools.count()

    def source():
        now = time.monotonic()
        for index in clock:
            if index == 20:
                return
            age = 100.0 if index % 2 else 0.0
            yield Frame(frame(0).planes, "BGR", index, 0.0, "cam", now - age)

    sink = Recorder()
    summary = run([Feed(Camera(source()), policy="wait")], Bright(), [sink], max_age=50)
    assert sink.results == list(range(0, 20, 2))
    assert summary.dropped == {"too-old": 10}
    assert summary.age.p99 < 50


def test_after_a_slow_result_frames_are_tried_again():
    limit = _AgeLimit(1.0)
    now = time.monotonic()
    old = Frame(frame(0).planes, "BGR", 0, 0.0, "", now)
    assert limit.late(old, now, now + 3)
    tries = 0
    while limit.hopeless(Frame(old.planes, "BGR", 0, 0.0, "", time.monotonic())):
        tries += 1
    assert 5 < tries < 20


def test_memory_of_frames_is_used_again(tmp_path):
    path = str(tmp_path / "v.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 10.0, (80, 60))
    for _ in range(60):
        writer.write(np.zeros((60, 80, 3), np.uint8))
    writer.release()
    known = set()

    class Looking(Bright):
        def run(self, frame):
            known.add(frame.planes[0].__array_interface__["data"][0])
            return super().run(frame)

    assert run(open_source(path), Looking(), [Recorder()]).frames == 60
    assert len(known) <= 14  # two waiting, eight before the sink, those in work


@pytest.mark.parametrize(("key", "value"), [("rate", 0), ("rate", -1), ("priority", 0)])
def test_what_is_no_rate_or_priority_is_refused(key, value):
    with pytest.raises(ValueError, match=f"a {key} is"):
        Feed(Closing([]), **{key: value})


def test_percentiles_lie_between_their_neighbors():
    result = Percentiles.of([i / 1000 for i in range(101)])
    assert (result.p50, result.p90, result.p99) == pytest.approx((0.050, 0.090, 0.099))
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
