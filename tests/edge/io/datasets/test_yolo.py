import pytest

from edge.errors import DataError
from edge.io.datasets import open_dataset
from edge.types import Size


@pytest.fixture
def make(tmp_path):
    """Writes files of the content given; images are empty, as only their names matter here."""

    def write(files):
        for name, content in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        return tmp_path

    return write


def names_of(dataset):
    return [sample.path.name for sample in dataset.samples]


def test_reads_centers_and_extents(make):
    folder = make({"images/a.jpg": "", "labels/a.txt": "1 0.5 0.25 0.2 0.1\n\n0 .1 .1 .2 .2\n"})
    (sample,) = open_dataset(folder).samples
    objects = sample.objects(Size(100, 200))
    assert objects.class_ids.tolist() == [1, 0]
    assert objects.rectangles.ravel().tolist() == pytest.approx([80, 20, 40, 10, 0, 0, 40, 20])
    assert objects.areas.tolist() == pytest.approx([400, 800])


def test_takes_the_box_around_an_outline(make):
    folder = make({"images/a.jpg": "", "labels/a.txt": "3 0.1 0.5 0.3 0.2 0.2 0.9"})
    (sample,) = open_dataset(folder).samples
    assert sample.labels.rectangles.ravel().tolist() == pytest.approx([0.1, 0.2, 0.2, 0.7])


def test_an_image_without_labels_has_no_objects(make):
    folder = make({"images/a.jpg": "", "images/b.PNG": "", "labels/a.txt": "0 .5 .5 .1 .1"})
    assert [len(sample.labels) for sample in open_dataset(folder).samples] == [1, 0]


def test_numbers_images_by_their_name_or_place(make):
    files = {f"images/{n}.jpg": "" for n in ("0012", "a", "9")} | {"labels/a.txt": ""}
    samples = open_dataset(make(files)).samples
    assert {s.path.stem: s.image_id for s in samples} == {"0012": 12, "9": 9, "a": 3}
    assert [s.image_id for s in samples] == [3, 9, 12]


@pytest.mark.parametrize("form", ["{0}s/{1}", "{1}/{0}s"])
def test_reads_splits(make, form):
    files = {}
    for split, name in (("train", "a"), ("val", "b")):
        files[form.format("image", split) + f"/{name}.jpg"] = ""
        files[form.format("label", split) + f"/{name}.txt"] = "0 .5 .5 .1 .1"
    folder = make(files)
    everything = open_dataset(folder)
    assert (names_of(everything), everything.splits) == (["a.jpg", "b.jpg"], ("train", "val"))
    assert names_of(open_dataset(folder, "val")) == ["b.jpg"]
    assert names_of(open_dataset(f"{folder}?split=train")) == ["a.jpg"]
    with pytest.raises(DataError, match="no split 'test'; found: train, val"):
        open_dataset(folder, "test")


def test_leaves_out_a_split_without_labels(make):
    folder = make({"images/val/a.jpg": "", "labels/val/a.txt": "", "images/test/b.jpg": ""})
    dataset = open_dataset(folder)
    assert (names_of(dataset), dataset.left_out) == (["a.jpg"], {"unlabeled": 1})
    with pytest.raises(DataError, match="1 images, and no label file for any of them"):
        open_dataset(folder, "test")
    assert names_of(open_dataset(folder, "test", labels=False)) == ["b.jpg"]


@pytest.mark.parametrize(
    ("name", "content"),
    [("data.yaml", "nc: 2\nnames: [cat, dog]"), ("labels/classes.txt", "cat\ndog\n"),
     ("classes.txt", "cat\ndog")],
)  # fmt: skip
def test_reads_names(make, name, content):
    folder = make({"images/a.jpg": "", "labels/a.txt": "1 .5 .5 .1 .1", name: content})
    assert open_dataset(folder).names == ("cat", "dog")


def test_a_yaml_file_stands_for_its_folder(make):
    folder = make({"images/a.jpg": "", "labels/a.txt": "", "data.yaml": "names: [cat]"})
    assert open_dataset(folder / "data.yaml").names == ("cat",)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 .5 .5 .1", "4 numbers, or an outline of 3 points or more; got 4 fields"),
        ("0 .5 .5 .1 .1 .9", "got 6 fields"),
        ("0 .5 .5 .1 .1 .9 .9 .9", "got 8 fields"),
        ("cat .5 .5 .1 .1", "a class id is a whole number, got 'cat'"),
        ("-1 .5 .5 .1 .1", "a class id is a whole number, got '-1'"),
        ("0 .5 half .1 .1", "not numbers: .5 half .1 .1"),
        ("0 .5 nan .1 .1", "0 to 1; got .5 nan .1 .1"),
        ("0 320 240 100 50", "0 to 1; got 320 240 100 50"),
        ("0 .5 .5 -.0005 .1", "a width or height below 0"),
        ("2 .5 .5 .1 .1", "class id 2, but there are names for 0 to 1"),
    ],
)
def test_says_which_line_is_wrong(make, line, message):
    text = f"0 .5 .5 .1 .1\n{line}\n"
    folder = make({"images/a.jpg": "", "labels/a.txt": text, "classes.txt": "cat\ndog"})
    with pytest.raises(DataError) as caught:
        open_dataset(folder)
    assert str(caught.value).startswith(f"{folder / 'labels' / 'a.txt'}:2: ")
    assert message in str(caught.value)


def test_allows_for_rounding_at_the_border(make):
    folder = make({"images/a.jpg": "", "labels/a.txt": "0 1.0000005 .5 .1 .1"})
    assert len(open_dataset(folder).samples[0].labels) == 1


def test_counts_labels_without_an_image(make):
    files = {"images/a.jpg": "", "labels/a.txt": "", "labels/b.txt": "0 x", "labels/s/c.txt": ""}
    dataset = open_dataset(make({**files, "labels/classes.txt": "x", "labels/readme.md": ""}))
    assert (names_of(dataset), dataset.left_out) == (["a.jpg"], {"orphan": 2})


def test_refuses_a_folder_without_any_labels(make):
    folder = make({"images/a.jpg": "", "labels/readme.md": ""})
    with pytest.raises(DataError, match="1 images, and no label file for any of them"):
        open_dataset(folder)


def test_reads_real_labels(shared):
    dataset = open_dataset(shared / "data" / "coco" / "val")
    assert (dataset.format, len(dataset), dataset.names) == ("YOLO", 64, None)
    assert sum(len(sample.labels) for sample in dataset.samples) == 461
    assert dataset.samples[0].image_id == 139
