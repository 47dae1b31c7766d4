from edge.models.coco import (
    CATEGORY_IDS,
    LABELS,
    LABELS_BY_CATEGORY,
    counted_otherwise,
)


def test_eighty_different_names_have_eighty_rising_ids():
    assert len(LABELS) == len(set(LABELS)) == len(CATEGORY_IDS) == 80
    assert list(CATEGORY_IDS) == sorted(set(CATEGORY_IDS))


def test_names_meet_the_ids_of_cocos_own_files():
    ids = dict(zip(LABELS, CATEGORY_IDS, strict=True))
    known = {"person": 1, "fire hydrant": 11, "stop sign": 13, "backpack": 27, "handbag": 31}
    known |= {"wine glass": 46, "dining table": 67, "toilet": 70, "tv": 72, "book": 84}
    known |= {"hair drier": 89, "toothbrush": 90}
    assert known == {name: ids[name] for name in known}


def test_names_have_no_stray_blanks():
    assert all(label == " ".join(label.split()) for label in LABELS)


def test_tells_lists_that_count_otherwise():
    assert counted_otherwise(LABELS_BY_CATEGORY)
    assert counted_otherwise(("???", *LABELS_BY_CATEGORY[1:]))
    assert not counted_otherwise(LABELS)
    assert not counted_otherwise((*LABELS[:5], *map(str, range(85))))
