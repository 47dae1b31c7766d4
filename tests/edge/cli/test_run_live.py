"""`edge run` on what does not end: streams, several sources, signals, kill -9."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

pytest.importorskip("cv2")

from stream_servers import mjpeg_server

from edge.bundled import MODEL
from edge.io import recording
from edge.stopping import AGAIN
from edge.types import Result


def command(*words) -> list[str]:
    return [sys.executable, "-m", "edge", "run", *map(str, words)]


def edge(*words, **more) -> subprocess.CompletedProcess:
    return subprocess.run(
        command(*words), capture_output=True, text=True, timeout=120, check=False, **more
    )


def until(condition, process) -> None:
    while not condition():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)


def options(*words) -> list[object]:
    return ["--model", MODEL, "--threads", 1, "--imgsz", 64, "--conf", 0.05, *words]


def test_killed_in_the_middle_it_leaves_files_that_can_be_read(tmp_path):
    lines, file = tmp_path / "out.jsonl", tmp_path / "run.edgerec"
    words = options("--source", "test:conveyor?size=320x256", "--json", "--record", file)
    with (
        lines.open("wb") as stream,
        subprocess.Popen(command(*words), stdout=stream, stderr=subprocess.PIPE) as process,
    ):
        until(lambda: file.exists() and file.stat().st_size > 5_000_000, process)
        os.kill(process.pid, signal.SIGKILL)
    whole = lines.read_bytes().split(b"\n")[:-1]
    assert len(whole) >= 10
    assert [json.loads(line)["frame"] for line in whole] == list(range(len(whole)))
    recorded = list(recording.read(file))
    assert len(recorded) >= 15
    assert [item.frame.index for item in recorded] == list(range(len(recorded)))

    done = edge(*options("--source", f"replay:{file}", "--json"))
    assert done.returncode == 0, done.stderr
    again = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(again) == len(recorded)
    assert any(line["detections"] for line in again)
    for line, item in zip(again, recorded, strict=True):
        assert isinstance(item, Result)
        assert (line["frame"], line["source"]) == (item.frame.index, item.frame.source)
        assert [d["class_id"] for d in line["detections"]] == item.detections.class_ids.tolist()
        scores = [round(score, 6) for score in item.detections.scores.tolist()]
        assert [d["confidence"] for d in line["detections"]] == scores


def test_frames_stay_young_when_there_is_more_work_than_time():
    with mjpeg_server([]) as server:  # 50 frames/s, several times what this size sustains
        source = f"http://127.0.0.1:{server.port}/"
        done = edge(
            *("--model", MODEL, "--threads", 1, "--imgsz", 640, "--source", source),
            *("--max-age", 5, "--max-frames", 8, "--log", "json", "--json"),
        )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 8
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert [event["event"] for event in events[:2]] == ["connecting", "connected"]
    summary = events[-1]
    assert (summary["event"], summary["frames"]) == ("summary", 8)
    assert summary["dropped"]["overtaken"] >= 8
    assert summary["age"]["p99"] <= 5
    indices = [json.loads(line)["frame"] for line in done.stdout.splitlines()]
    assert indices == sorted(set(indices))


def test_a_signal_ends_a_camera_well_and_all_is_written(tmp_path):
    file = tmp_path / "r"
    with mjpeg_server([]) as server:
        words = options("--source", f"http://127.0.0.1:{server.port}/", "--json")
        with subprocess.Popen(
            command(*words, "--record", file),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            for _ in range(5):
                assert process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            rest, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert err.splitlines()[-1].endswith("interrupted")
    count = 5 + len(rest.splitlines())
    assert f"\n{count} frames; " in err
    assert len(list(recording.read(file))) == count


def full_pipe() -> tuple[int, int]:
    """A pipe into which nothing more goes."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    return reader, writer


def test_a_second_signal_waits_for_nothing(tmp_path):
    file = tmp_path / "run.edgerec"
    words = options("--source", "test:conveyor?size=320x256", "--record", file)
    reader, writer = full_pipe()  # the first signal waits for it to take what was found
    with subprocess.Popen(
        command(*words, "--json", "--log", "json"),
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.close(writer)
        until(lambda: file.exists() and file.stat().st_size > 500_000, process)
        process.send_signal(signal.SIGINT)
        assert json.loads(process.stderr.readline())["event"] == "stopping"
        time.sleep(AGAIN + 0.1)  # one that follows at once would be the same one
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 1
        assert process.stderr.read() == "edge: stopped at once\n"
    os.close(reader)


def test_several_sources_share_one_model_each_to_its_end():
    sources = [f"test:conveyor?seed={seed}&frames=6&size=160x128" for seed in (1, 2)]
    done = edge(
        *options("--json"),
        *("--source", sources[0], "--source", f"{sources[1]}#priority=3&fps=15"),
    )
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    of = {
        seed: [line["frame"] for line in results if f"seed={seed}&" in line["source"]]
        for seed in (1, 2)
    }
    assert of == {1: [0, 1, 2, 3, 4, 5], 2: [0, 2, 4]}
    assert "3 dropped (3 rate)" in done.stderr.splitlines()[-1]


def test_a_config_file_runs_with_a_secret_from_the_environment(tmp_path):
    with mjpeg_server([]) as server:
        (tmp_path / "edge.toml").write_text(
            f'model = "{MODEL}"\nsource = "http://user:${{CAM_PW}}@127.0.0.1:{server.port}/"\n'
            "imgsz = 64\nmax-frames = 3\njson = true\nthreads = 1\n"
        )
        done = edge("--config", tmp_path / "edge.toml", env={**os.environ, "CAM_PW": "pa55"})
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3
    assert "pa55" not in done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[0])["source"].startswith("http://user:***@")


def test_saving_takes_one_source():
    sources = ["--source", "test:conveyor", "--source", "test:conveyor"]
    done = edge(*options("--save", "out", *sources))
    assert done.returncode == 2
    assert "--save takes one source" in done.stderr


def test_memory_stays_where_it_is():
    """Of a process that does the whole work; it prints what it occupies."""
    code = """
import io, sys
from edge.bench.worker import memory
from edge.detector import Detector
from edge.io.sinks.jsonl import JsonLines
from edge.pipeline import open_feed, run
from edge.types import Size

class Looking:
    def __init__(self): self.seen, self.count = [], 0
    def write(self, result):
        self.count += 1
        if self.count % 60 == 0: self.seen.append(memory("VmRSS"))
    def write_failure(self, failure): pass
    def close(self): print(*self.seen)

class Forgetting(io.RawIOBase):
    def write(self, data): return len(data)

with Detector.load(sys.argv[1], threads=1, imgsz=64) as detector:
    feed = open_feed("test:conveyor?frames=600&size=320x256")
    run([feed], detector, [JsonLines(Forgetting(), ()), Looking()])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(MODEL)], capture_output=True, text=True, check=True
    )
    observed = [int(value) for value in done.stdout.split()]
    assert len(observed) == 10
    assert max(observed[5:]) - observed[4] < 6 << 20  # the second half of the frames is 74 MB
