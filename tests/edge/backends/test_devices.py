"""Devices other than the CPU: where this machine has none, what is said; where it has, numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.backends import BACKENDS, DEVICES, host, open_backend
from edge.backends.base import BackendOptions, TensorSpec
from edge.cli import main
from edge.doctor import probe
from edge.errors import BackendError
from edge.types import Tensor

INPUT = TensorSpec("images", (1, 3, 32, 32))
MODEL = Path(__file__).parents[2] / "models" / "bccd-yolov6n.edge"


def opened(name, device, **options):
    files = {suffix: (probe.FOLDER / f"probe.{suffix}").read_bytes() for suffix in BACKENDS[name]}
    return open_backend(name, files, INPUT, ["found"], BackendOptions(1, device=device, **options))


def there(device):
    """Whether this machine has it, asked of the runtime."""
    if device == "vulkan":
        import ncnn

        with host.silent(2):
            return ncnn.get_gpu_count() > 0
    ort = pytest.importorskip("onnxruntime")
    providers = {"cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
    return providers[device] in ort.get_available_providers()


ABSENT = {
    "vulkan": "vulkan: no GPU with a Vulkan driver found; on Raspberry Pi OS: sudo apt-get",
    "cuda": "cuda: this onnxruntime has no CUDAExecutionProvider; onnxruntime-gpu has",
    "tensorrt": "tensorrt: this onnxruntime has no TensorrtExecutionProvider; onnxruntime-gpu",
}


@pytest.mark.parametrize("device", DEVICES)
def test_a_device_computes_what_the_cpu_does_or_is_said_to_be_missing(device, capfd):
    if there(device):
        backend = opened(DEVICES[device], device, precision="fp32")
        backend.input_view()[...] = probe.image()
        result = np.array(backend.run()[0].values).reshape(1, 8, 16, 16)
        backend.close()
        np.testing.assert_allclose(result, np.load(probe.FOLDER / "found.npy"), atol=0.02)
    else:
        with pytest.raises(BackendError, match=ABSENT[device]):
            opened(DEVICES[device], device)
        assert capfd.readouterr() == ("", "")  # the message says it; the runtime need not


@pytest.mark.parametrize("name", ["mnn", "tflite", "onnxruntime"])
def test_a_runtime_that_does_not_offer_a_device_names_the_one_that_does(name):
    if name == "tflite":
        pytest.importorskip("ai_edge_litert")
    with pytest.raises(BackendError, match=f"{name} runs on the CPU here; vulkan is offered by nc"):
        opened(name, "vulkan")


class Altered:
    """A backend whose outputs are made worse."""

    def __init__(self, backend, worsen):
        self.backend, self.worsen, self.closed = backend, worsen, False

    def input_view(self):
        return self.backend.input_view()

    def run(self):
        return tuple(Tensor(self.worsen(each.values)) for each in self.backend.run())

    def close(self):
        self.backend.close()
        self.closed = True


@pytest.fixture
def device(monkeypatch):
    """Puts a device beside the CPU that computes as told."""
    module = pytest.importorskip("edge.backends.onnxruntime")
    real, made = module.load, []

    def put(worsen):
        def load(files, input_, outputs, options):
            backend = real(files, input_, outputs, BackendOptions(1))
            if options.device == "cuda":
                backend = Altered(backend, worsen)
                made.append(backend)
            return backend

        monkeypatch.setattr(module, "load", load)
        return made

    return put


@pytest.mark.parametrize(
    "worsen",
    [
        lambda values: values * np.float32(1.1),
        lambda values: np.full_like(values, np.nan),
        lambda values: values[..., ::-1],
        lambda values: values[..., :-1],
    ],
)
def test_a_device_that_computes_wrongly_is_refused_and_closed(device, worsen):
    made = device(worsen)
    with pytest.raises(BackendError, match="cuda does not compute what the CPU does: the output f"):
        opened("onnxruntime", "cuda")
    assert made[0].closed


def test_a_device_that_computes_in_halves_is_taken(device):
    made = device(lambda values: values.astype(np.float16).astype(np.float32))
    backend = opened("onnxruntime", "cuda")
    assert backend is made[0]
    assert not backend.input_view().any()
    backend.close()


def test_a_provider_that_does_not_start_is_told(monkeypatch):
    ort = pytest.importorskip("onnxruntime")
    if there("cuda"):
        pytest.skip("here it starts")
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    with (
        pytest.warns(UserWarning, match="CUDAExecutionProvider"),
        pytest.raises(BackendError, match="cannot start its CUDAExecutionProvider: a library"),
    ):
        opened("onnxruntime", "cuda")


def test_the_command_line_says_what_is_missing(capsys):
    words = ["run", "--model", str(MODEL), "--source", "test:conveyor?frames=1"]
    if not there("vulkan"):
        assert main([*words, "--device", "vulkan"]) == 1
        assert "no GPU with a Vulkan driver found" in capsys.readouterr().err
    assert main([*words, "--device", "vulkan", "--backend", "mnn"]) == 1
    assert "no artifact for mnn" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--device", "gpu"])
    assert stopped.value.code == 2
