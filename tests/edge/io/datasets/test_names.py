import pytest

from edge.errors import DataError
from edge.io.datasets.names import read_lines, read_yaml


@pytest.mark.parametrize(
    "text",
    [
        "names: [person, 'fire hydrant', \"o'clock\"]",
        "nc: 3\nnames: ['person',\n   'fire hydrant',\n   \"o'clock\"]  # three\nval: x\n",
        "names:\n  - person\n  - fire hydrant\n  - 'o''clock'\nnc: 3\n",
        "names:\n- person\n- fire hydrant\n- o'clock\nnc: 3\n",
        "path: x # y\nnames:\n  0: person\n  1: fire hydrant  # red\n\n  2: o'clock\ntrain: t\n",
        'names: {0: person, 1: fire hydrant, 2: "o\'clock"}',
        'names:\n  2: "o\'clock"\n  0: person\n  1: fire hydrant\n',
        "\ufeffnames: [person, fire hydrant, o'clock]",
    ],
)
def test_reads_the_forms_that_tools_write(tmp_path, text):
    file = tmp_path / "data.yaml"
    file.write_text(text, "utf-8")
    assert read_yaml(file) == ("person", "fire hydrant", "o'clock")


def test_keeps_a_hash_inside_a_name(tmp_path):
    file = tmp_path / "data.yaml"
    file.write_text("names: ['a # b', c#]")
    assert read_yaml(file) == ("a # b", "c#")


def test_finds_no_names_where_there_is_no_such_key(tmp_path):
    file = tmp_path / "data.yaml"
    file.write_text("path: x\ninner:\n  names: [a]\n")
    assert read_yaml(file) is None


@pytest.mark.parametrize(
    "text",
    [
        "names: person",
        "names: &anchor [a]",
        "names: [a, b",
        "names: []",
        "names:\nnc: 3",
        "names:\n  0: a\n  2: b\n",
        "names:\n  - a\n  1: b\n",
        "names: {a: 0, b: 1}",
        "names: ['a]",
        "names: [[a], [b]]",
    ],
)
def test_says_what_it_reads_when_it_is_something_else(tmp_path, text):
    file = tmp_path / "data.yaml"
    file.write_text(text)
    with pytest.raises(DataError, match=r"data\.yaml: .*names.*"):
        read_yaml(file)


def test_reads_one_name_per_line(tmp_path):
    file = tmp_path / "classes.txt"
    file.write_text("person\r\n fire hydrant \n\n")
    assert read_lines(file) == ("person", "fire hydrant")


def test_refuses_what_is_not_text(tmp_path):
    file = tmp_path / "classes.txt"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"classes\.txt: not UTF-8 text"):
        read_lines(file)
