from __future__ import annotations

import io
import json
import os

import numpy as np
import pytest

from edge.errors import SinkError
from edge.io.sinks.jsonl import JsonLines
from edge.types import Detections, Failure, Frame, Latency, Result


def lines(stream: io.BytesIO) -> list[dict]:
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    text = stream.getvalue().decode("utf-8")
    assert text.endswith("\n")
    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


def test_a_result_is_one_line_as_promised(result):
    stream = io.BytesIO()
    sink = JsonLines(stream, ("person", "car"))
    sink.write(result("photos/a.jpg", index=3, time=1.25, class_id=1))
    (line,) = lines(stream)
    assert line == {
        "frame": 3,
        "source": "photos/a.jpg",
        "time": 1.25,
        "width": 200,
        "height": 100,
        "detections": [
            {"class_id": 1, "name": "car", "confidence": 0.87, "box": [20.0, 30.0, 120.5, 80.25]}
        ],
        "latency_ms": {"preprocess": 1.0, "inference": 20.5, "postprocess": 0.5},
    }
    assert list(line) == [
        *("frame", "source", "time", "width", "height", "detections", "latency_ms")
    ]


def test_a_failure_has_an_error_and_no_detections():
    stream = io.BytesIO()
    JsonLines(stream, ()).write_failure(Failure(1, 1e9, "b.jpg", "not an image"))
    assert lines(stream) == [{"frame": 1, "source": "b.jpg", "time": 1e9, "error": "not an image"}]


def test_an_empty_image_has_an_empty_list():
    nothing = Detections(
        np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int32)
    )
    frame = Frame.of(np.zeros((2, 3, 3), np.uint8))
    stream = io.BytesIO()
    JsonLines(stream, ()).write(Result(frame, nothing, Latency(0, 0, 0)))
    (line,) = lines(stream)
    assert line["detections"] == []
    assert (line["width"], line["height"]) == (3, 2)


def test_boxes_keep_a_thousandth_of_a_pixel_and_times_a_microsecond(result):
    stream = io.BytesIO()
    box = (1234.5678, 0.0001, 3839.9995, 2160.0)
    JsonLines(stream, ()).write(result(box=box, time=1_790_000_000.123456))
    (line,) = lines(stream)
    assert line["detections"][0]["box"] == pytest.approx(box, abs=1e-3)
    assert line["time"] == pytest.approx(1_790_000_000.123456, abs=1e-6)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_null(result, bad):
    stream = io.BytesIO()
    JsonLines(stream, ()).write(result(score=bad, box=(bad, 0, 1, 1)))
    (line,) = lines(stream)
    assert line["detections"][0]["confidence"] is None
    assert line["detections"][0]["box"][0] is None


def test_a_class_without_a_label_is_named_by_its_number(result):
    stream = io.BytesIO()
    JsonLines(stream, ("person",)).write(result(class_id=7))
    assert lines(stream)[0]["detections"][0]["name"] == "7"


@pytest.mark.parametrize("name", ["日本 ü.jpg", 'quote" \\ \n.jpg', "\udcff.jpg"])
def test_any_name_survives(result, name):
    stream = io.BytesIO()
    JsonLines(stream, (name,)).write(result(name))
    (line,) = lines(stream)
    assert line["source"] == name
    assert line["detections"][0]["name"] == name


def test_readable_text_stays_readable(result):
    stream = io.BytesIO()
    JsonLines(stream, ("Käfer",)).write(result("日本.jpg"))
    assert "日本.jpg".encode() in stream.getvalue()
    assert "Käfer".encode() in stream.getvalue()


def test_a_line_can_be_read_as_soon_as_it_is_written(result, tmp_path):
    path = tmp_path / "out.jsonl"
    with path.open("wb") as stream:
        JsonLines(stream, ()).write(result())
        assert len(path.read_bytes().splitlines()) == 1


def test_the_stream_of_the_caller_stays_open(result):
    stream = io.BytesIO()
    sink = JsonLines(stream, ())
    sink.write(result())
    sink.close()
    sink.close()
    assert not stream.closed


def test_a_reader_that_went_away_is_told_apart_from_a_failure(result):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb", buffering=0) as stream, pytest.raises(BrokenPipeError):  # noqa: PTH123
        JsonLines(stream, ()).write(result())


def test_a_full_disk_is_a_sink_error(result):
    with (
        open("/dev/full", "wb", buffering=0) as stream,  # noqa: PTH123 - unbuffered
        pytest.raises(SinkError, match="/dev/full: No space left"),
    ):
        JsonLines(stream, ()).write(result())
