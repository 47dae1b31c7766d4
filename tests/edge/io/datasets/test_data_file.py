import pytest

from edge.errors import DataError
from edge.io.datasets import data_file


@pytest.fixture
def write(tmp_path):
    def write(text, name="data.yaml"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_says_what_the_file_says(write):
    file = write("path: ../x\ntrain: [a, b]\nval:\n  - c\ntest: null\nnc: 2\nnames: [d, e]\n")
    data = data_file.read(file)
    assert (data.path, data.names, data.fetches) == ("../x", ("d", "e"), False)
    assert data.splits == {"train": ("a", "b"), "val": ("c",)}


def test_a_split_without_a_place_is_none(write):
    for nothing in ("", "~", "null", "''", "[]"):
        assert data_file.read(write(f"train: {nothing}\n")).splits == {}


def test_knows_that_a_file_fetches_its_data(write):
    assert data_file.read(write("train: a\ndownload: |\n  train: other\n")).fetches


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: person", "'names' is a list of names or a map"),
        ("names:\nnc: 3", "'names' is a list of names or a map"),
        ("names: &anchor\n", "'names' is a list of names or a map"),
        ("names: *alias", "line 1: '\\*alias'"),
        ("names: [a, b", "line 1: wanted a comma or"),
        ("names: [a, b]\nnc: 3", "'nc' says 3 classes, 'names' has 2"),
        ("train: {a: b}", "'train' is a path or a list of paths, found {'a': 'b'}"),
        ("val: [[a]]", "'val' is a path or a list of paths"),
        ("path: [a, b]", "'path' is one folder, found 2"),
        ("- a", "line 1: wanted one document, a map"),
        ("train: a\0b", "a control character"),
    ],
)
def test_names_the_file_and_what_is_wrong_with_it(write, text, message):
    with pytest.raises(DataError, match=rf"data\.yaml: {message}"):
        data_file.read(write(text))


def test_refuses_what_is_no_text_or_too_large(tmp_path):
    file = tmp_path / "data.yaml"
    file.write_bytes(b"names: [\xff]")
    with pytest.raises(DataError, match=r"data\.yaml: not UTF-8 text"):
        data_file.read(file)
    with file.open("wb") as stream:
        stream.truncate(1 << 33)
    with pytest.raises(DataError, match=r"data\.yaml: 8589934592 bytes; at most 4194304"):
        data_file.read(file)


class TestOfFolder:
    def test_is_none_without_a_file_about_data(self, tmp_path, write):
        assert data_file.of_folder(tmp_path) is None
        write("lr: 0.1\n", "hyp.yaml")
        assert data_file.of_folder(tmp_path) is None

    def test_is_the_only_one(self, tmp_path, write):
        write("lr: 0.1\n", "a.yaml")
        write("names: [x]\n", "parts.yml")
        assert data_file.of_folder(tmp_path).file.name == "parts.yml"

    @pytest.mark.parametrize("usual", ["data.yaml", "data.yml", "dataset.yaml"])
    def test_is_the_usual_one_among_others(self, tmp_path, write, usual):
        write("names: [a]\n", "aaa.yaml")
        write("names: [b]\n", usual)
        assert data_file.of_folder(tmp_path).names == ("b",)

    def test_is_any_of_those_that_say_the_same(self, tmp_path, write):
        write("names: [a]\n", "x.yaml")
        write("names:\n  0: a  # the same\n", "y.yaml")
        assert data_file.of_folder(tmp_path).names == ("a",)

    @pytest.mark.parametrize("other", ["names: [b]\n", "names: [a]\ntrain: x\n"])
    @pytest.mark.parametrize("files", [("a.yaml", "b.yaml"), ("data.yaml", "dataset.yaml")])
    def test_is_not_chosen_by_the_alphabet(self, tmp_path, write, other, files):
        write("names: [a]\n", files[0])
        write(other, files[1])
        with pytest.raises(DataError, match=f"{files[0]}, {files[1]} name different classes"):
            data_file.of_folder(tmp_path)
