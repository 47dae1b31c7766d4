"""Small ncnn models for tests, written without the code under test."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import ncnn
import numpy as np

SIZES = ("s", "m", "l")


def official(shared: Path, size: str) -> dict[str, bytes]:
    """The files of an official YOLOv6Lite."""
    stem = shared / "models" / "yolov6lite" / f"yolov6-lite-{size}"
    return {suffix: stem.with_suffix(f".{suffix}").read_bytes() for suffix in ("param", "bin")}


def param(*lines: str, layers: int | None = None, blobs: int | None = None) -> bytes:
    """A .param of these layer lines; the counts follow from them unless given."""
    written = sum(int(line.split()[3]) for line in lines)
    head = f"{len(lines) if layers is None else layers} {written if blobs is None else blobs}"
    return "\n".join(["7767517", head, *lines, ""]).encode()


def tagged(values: np.ndarray, tag: int | None = None) -> bytes:
    """An array of a .bin under the tag of its dtype, padded to four bytes."""
    tags = {"float32": 0, "float16": 0x01306B47, "int8": 0x000D4B38}
    data = values.tobytes()
    return struct.pack("<I", tags[values.dtype.name] if tag is None else tag) + padded(data)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def random(*shape: int, dtype: str = "float32", seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    if dtype == "int8":
        return generator.integers(-127, 128, shape).astype(np.int8)
    return generator.normal(0, 0.5, shape).astype(dtype)


def arrays(*parts: str) -> bytes:
    """A .bin from parts like "t:6" (tagged float32), "h:6" (half), "q:6" (int8), "r:2" (raw)."""
    result = b""
    for part in parts:
        kind, count = part.split(":")
        dtype = {"t": "float32", "h": "float16", "q": "int8", "r": "float32"}[kind]
        values = random(int(count), dtype=dtype)
        result += values.tobytes() if kind == "r" else tagged(values)
    return result


def codes(files: Mapping[str, bytes], folder: Path) -> tuple[ncnn.Net, int, int]:
    """The runtime's net and its return codes for the .param and the .bin."""
    for suffix, content in files.items():
        (folder / f"net.{suffix}").write_bytes(content)
    net = ncnn.Net()
    net.opt.num_threads = 1
    # Even on x86, InnerProduct would hold its weights in half precision.
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    return net, net.load_param(str(folder / "net.param")), net.load_model(str(folder / "net.bin"))


def infer(
    files: Mapping[str, bytes], image: np.ndarray, outputs: tuple[str, ...], folder: Path
) -> list[np.ndarray]:
    """What the runtime, used plainly, makes of a (C, H, W) image."""
    net, *result = codes(files, folder)
    assert result == [0, 0]
    extractor = net.create_extractor()
    assert extractor.input(net.input_names()[0], ncnn.Mat(image).clone()) == 0
    arrays = []
    for name in outputs:
        code, mat = extractor.extract(name)
        assert code == 0
        arrays.append(np.array(mat))
    return arrays


def small() -> dict[str, bytes]:
    """A network with every kind of weight and parameter, outputs `found` and `gated`."""
    lines = [
        "Input            image    0 1 image",
        "Convolution      stem     1 1 image a 0=8 1=3 11=3 3=2 13=2 4=1 14=1 5=1 6=216",
        "HardSwish        hard     1 1 a b 0=1.666667e-01 1=5.000000e-01",
        "Split            split    1 3 b c d e",
        "Pooling          pool     1 1 c f 0=1 4=1",
        "Convolution      squeeze  1 1 f g 0=4 1=1 11=1 5=1 6=32 9=1",
        "Convolution      excite   1 1 g h 0=8 1=1 11=1 5=1 6=32",
        "HardSigmoid      gate     1 1 h i 0=1.666667e-01 1=5.000000e-01",
        "BinaryOp         mul      2 1 d i gated 0=2",
        "Slice            slice    1 2 e j k -23300=2,3,-233 1=0",
        "PReLU            prelu    1 1 j l 0=3",
        "ConvolutionDepthWise dw   1 1 k m 0=5 1=3 4=1 5=1 6=45 7=5",
        "Concat           concat   2 1 l m found 0=0",
    ]
    parts = [
        tagged(random(216, dtype="float16")),
        random(8).tobytes(),
        tagged(random(32, seed=1)),
        random(4).tobytes(),
        tagged(random(32, dtype="float16", seed=2)),
        random(8).tobytes(),
        random(3).tobytes(),
        tagged(random(45, dtype="float16", seed=3)),
        random(5).tobytes(),
    ]
    return {"param": param(*lines), "bin": b"".join(parts)}
