from __future__ import annotations

import numpy as np
from quant_graphs import Builder, image
from quant_references import tensors

from calibration.quant.plan.rescaling import Rescaling, equalized_name


def graph():
    net = Builder()
    net.conv("first", "image", (4, 3, 1, 1))
    net.conv("second", net.add("HardSwish", "swish", "first"), (4, 1, 3, 3), group=4)
    net.conv("third", "swish", (2, 4, 1, 1))
    return net.graph("second", "third")


FACTOR = np.array([1, 2, 4, 8], np.float32)


def test_nothing_asked_is_nothing_changed():
    whole = graph()
    assert Rescaling(whole).graph() is whole


def test_a_product_goes_to_the_readers_that_are_named_alone():
    whole = graph()
    change = Rescaling(whole)
    change.multiply_before("swish", FACTOR, {"n_third"})
    changed = change.graph()
    readers = {
        name: [node.name for node in changed.consumers[name]]
        for name in ("swish", equalized_name("swish"))
    }
    assert readers == {
        "swish": [f"{equalized_name('swish')}/by", "n_second"],
        equalized_name("swish"): ["n_third"],
    }
    before, after = tensors(whole, image()), tensors(changed, image())
    np.testing.assert_allclose(
        after[equalized_name("swish")], before["swish"] * FACTOR.reshape(-1, 1, 1), rtol=1e-6
    )
    np.testing.assert_array_equal(after["second"], before["second"])


def test_behind_a_node_its_tensor_is_the_product():
    whole = graph()
    change = Rescaling(whole)
    change.multiply_behind("first", FACTOR)
    change.scale_outputs(whole.producers["first"], 1 / FACTOR)
    before, after = tensors(whole, image()), tensors(change.graph(), image())
    np.testing.assert_allclose(after["first"], before["first"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        after[equalized_name("first")],
        before["first"] / FACTOR.reshape(-1, 1, 1),
        rtol=1e-5,
        atol=1e-6,
    )


def test_what_is_left_out_is_read_through_by_all_that_follow():
    net = Builder()
    factors = net.constant("factors", FACTOR.reshape(1, 4, 1, 1))
    net.conv("first", "image", (4, 3, 1, 1))
    net.add("Mul", "one", "first", factors)
    net.add("Mul", "two", "one", factors)
    net.conv("last", "two", (2, 4, 1, 1))
    whole = net.graph("last")
    change = Rescaling(whole)
    change.scale_outputs(whole.producers["first"], FACTOR)
    change.drop(whole.producers["one"])
    change.scale_inputs(whole.producers["last"], 0, FACTOR)
    change.read(whole.producers["last"], "one")
    changed = change.graph()
    assert [node.op for node in changed.nodes] == ["Conv", "Conv"]
    before, after = (tensors(each, image()) for each in (whole, changed))
    np.testing.assert_allclose(after["last"], before["last"], rtol=1e-4, atol=1e-5)
