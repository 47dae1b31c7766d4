import os

import pytest

from edge.errors import DataError
from edge.io.datasets.names import class_names, read_lines, read_text


@pytest.mark.parametrize("node", [["a", "b"], {"0": "a", "1": "b"}, {"1": "b", "0": "a"}])
def test_takes_a_list_or_a_map_from_class_id(tmp_path, node):
    assert class_names(node, tmp_path / "data.yaml") == ("a", "b")


@pytest.mark.parametrize(
    "node",
    ["", "person", [], {}, [["a"]], [{"a": "b"}], {"0": "a", "2": "b"}, {"a": "0"}, {"": ""}],
)
def test_says_what_names_are_when_it_is_something_else(tmp_path, node):
    with pytest.raises(DataError, match=r"data\.yaml: .*names.*"):
        class_names(node, tmp_path / "data.yaml")


def test_reads_one_name_per_line(tmp_path):
    file = tmp_path / "classes.txt"
    file.write_text("person\r\n fire hydrant \n\n")
    assert read_lines(file) == ("person", "fire hydrant")


def test_refuses_what_is_not_text(tmp_path):
    file = tmp_path / "classes.txt"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"classes\.txt: not UTF-8 text"):
        read_lines(file)


def test_refuses_what_is_no_file_or_too_large(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(DataError, match="not a file"):
            read_text(tmp_path / name)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(DataError, match="1099511627776 bytes; at most"):
        read_text(tmp_path / "large")
