from __future__ import annotations

import threading

import numpy as np

from edge.io.buffers import Buffers


def address(array) -> int:
    return array.__array_interface__["data"][0]


def test_memory_comes_back_when_nobody_holds_it():
    buffers = Buffers()
    known = set()
    for _ in range(100):
        array = buffers.take((4, 6, 3))
        assert array.shape == (4, 6, 3)
        assert array.flags.c_contiguous
        assert array.flags.writeable
        known.add(address(array))
    assert len(known) <= 2


def test_memory_of_which_a_view_is_held_is_not_given_again():
    buffers = Buffers()
    array = buffers.take((8, 8))
    array[:] = 7
    view = array[2:4][:, 1:3].T
    del array
    for _ in range(5):
        buffers.take((8, 8))[:] = 9
    assert np.all(view == 7)


def test_a_larger_image_leaves_the_smaller_memory_behind():
    buffers = Buffers()
    buffers.take((2, 2))
    large = buffers.take((10, 10))
    where = address(large)
    del large
    small = buffers.take((3, 3))
    assert small.shape == (3, 3)
    assert address(small) == where
    assert len(buffers._free) == 0


def test_threads_never_share_memory():
    buffers = Buffers()
    clashes = []

    def work(mark):
        for _ in range(2000):
            array = buffers.take((64,))
            array[:] = mark
            if not np.all(array == mark):
                clashes.append(mark)

    threads = [threading.Thread(target=work, args=(mark,)) for mark in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not clashes
