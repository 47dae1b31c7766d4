from pathlib import Path

from edge.io.datasets import Dataset, Objects, Sample, summary


def data(*samples, **facts):
    none, one = Objects.of([], []), Objects.of([[0, 0, 1, 1]], [0])
    rows = [
        Sample(Path("x"), 1, one if n else none, split=split, has_labels=n is not None)
        for split, n in samples
    ]
    return Dataset(Path("d"), "YOLO", tuple(rows), **facts)


def test_counts_images_and_objects_of_each_split():
    whole = data(("val", 1), ("train", 1), ("train", 1), ("train", None))
    assert summary({"": whole}) == [
        "data: train 3 images (2 objects; 1 without a label file), val 1 image (1 object)"
    ]


def test_names_what_has_no_splits():
    one = data((None, 1))
    assert summary({"": one}) == ["data: 1 image (1 object)"]
    assert summary({"train": one, "val": data((None, 0))}) == [
        "data: train 1 image (1 object), val 1 image (0 objects)"
    ]


def test_says_what_is_left_out_and_each_warning_once():
    left_out = {"orphan": 1, "missing": 2, "other": 0}
    parts = [data((None, 1), left_out=left_out, warnings=("a\x1b", "b")) for _ in range(2)]
    assert summary(dict(zip("xy", parts, strict=True))) == [
        "data: x 1 image (1 object), y 1 image (1 object); left out: 4 listed images that are not "
        "there, 2 label files without an image",
        "note: a\\x1b",
        "note: b",
    ]
