from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from edge.errors import SinkError, SourceError
from edge.io import recording
from edge.io.sinks.record import Recorder
from edge.io.sources import open_source
from edge.io.sources.wire import plane_shapes
from edge.types import Detections, Failure, Frame, Latency, Result, Size


def result(index: int, form: str = "NV12", count: int = 2) -> Result:
    random = np.random.default_rng(index)
    planes = tuple(random.integers(0, 256, s, np.uint8) for s in plane_shapes(Size(6, 8), form))
    frame = Frame(planes, form, index, 1e9 + index / 3, "usb:0", 5.25 + index)
    detections = Detections(
        random.random((count, 4), np.float32) * 100,
        random.random(count, np.float32),
        np.arange(count, dtype=np.int32),
    )
    return Result(frame, detections, Latency(0.001, 0.02, 0.0003))


def same(a: Result | Failure, b: Result | Failure) -> bool:
    if isinstance(a, Failure) or isinstance(b, Failure):
        return a == b
    return (
        (a.frame.format, a.frame.index, a.frame.time, a.frame.source, a.frame.captured)
        == (b.frame.format, b.frame.index, b.frame.time, b.frame.source, b.frame.captured)
        and all(np.array_equal(p, q) for p, q in zip(a.frame.planes, b.frame.planes, strict=True))
        and all(
            np.array_equal(getattr(a.detections, key), getattr(b.detections, key))
            and getattr(a.detections, key).dtype == getattr(b.detections, key).dtype
            for key in ("boxes", "scores", "class_ids")
        )
        and a.latency == b.latency
    )


@pytest.fixture
def written(tmp_path):
    """A recording of every format and a failure, and what was written."""
    items = [
        *(result(i, form) for i, form in enumerate(("BGR", "RGB", "GRAY", "NV12", "I420", "YUYV"))),
        Failure(6, 7.5, "usb:0", "it arrived damaged"),
        result(7, count=0),
    ]
    path = tmp_path / "new" / "run.edgerec"
    sink = Recorder(path)
    for item in items:
        sink.write_failure(item) if isinstance(item, Failure) else sink.write(item)
    sink.close()
    sink.close()
    return path, items


def test_what_was_written_is_read_to_the_bit(written):
    path, items = written
    results = list(recording.read(path))
    assert len(results) == len(items)
    assert all(map(same, results, items))


def test_a_strided_image_is_recorded_as_it_looks(tmp_path):
    whole = np.arange(6 * 20 * 3, dtype=np.uint8).reshape(6, 20, 3)
    frame = Frame((whole[:, 3:9],), "BGR")
    empty = Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int32))
    sink = Recorder(tmp_path / "r")
    sink.write(Result(frame, empty, Latency(0, 0, 0)))
    sink.close()
    (results,) = recording.read(tmp_path / "r")
    assert np.array_equal(results.frame.planes[0], whole[:, 3:9])


def test_a_replay_gives_the_same_frames_and_failures(written):
    path, items = written
    source = open_source(f"replay:{path}")
    assert (source.count, source.live, source.files) == (8, False, (path,))
    assert source.rate == pytest.approx(3, rel=0.01)
    results = list(source)
    for item, expected in zip(results, items, strict=True):
        if isinstance(expected, Failure):
            assert item == expected
        else:
            assert (item.index, item.time) == (expected.frame.index, expected.frame.time)
            assert item.captured is None  # it is not of now
            assert all(map(np.array_equal, item.planes, expected.frame.planes))


def test_cut_anywhere_it_is_readable_up_to_the_last_whole_record(written, tmp_path):
    path, items = written
    data = path.read_bytes()
    ends = [len(recording.MAGIC)]
    for item in items:
        ends.append(ends[-1] + sum(len(part) for part in recording.encoded(item)))
    assert ends[-1] == len(data)
    near = {end + by for end in ends[1:-1] for by in (-1, 0, 1)}
    for cut in sorted(near | set(range(ends[0], len(data), 41))):
        short = tmp_path / "short"
        short.write_bytes(data[:cut])
        whole = sum(end <= cut for end in ends) - 1
        results = list(recording.read(short))
        assert len(results) == whole
        assert recording.outline(short)[0] == whole
    assert all(map(same, results, items))


def test_a_damaged_record_is_an_error_that_says_where(written, tmp_path):
    path, _ = written
    data = bytearray(path.read_bytes())
    data[400] ^= 1
    (tmp_path / "bad").write_bytes(data)
    with pytest.raises(SourceError, match=r"bad: the record at byte \d+ is damaged"):
        list(recording.read(tmp_path / "bad"))


@pytest.mark.parametrize(
    "change",
    [
        {"shapes": [[6, 8], [3, 4, 3]]},
        {"shapes": [[60000, 80000], [30000, 40000, 2]]},
        {"shapes": []},
        {"format": "H264"},
        {"boxes": [[1, 2, 3]]},
        {"scores": [1.0]},
        {"captured": "now"},
        {"frame": None},
        {"latency": [1]},
    ],
)
def test_a_record_that_contradicts_itself_is_damaged(change, tmp_path):
    parts = recording.encoded(result(0))
    head = json.loads(bytes(parts[0])[16:]) | change
    text = json.dumps(head).encode()
    body = b"".join(bytes(part) for part in parts[1:])
    prefix = recording._PREFIX.pack(
        b"EDGE", len(text), len(body), recording.zlib.crc32(body, recording.zlib.crc32(text))
    )
    path = tmp_path / "r"
    good = b"".join(bytes(part) for part in recording.encoded(result(1)))
    path.write_bytes(recording.MAGIC + prefix + text + body + good)
    with pytest.raises(SourceError, match="damaged"):
        list(recording.read(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "not a recording"), (b"RIFF....", "not a recording"), (b"edge recording 2\n", "newer")],
)
def test_other_files_are_refused(content, message, tmp_path):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(SourceError, match=message):
        open_source(f"replay:{tmp_path}/x")


def test_a_missing_recording_is_an_error():
    with pytest.raises(SourceError, match="/nowhere/x: No such file"):
        open_source("replay:/nowhere/x")


def test_a_recording_is_never_written_over(written):
    path, items = written
    with pytest.raises(SinkError, match="there already"):
        Recorder(path)
    assert len(list(recording.read(path))) == len(items)


def test_a_recording_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match="file"):
        Recorder(tmp_path / "file" / "r")


def test_a_full_disk_is_an_error():
    sink = Recorder.__new__(Recorder)
    sink._file, sink._stream = "disk", open("/dev/full", "wb", buffering=0)  # noqa: PTH123, SIM115
    with pytest.raises(SinkError, match="disk: No space left on device"):
        sink.write(result(0))
    sink._stream.close()


def test_it_survives_being_moved_while_it_is_written(tmp_path):
    sink = Recorder(tmp_path / "a")
    sink.write(result(0))
    shutil.move(tmp_path / "a", tmp_path / "b")
    sink.write(result(1))
    sink.close()
    assert len(list(recording.read(tmp_path / "b"))) == 2
