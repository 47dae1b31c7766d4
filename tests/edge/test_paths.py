from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge import package
from edge.errors import DataError, ModelError, SinkError, SourceError
from edge.io.datasets import open_dataset
from edge.io.sinks import open_save
from edge.io.sources import open_source
from edge.paths import exists
from edge.recognize import open_model

LONG = "x" * 300


def test_a_path_is_there_or_not(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("gone")
    assert exists(tmp_path, ModelError)
    assert exists(tmp_path / "file", ModelError)
    for name in ("gone", "link", "file/below"):
        assert not exists(tmp_path / name, ModelError)


def test_a_path_that_cannot_be_looked_up_is_an_error_that_names_it(tmp_path):
    (tmp_path / "ring").symlink_to("ring")
    for name, why in ((LONG, "File name too long"), ("ring", "symbolic links"), ("a\0", "path")):
        with pytest.raises(SourceError, match=why):
            exists(tmp_path / name, SourceError)


@pytest.fixture(params=["too long", "not ours"])
def closed(request, tmp_path):
    """The start of a path that nobody can look up, or that this user cannot."""
    if request.param == "too long":
        yield f"{tmp_path}/{LONG}"
        return
    folder = tmp_path / "closed"
    folder.mkdir(mode=0)
    if os.access(folder, os.X_OK):
        pytest.skip("nothing is closed to root")
    yield f"{folder}/x"
    folder.chmod(0o700)


def test_every_door_raises_an_error_of_its_own(closed):
    clip = open_source("test:conveyor?frames=1")
    doors = [
        (SourceError, lambda: open_source(f"{closed}.jpg")),
        (SourceError, lambda: open_source(f"images:{closed}.jpg")),
        (SourceError, lambda: open_source(f"video:{closed}.mp4")),
        (SinkError, lambda: open_save(f"{closed}.mp4", clip, ())),
        (SinkError, lambda: open_save(f"{closed}/", clip, ())),
        (DataError, lambda: open_dataset(f"{closed}?split=val")),
        (ModelError, lambda: open_model([Path(f"{closed}.edge")])),
        (ModelError, lambda: package.read(Path(f"{closed}.edge"))),
    ]
    for error, door in doors:
        with pytest.raises(error, match=r"File name too long|Permission denied"):
            door()
