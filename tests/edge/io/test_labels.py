from __future__ import annotations

from edge.io.labels import label_of


def test_a_class_without_a_label_is_its_number():
    labels = ("person", "car")
    assert [label_of(i, labels) for i in (0, 1, 2, -1)] == ["person", "car", "2", "-1"]
