from pathlib import Path

import numpy as np

from edge.cli.collect import for_model
from edge.io.datasets.base import Dataset, Objects, Sample
from edge.models.coco import LABELS, LABELS_BY_CATEGORY


def test_classes_without_names_meet_a_model_that_counts_by_category(capsys):
    neither = np.zeros(2, bool)
    ids = np.array([0, 79], np.int32)
    labels = Objects(np.ones((2, 4)), ids, np.ones(2), neither, neither)
    data = Dataset(Path("data"), "YOLO", (Sample(Path("1.jpg"), 1, labels),))
    (sample,) = for_model(data, LABELS_BY_CATEGORY[1:]).samples
    assert sample.labels.class_ids.tolist() == [0, 89]
    assert "counts COCO's classes by category id" in capsys.readouterr().err
    (sample,) = for_model(data, LABELS).samples
    assert sample.labels.class_ids.tolist() == [0, 79]
    assert not capsys.readouterr().err
