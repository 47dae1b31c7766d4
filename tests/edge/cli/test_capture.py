from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.cli import capture, main
from edge.io.sources import open_source
from edge.types import Event, Frame

cv2 = pytest.importorskip("cv2")
SCENE = "test:conveyor?seed=1&size=160x120"


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


class Clip:
    """Frames of a fixed image at given times."""

    live, files, count = False, (), None

    def __init__(self, times, rate: float | None = 10.0) -> None:
        self.times, self.rate = times, rate

    def __iter__(self):
        image = np.zeros((4, 4, 3), np.uint8)
        for index, time in enumerate(self.times):
            yield Frame((image,), "BGR", index, time)

    def close(self) -> None:
        pass


def test_images_of_a_video_are_as_far_apart_as_was_asked_for(tmp_path, capsys):
    assert main(["capture", "--source", f"{SCENE}&frames=90", "--every", "1s",
                 "-o", str(tmp_path / "a")]) == 0  # fmt: skip
    assert names(tmp_path / "a") == [f"capture-{n:05d}.jpg" for n in (1, 2, 3)]
    assert "3 images" in capsys.readouterr().err
    assert cv2.imread(str(tmp_path / "a" / "capture-00001.jpg")).shape == (120, 160, 3)


def test_a_second_run_goes_on_and_keeps_nothing_twice(tmp_path, capsys):
    words = ["capture", "--every", "1s", "-o", str(tmp_path)]
    assert main([*words, "--source", f"{SCENE}&frames=60"]) == 0
    assert main([*words, "--source", f"{SCENE}&frames=90"]) == 0
    assert names(tmp_path) == [f"capture-{n:05d}.jpg" for n in (1, 2, 3)]
    assert "1 images; passed over: 2 the same again" in capsys.readouterr().err


def test_it_ends_when_there_are_enough(tmp_path, capsys):
    words = [
        "capture",
        "--source",
        SCENE,
        "--every",
        "1s",
        "-o",
        str(tmp_path),
        "--max-images",
        "2",
    ]
    assert main(words) == 0
    assert main(words) == 0
    assert len(names(tmp_path)) == 2
    assert "2 images are there" in capsys.readouterr().err


def test_black_blurred_and_damaged_images_are_passed_over(tmp_path, capsys):
    photos = tmp_path / "photos"
    photos.mkdir()
    sharp = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8).repeat(4, 0)
    sharp = sharp.repeat(4, 1)
    cv2.imwrite(str(photos / "a.png"), sharp)
    cv2.imwrite(str(photos / "b.png"), cv2.GaussianBlur(sharp, (0, 0), 8))
    cv2.imwrite(str(photos / "c.png"), sharp // 40)
    (photos / "d.png").write_bytes(b"no image")
    assert main(["capture", "--source", str(photos), "-o", str(tmp_path / "out")]) == 0
    expected = "1 images; passed over: 1 black, 1 blurred, 1 unreadable"
    assert expected in capsys.readouterr().err


def test_nothing_usable_is_an_error(tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((20, 20, 3), np.uint8))
    assert main(["capture", "--source", str(tmp_path), "-o", str(tmp_path / "out")]) == 1
    assert "no usable image" in capsys.readouterr().err
    assert names(tmp_path / "out") == []


def test_the_folder_of_the_source_is_left_alone(tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((20, 20, 3), np.uint8))
    assert main(["capture", "--source", str(tmp_path), "-o", str(tmp_path)]) == 1
    assert "own folder" in capsys.readouterr().err


def test_an_interrupt_is_how_a_camera_is_stopped(tmp_path, capsys, monkeypatch):
    class Interrupted(Clip):
        def __iter__(self):
            yield from open_source(f"{SCENE}&frames=1")
            raise KeyboardInterrupt

    monkeypatch.setattr(capture, "open_source", lambda address: Interrupted([]))
    assert main(["capture", "--source", "0", "-o", str(tmp_path)]) == 0
    assert names(tmp_path) == ["capture-00001.jpg"]
    assert "1 images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("times", "every", "expected"),
    [
        ([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], 0.2, [0.0, 0.2, 0.4]),
        ([0.0, 0.15, 0.3, 0.45, 0.6], 0.2, [0.0, 0.3, 0.45, 0.6]),  # 0.2, 0.4 and 0.6 were due
        ([5.0, 5.1, 9.0, 9.1, 9.2], 0.2, [5.0, 9.0, 9.2]),  # what was missed is not made up for
        ([0.0, 0.1, 0.2], 0.0, [0.0, 0.1, 0.2]),
    ],
)
def test_frames_are_due_at_even_times(times, every, expected):
    assert [frame.time for frame in capture.due(Clip(times), every)] == expected


def test_what_becomes_of_the_camera_is_told(tmp_path, capsys, monkeypatch):
    class Lost(Clip):
        def __iter__(self):
            yield Event("lost", "rtsp://gate", 0.0, "no frame for 5 s")
            yield from open_source(f"{SCENE}&frames=1")

    monkeypatch.setattr(capture, "open_source", lambda address: Lost([]))
    assert main(["capture", "--source", "0", "-o", str(tmp_path)]) == 0
    assert "rtsp://gate lost no frame for 5 s" in capsys.readouterr().err


def test_still_images_are_all_due():
    assert len(list(capture.due(Clip([0.0, 0.001, 0.002], rate=None), 2.0))) == 3


@pytest.mark.parametrize(
    ("text", "expected"), [("2", 2), ("2s", 2), ("500ms", 0.5), ("1.5m", 90), ("0", 0)]
)
def test_times_are_read_with_their_unit(text, expected):
    assert capture.seconds(text) == expected


@pytest.mark.parametrize("text", ["", "s", "-1s", "2 weeks", "1e3", "48h", "nan"])
def test_other_times_are_refused(text):
    with pytest.raises(ValueError, match="a time"):
        capture.seconds(text)
