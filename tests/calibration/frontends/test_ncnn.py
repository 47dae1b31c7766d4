import numpy as np
import pytest
from emitted import distance, run
from ncnn_files import official, param, tagged

from calibration.emit import EMITTERS, emitter
from calibration.frontends import ncnn
from calibration.frontends.simplify import simplify
from edge.errors import UnsupportedModelError
from edge.formats.ncnn import read_network
from edge.formats.ncnn_rewrite import simplify as simplify_network
from edge.types import Size

SIZE = Size(320, 320)


@pytest.fixture(params=("s", "m", "l"))
def lite(shared, request):
    files = official(shared, request.param)
    network = read_network(files["param"], files["bin"])
    rewritten = simplify_network(network)  # the same, without lines on stderr at every inference
    return files, network, rewritten


@pytest.mark.parametrize("backend", EMITTERS)
def test_an_official_model_runs_in_every_runtime(lite, backend):
    from edge.formats.ncnn import write_network

    _, network, rewritten = lite
    graph = simplify(ncnn.read(network, SIZE))
    x = np.random.default_rng(0).random((1, 3, 320, 320), np.float32)
    files = dict(zip(("param", "bin"), write_network(rewritten), strict=True))
    expected = run("ncnn", files, graph, x)
    result = run(backend, emitter(backend)(graph), graph, x)
    for values, reference in zip(result, expected, strict=True):
        assert distance(values, reference) < 1e-3


def test_half_weights_are_those_of_the_official_file(lite):
    files, network, _ = lite
    emitted = emitter("ncnn")(simplify(ncnn.read(network, SIZE)), half=True)
    assert len(emitted["bin"]) == len(files["bin"])


def test_a_rewritten_network_reads_the_same(lite):
    _, network, rewritten = lite
    ops = [[n.op for n in simplify(ncnn.read(net, SIZE)).nodes] for net in (network, rewritten)]
    assert sorted(ops[0]) == sorted(ops[1])


def network_of(*lines, weights=b""):
    return read_network(param("Input in 0 1 a", *lines), weights)


def test_all_unknown_layers_are_named_at_once():
    network = network_of(
        "UnaryOp odd 1 1 a b 0=7", "ReLU fine 1 1 b c", "Reduction odder 1 1 c d 0=3"
    )
    with pytest.raises(UnsupportedModelError, match=r"^2 layers.*odd \(UnaryOp\).*odder \(Reduc"):
        ncnn.read(network, SIZE)


def test_a_quantized_layer_is_refused():
    weights = tagged(np.zeros(12, np.int8)) + np.zeros(4 + 1, np.float32).tobytes()
    network = network_of("Convolution c 1 1 a b 0=4 1=1 6=12 8=2", weights=weights)
    with pytest.raises(UnsupportedModelError, match="start from the float model"):
        ncnn.read(network, SIZE)


def test_axes_are_parted_and_turned_as_ncnn_does():
    network = network_of("Reshape r 1 1 a b 0=16 1=8 2=6 11=4", "Permute p 1 1 b c 0=9")
    graph = ncnn.read(network, Size(32, 32))
    x = np.random.default_rng(0).random((1, 3, 32, 32), np.float32)
    files = {
        "param": param(
            "Input in 0 1 a", "Reshape r 1 1 a b 0=16 1=8 2=6 11=4", "Permute p 1 1 b c 0=9"
        ),
        "bin": b"",
    }
    expected = run("ncnn", files, graph, x)
    result = run("onnxruntime", emitter("onnxruntime")(graph), graph, x)
    np.testing.assert_array_equal(result[0], expected[0])
