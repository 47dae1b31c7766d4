"""The README's examples, run as they stand there, on a real model and photograph."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pages
import pytest

README = pages.read("README.md")


def blocks(language, section):
    """The code blocks of a language under a heading."""
    return pages.blocks(pages.section(README, section), language)


@pytest.fixture
def workplace(shared, tmp_path, monkeypatch):
    """A folder with what the examples name: a model, a photograph, a folder, a dataset."""
    if not find_spec("cv2"):
        pytest.skip("needs OpenCV")
    for suffix in ("param", "bin"):
        shutil.copy(shared / "models" / "yolov6lite" / f"yolov6-lite-s.{suffix}", tmp_path)
    val = shared / "data" / "coco" / "val"
    photos = sorted((val / "images").iterdir())[:2]
    for folder in ("photos", "dataset/images", "dataset/labels"):
        (tmp_path / folder).mkdir(parents=True)
    for photo in photos:
        shutil.copy(photo, tmp_path / "photos")
        shutil.copy(photo, tmp_path / "dataset" / "images")
        label = val / "labels" / f"{photo.stem}.txt"
        if label.exists():
            shutil.copy(label, tmp_path / "dataset" / "labels")
    shutil.copy(photos[0], tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edge(words):
    return subprocess.run(
        [sys.executable, "-m", "edge", *words], capture_output=True, text=True, check=False
    )


def test_the_first_command_needs_no_model_and_no_source(tmp_path, monkeypatch):
    (command,) = [b for b in blocks("sh", "Install and run") if "apt-get" in b]
    last = shlex.split(command.strip().split("&&")[-1])
    assert last == ["edge", "run"]
    monkeypatch.chdir(tmp_path)
    done = edge(last[1:])
    assert done.returncode == 0, done.stderr
    assert "saw " in done.stderr
    assert "of 100 frames" in done.stderr


def test_the_commands_work_in_their_order(workplace):
    (block,) = blocks("sh", "Use")
    # Downloads and checkpoints are tested where a server and torch are: calibration, registry.
    apart = ("pull", "yolov6n.pt")
    commands = [words[1:] for words in pages.commands(block) if not set(apart) & set(words)]
    assert len(commands) >= 4
    for words in commands:
        done = edge(words)
        assert done.returncode == 0, (words, done.stderr)
    assert [path.name for path in (workplace / "found").iterdir()] == ["photo.jpg"]


def test_the_python_example_finds_something(workplace):
    (example,) = blocks("python", "Use")
    assert edge(["convert", "yolov6-lite-s.param", "-o", "s.edge"]).returncode == 0
    done = subprocess.run(
        [sys.executable, "-c", example], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith("people")
    assert len(done.stdout.splitlines()) > 1


def test_the_second_command_is_the_one_that_checks_everything():
    assert "bash tests/run\n" in blocks("sh", "Install and run")[1]
    assert (Path(__file__).parent / "run").is_file()
