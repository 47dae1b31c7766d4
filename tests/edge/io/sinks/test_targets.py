from __future__ import annotations

import pytest

from edge.errors import SinkError, UnsavedError
from edge.io.sinks.targets import part_of, write_whole


def test_the_part_is_hidden_beside_the_file_and_keeps_its_suffix(tmp_path):
    part = part_of(tmp_path / "x.mp4")
    assert part.parent == tmp_path
    assert part.name.startswith(".")
    assert part.suffix == ".mp4"
    assert part != part_of(tmp_path / "y.mp4")  # both may be open at once


@pytest.mark.parametrize("name", ["猫" * 80 + ".jpg", "x" * 251 + ".jpg"])
def test_a_name_as_long_as_the_file_system_allows_is_written(tmp_path, name):
    write_whole(tmp_path / name, b"new")
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_name_that_is_too_long_is_an_error(tmp_path):
    with pytest.raises(UnsavedError, match="File name too long"):
        write_whole(tmp_path / ("x" * 256), b"new")
    assert not list(tmp_path.iterdir())


def test_a_file_is_replaced_whole(tmp_path):
    (tmp_path / "x").write_bytes(b"old and longer")
    write_whole(tmp_path / "x", b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"new"


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "x").mkdir()  # a rename over a folder fails
    with pytest.raises(SinkError, match="x: Is a directory"):
        write_whole(tmp_path / "x", b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
