from pathlib import Path

import pytest

from edge.errors import DataError
from edge.io.datasets.splits import Split, choose, names, role


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train", "train"), ("Training", "train"), ("train2017", "train"), ("train_v2", "train"),
        ("val", "val"), ("valid", "val"), ("validation", "val"), ("VAL_2014", "val"),
        ("instances_val2017", "val"), ("siteA/val", "val"), ("train/valid", "val"),
        ("test", "test"), ("test-dev2017", "test"), ("testing", "test"),
        ("siteA", None), ("trainval", None), ("train_val", None), ("retrained", None), ("", None),
    ],
)  # fmt: skip
def test_a_name_says_what_a_part_is_for(name, expected):
    assert role(name) == expected


def test_a_part_is_asked_for_by_its_name_another_or_what_it_is_for():
    parts = [Split(""), Split("train2017"), Split("val2017", ("b",)), Split("val2014"), Split("x")]
    assert choose(parts, "val2017", Path()) == [parts[2]]
    assert choose(parts, "b", Path()) == [parts[2]]
    for word in ("val", "valid", "Validation"):
        assert choose(parts, word, Path()) == parts[2:4]
    assert names(parts) == ("train2017", "val2017", "val2014", "x")


@pytest.mark.parametrize("asked", ["test", "val2016", "", "X"])
def test_says_which_parts_there_are(asked):
    with pytest.raises(DataError, match=rf"d: no split '{asked}'; found: train, x"):
        choose([Split(""), Split("train"), Split("x")], asked, Path("d"))
    with pytest.raises(DataError, match="found: none"):
        choose([], asked, Path("d"))
