import numpy as np

from edge.conveyor.sprite import Outline
from edge.conveyor.truth import Placed, look
from edge.types import Size

SIZE = Size(100, 200)


def square(side):
    return Outline(np.ones((side, side), np.bool_), side * side, side // 2, side // 2)


def test_a_box_holds_the_pixels_and_ends_behind_the_last():
    mask = np.zeros((9, 12), np.bool_)
    mask[2:5, 3:10] = True
    truth = look([Placed(4, Outline(mask, 21, 0, 0), 20, 40)], SIZE, 0, 0.1)
    assert truth.boxes.tolist() == [[43, 22, 50, 25]]
    assert truth.class_ids.tolist() == [4]
    assert truth.areas.tolist() == [21]
    assert truth.visibility.tolist() == [1]
    assert truth.ignored.tolist() == [False]


def test_what_lies_upon_a_part_takes_its_pixels():
    truth = look([Placed(0, square(40), 10, 10), Placed(1, square(40), 10, 30)], SIZE, 0, 1)
    assert truth.boxes.tolist() == [[10, 10, 30, 50], [30, 10, 70, 50]]
    assert truth.visibility.tolist() == [0.5, 1]
    assert not truth.ignored.any()


def test_a_part_that_is_wholly_covered_is_not_there():
    truth = look([Placed(0, square(20), 20, 20), Placed(1, square(40), 10, 10)], SIZE, 0, 1)
    assert truth.class_ids.tolist() == [1]


def test_stray_things_cover_and_are_not_listed():
    truth = look([Placed(0, square(40), 10, 10), Placed(-1, square(40), 10, 35)], SIZE, 0, 1)
    assert truth.boxes.tolist() == [[10, 10, 35, 50]]


def test_parts_end_at_the_edges_of_the_image_and_at_the_rails():
    things = [Placed(0, square(40), -10, -10), Placed(1, square(40), 80, 180)]
    truth = look(things, SIZE, 0, 1)
    assert truth.boxes.tolist() == [[0, 0, 30, 30], [180, 80, 200, 100]]
    truth = look(things, SIZE, 10, 1)
    assert truth.boxes.tolist() == [[0, 10, 30, 30], [180, 80, 200, 90]]


def test_too_small_a_part_of_a_part_is_ignored():
    thing = square(40)  # 1600 pixels
    for shown, ignored in ((20, False), (19, True)):
        truth = look([Placed(0, thing, 50, 200 - shown)], SIZE, 0, 1)
        assert truth.ignored.tolist() == [ignored]
        assert truth.areas.tolist() == [40 * shown]


def test_too_few_pixels_are_ignored():
    assert look([Placed(0, square(14), 10, 10)], SIZE, 0, 1).ignored.tolist() == [True]
    assert look([Placed(0, square(15), 10, 10)], SIZE, 0, 1).ignored.tolist() == [False]
    # As many as fill the same share of a view of half the size.
    assert look([Placed(0, square(8), 10, 10)], SIZE, 0, 0.5).ignored.tolist() == [False]


def test_nothing_is_nothing():
    for things in ([], [Placed(0, square(20), 300, 0)], [Placed(0, square(20), -20, 0)]):
        truth = look(things, SIZE, 5, 1)
        assert len(truth) == 0
        assert truth.boxes.shape == (0, 4)
        assert truth.boxes.dtype == np.float32
        assert truth.class_ids.dtype == np.int32
