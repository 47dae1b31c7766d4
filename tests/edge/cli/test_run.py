"""`edge run`, as a user calls it: a process, its output and its exit status."""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from edge.cli import main

cv2 = pytest.importorskip("cv2")


def edge(*words):
    return subprocess.run(
        [sys.executable, "-m", "edge", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )


def started(*words):
    command = [sys.executable, "-m", "edge", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def model(shared, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "s.edge"
    source = shared / "models" / "yolov6lite" / "yolov6-lite-s.param"
    done = edge("convert", source, "-o", path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "four maps" in done.stderr
    return path


@pytest.fixture(scope="module")
def photos(shared):
    return sorted((shared / "data" / "coco" / "val" / "images").iterdir())


@pytest.fixture
def folder(photos, tmp_path):
    """Two photographs with a broken file between them."""
    shutil.copy(photos[0], tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(b"not an image")
    shutil.copy(photos[1], tmp_path / "c.jpg")
    return tmp_path


class TestJson:
    def test_a_folder_with_a_broken_file_in_the_middle(self, model, folder):
        done = edge("run", "--model", model, "--source", folder, "--json")
        assert done.returncode == 1
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert [line["frame"] for line in lines] == [0, 1, 2]
        assert [line["source"] for line in lines] == [str(folder / f"{n}.jpg") for n in "abc"]
        assert "error" in lines[1]
        assert "detections" not in lines[1]
        for line in (lines[0], lines[2]):
            assert set(line["latency_ms"]) == {"preprocess", "inference", "postprocess"}
            assert line["detections"]
            for result in line["detections"]:
                assert set(result) == {"class_id", "name", "confidence", "box"}
                x1, y1, x2, y2 = result["box"]
                assert 0 <= x1 < x2 <= line["width"]
                assert 0 <= y1 < y2 <= line["height"]
                assert result["confidence"] > 0.25
        assert done.stderr.splitlines()[-1].startswith("2 frames; 1 failed; ")

    def test_a_video(self, model, photos, tmp_path):
        clip = tmp_path / "clip.mp4"
        writer = cv2.VideoWriter(str(clip), cv2.VideoWriter_fourcc(*"mp4v"), 10, (320, 240))
        for photo in photos[:5]:
            writer.write(cv2.resize(cv2.imread(str(photo)), (320, 240)))
        writer.release()
        done = edge("run", "--model", model, "--source", clip, "--json", "--max-frames", 4)
        assert done.returncode == 0
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        np.testing.assert_allclose([line["time"] for line in lines], [0, 0.1, 0.2, 0.3], atol=1e-6)
        assert {(line["width"], line["height"]) for line in lines} == {(320, 240)}

    def test_a_damaged_video_says_how_much_of_it_was_read(self, model, tmp_path):
        clip = tmp_path / "clip.avi"
        writer = cv2.VideoWriter(str(clip), cv2.VideoWriter_fourcc(*"MJPG"), 10, (320, 240))
        for level in range(12):
            writer.write(np.full((240, 320, 3), 20 * level, np.uint8))
        writer.release()
        clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
        done = edge("run", "--model", model, "--source", clip, "--json")
        read = len(done.stdout.splitlines())
        assert 0 < read < 12
        text = f"{clip}: 12 frames were announced, {read} could be read"
        assert done.stderr.splitlines()[0] == text

    def test_only_some_classes(self, model, photos):
        done = edge("run", "--model", model, "--source", photos[0], "--json", "--classes", "tv", 56)
        assert done.returncode == 0
        (line,) = (json.loads(line) for line in done.stdout.splitlines())
        assert {result["name"] for result in line["detections"]} == {"tv", "chair"}


class TestFailures:
    def test_a_missing_camera(self, model):
        done = edge("run", "--model", model, "--source", "99", "--json")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("edge: error: ")
        assert len(done.stderr.splitlines()) == 1
        assert "99" in done.stderr

    def test_a_missing_model(self, tmp_path):
        done = edge("run", "--model", tmp_path / "none.edge", "--source", tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert "none.edge: no such file" in done.stderr

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--conf", "2"], "a number from 0 to 1, got 2"),
            (["--imgsz", "330"], "multiple of 64"),
            (["--imgsz", "0"], "a size is at least 1x1"),
            (["--classes", "cta"], "no class 'cta'; did you mean 'cat'"),
            (["--threads", "-1"], "a whole number from 0"),
            (["--backend", "torch"], "invalid choice"),
            (["--nonsense"], "unrecognized arguments"),
        ],
    )
    def test_bad_usage(self, model, folder, words, message):
        done = edge("run", "--model", model, "--source", folder, *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert message in done.stderr
        assert "Traceback" not in done.stderr

    def test_a_reader_that_goes_away(self, model, shared):
        source = shared / "data" / "coco" / "val" / "images"
        with started("run", "--model", model, "--source", source, "--json") as process:
            assert process.stdout.readline()
            process.stdout.close()
            assert process.wait(60) == 1
            assert process.stderr.read() == ""  # not even from Python as it ends


class TestStopping:
    def test_a_signal_completes_the_video_and_fails(self, model, tmp_path):
        words = ["--source", "test:conveyor", "--json", "--save", tmp_path / "out" / "clip.mp4"]
        with started("run", "--model", model, *words) as process:
            lines = [process.stdout.readline() for _ in range(3)]
            process.send_signal(signal.SIGTERM)
            rest, err = process.communicate(timeout=60)
        assert process.returncode == 1
        saw, summary = err.splitlines()
        assert saw.startswith("saw ")
        assert summary.endswith("interrupted")
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["clip.mp4"]
        saved = cv2.VideoCapture(str(tmp_path / "out" / "clip.mp4"))
        count = len(lines) + len(rest.splitlines())
        assert 0 <= count - saved.get(cv2.CAP_PROP_FRAME_COUNT) <= 1
        saved.release()

    def test_as_many_frames_as_asked_for_are_promised(self, model, folder, monkeypatch, capsys):
        class Terminal(io.StringIO):
            def isatty(self):
                return True

        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr(sys, "stderr", Terminal())
        words = ["--model", str(model), "--source", str(folder), "--max-frames", "1"]
        assert main(["run", *words]) == 0
        assert "1/1 frames" in sys.stderr.getvalue()


class TestSave:
    def test_an_image_that_cannot_be_saved_is_a_failed_frame(self, model, photos, tmp_path):
        name = "x" * 250 + ".pgm"  # saved as .png beside its sister, it is one letter too long
        (tmp_path / "in").mkdir()
        image = cv2.imread(str(photos[0]))
        encoded = cv2.imencode(".pgm", cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))[1].tobytes()
        for path in (name, name.replace(".pgm", ".PGM"), "y.pgm"):
            (tmp_path / "in" / path).write_bytes(encoded)
        done = edge(
            "run", "--model", model, "--source", tmp_path / "in", "--save", tmp_path / "out"
        )
        assert done.returncode == 1
        assert "File name too long" in done.stderr
        assert done.stderr.splitlines()[-1].startswith("2 frames; 1 failed; ")
        assert sorted(path.name[0] for path in (tmp_path / "out").iterdir()) == ["x", "y"]

    def test_images_with_boxes(self, model, folder, tmp_path):
        saved = tmp_path / "out"
        done = edge("run", "--model", model, "--source", folder, "--save", saved)
        assert (done.returncode, done.stdout) == (1, "")
        assert sorted(path.name for path in saved.iterdir()) == ["a.jpg", "c.jpg"]
        before, after = (cv2.imread(str(d / "a.jpg")) for d in (folder, saved))
        assert before.shape == after.shape
        assert np.abs(before.astype(int) - after).max() > 100

    def test_never_over_the_source(self, model, folder):
        done = edge("run", "--model", model, "--source", folder, "--save", folder)
        assert done.returncode == 1
        assert "source's own folder" in done.stderr
        assert (folder / "b.jpg").read_bytes() == b"not an image"


def test_a_bare_model_file_runs_too_and_nothing_else_is_said(shared, photos):
    source = shared / "models" / "yolov6lite" / "yolov6-lite-s.param"
    done = edge("run", "--model", source, "--source", photos[0])
    assert (done.returncode, done.stdout) == (0, "")
    saw, summary = done.stderr.splitlines()
    assert saw.startswith("saw ")
    assert summary.startswith("1 frames; ")
