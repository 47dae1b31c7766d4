"""The SHA-256 of what every kernel makes of fixed inputs, on every SIMD target of this CPU.

    python tests/arm/kernels.py > tests/arm/kernels.json

Every target of every CPU gives the same bits, so one committed file serves them all. The inputs
are made of integers and single float operations only, hence equal everywhere as well. Runs without
pytest, as it must where nothing but the package is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np

from edge import ops
from edge.types import AnyArray, Candidates, Frame, Letterbox, PixelFormat, Size, Tensor

Run = Callable[[str], Sequence[AnyArray]]  # a SIMD target to the results


def noise(seed: int, *shape: int) -> AnyArray:
    """Uniform uint32. Source: the finalizer of SplitMix64 (Steele et al. 2014)."""
    count = int(np.prod(shape))
    x = np.arange(count, dtype=np.uint64) + np.uint64(seed << 32)
    with np.errstate(over="ignore"):
        x = (x + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x >> np.uint64(32)).astype(np.uint32).reshape(shape)


def pixels(seed: int, *shape: int) -> AnyArray:
    """Uniform uint8."""
    return (noise(seed, *shape) >> np.uint32(24)).astype(np.uint8)


def fractions(seed: int, *shape: int) -> AnyArray:
    """Uniform float32 in [0, 1), multiples of 2**-24."""
    return (noise(seed, *shape) >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)


def select(seed: int, *shape: int, sparse: bool = False) -> AnyArray:
    """float32 in [0, 1) of which about one in fifty is above 0.25: u**64.

    Of 80 such scores four in five points have one. `sparse`: u**2048, then it is one in nineteen,
    still many for an image.
    """
    x = fractions(seed, *shape)
    for _ in range(11 if sparse else 6):
        x = x * x
    return x


def planes(format_: PixelFormat, size: Size) -> tuple[AnyArray, ...]:
    h, w = size.height, size.width
    shapes: dict[str, tuple[tuple[int, ...], ...]] = {
        "BGR": ((h, w, 3),),
        "RGB": ((h, w, 3),),
        "GRAY": ((h, w),),
        "YUYV": ((h, w, 2),),
        "NV12": ((h, w), (h // 2, w // 2, 2)),
        "I420": ((h, w), (h // 2, w // 2), (h // 2, w // 2)),
    }
    return tuple(pixels(i, *shape) for i, shape in enumerate(shapes[format_]))


def letterbox(
    format_: PixelFormat, size: Size, input_: Size, *, dtype: str = "float32", **options: Any
) -> Run:
    h, w = input_.height, input_.width
    planar = options.get("layout", "NCHW") == "NCHW"
    out = np.empty((3, h, w) if planar else (h, w, 3), dtype)
    frame = Frame(planes(format_, size), format_)
    geometry = Letterbox.fit(size, input_)

    def run(target: str) -> Sequence[AnyArray]:
        ops.letterbox(frame, geometry, out, target=target, **options)
        return [out]

    return run


def distances(*, bins: int = 1, codes: bool = False, sparse: bool = False, **options: Any) -> Run:
    """Three levels of a 320x320 input: 80 classes, then the distances."""
    levels = []
    for seed, side in ((11, 40), (12, 20), (13, 10)):
        scores = select(seed, 80, side, side, sparse=sparse)
        if options.get("logits"):
            scores = (fractions(seed, 80, side, side) - np.float32(0.99)) * np.float32(64)
        sides = fractions(seed + 10, 4 * bins, side, side) * np.float32(8)
        values = np.concatenate([scores, sides])
        if codes:
            values = (np.clip(values, -8, 8) * np.float32(15)).astype(np.int8)
        levels.append(Tensor(values, scale=1 / 15) if codes else Tensor(values))
    decode = partial(
        ops.decode_distances, levels, strides=(8, 16, 32), score_threshold=0.25, bins=bins
    )
    return lambda target: columns(decode(target=target, **options))


def rows(*, objectness: bool = False, planar: bool = False, sparse: bool = False) -> Run:
    n, first = 8400, 5 if objectness else 4
    table = select(21, n, first + 80, sparse=sparse)
    table[:, :4] = fractions(22, n, 4) * np.float32(320)
    if objectness:
        table[:, 4] = fractions(23, n)
    values = Tensor(np.ascontiguousarray(table.T).T if planar else table)
    decode = partial(ops.decode_rows, values, objectness=objectness, score_threshold=0.25)
    return lambda target: columns(decode(target=target))


def nms(count: int, **options: Any) -> Run:
    corner = fractions(31, count, 2) * np.float32(256)
    side = fractions(32, count, 2) * np.float32(64)
    boxes = np.concatenate([corner, corner + side], axis=1)
    scores = (noise(33, count) >> np.uint32(22)).astype(np.float32)  # with many equals
    classes = (noise(34, count) >> np.uint32(30)).astype(np.int32)
    return lambda target: [ops.nms(boxes, scores, classes, target=target, **options)]


def heads(channels: int, seed: int) -> list[Tensor]:
    """Logits of three levels of a 320x320 input, about one in 25 above 0.25 as a probability."""
    results = []
    for i, side in enumerate((40, 20, 10)):
        values = (fractions(seed + i, channels, side, side) - np.float32(0.8)) * np.float32(8)
        results.append(Tensor(values))
    return results


def anchors(*, objectness: bool) -> Run:
    sizes = (
        ((10.0, 13.0), (33.0, 23.0)),
        ((30.0, 61.0), (62.0, 45.0)),
        ((116.0, 90.0), (156.0, 198.0)),
    )
    decode = partial(
        ops.decode_anchors,
        heads(2 * (84 + objectness), 41),
        anchors=sizes,
        strides=(8, 16, 32),
        score_threshold=0.5,
        objectness=objectness,
    )
    return lambda target: columns(decode(target=target))


def centers() -> Run:
    decode = partial(
        ops.decode_centers, heads(85, 51), strides=(8, 16, 32), score_threshold=0.25, logits=True
    )
    return lambda target: columns(decode(target=target))


def centerness() -> Run:
    scores, sides, center = heads(80, 55), heads(4, 58), heads(1, 64)
    decode = partial(
        ops.decode_distances,
        scores,
        boxes=sides,
        centerness=center,
        strides=(8, 16, 32),
        score_threshold=0.25,
        logits=True,
        sqrt=True,
    )
    return lambda target: columns(decode(target=target))


def peaks() -> Run:
    heat = Tensor((fractions(61, 80, 80, 80) - np.float32(0.9)) * np.float32(32))
    sizes, offsets = Tensor(fractions(62, 2, 80, 80)), Tensor(fractions(63, 2, 80, 80))
    decode = partial(
        ops.decode_peaks,
        heat,
        sizes,
        offsets,
        stride=4,
        score_threshold=0.6,
        logits=True,
        limit=400,
    )
    return lambda target: columns(decode(target=target))


def boxes_apart(**options: Any) -> Run:
    """Boxes and scores in tensors of their own."""
    n = 2000
    logits = (fractions(71, n, 81) - np.float32(0.9)) * np.float32(64)
    offsets = fractions(72, n, 4) - np.float32(0.5)
    if "variances" in options:
        options["priors"] = fractions(73, n, 4) + np.float32(0.01)
    decode = partial(
        ops.decode_boxes,
        Tensor(logits),
        Tensor(offsets),
        score_threshold=0.25,
        scale=(320.0, 320.0),
        **options,
    )
    return lambda target: columns(decode(target=target))


def crowd(count: int) -> tuple[AnyArray, AnyArray, AnyArray]:
    """Boxes of four classes, many of which overlap, and different scores."""
    corner = fractions(81, count, 2) * np.float32(256)
    boxes = np.concatenate([corner, corner + fractions(82, count, 2) * np.float32(64)], axis=1)
    return boxes, fractions(83, count), (noise(84, count) >> np.uint32(30)).astype(np.int32)


def softened(decay: Literal["linear", "gaussian"]) -> Run:
    return lambda _: list(ops.soft_nms(*crowd(500), decay=decay))


def merged() -> Run:
    return lambda _: columns(ops.merge(*crowd(500)))


def statistics() -> Run:
    values = (fractions(91, 100_003) - np.float32(0.25)) * np.float32(16)

    def run(target: str) -> Sequence[AnyArray]:
        low, high = ops.value_range(values, target=target)
        magnitudes = np.zeros(ops.MAGNITUDES, np.int64)
        ops.add_magnitudes(values, magnitudes)
        return [np.array([low, high], np.float32), magnitudes]

    return run


def columns(candidates: Candidates) -> Sequence[AnyArray]:
    if not 100 < len(candidates.scores) < 20000:
        raise AssertionError(f"the inputs no longer test much: {len(candidates.scores)} candidates")
    return [candidates.boxes, candidates.scores, candidates.class_ids]


def counted() -> Mapping[str, Callable[[], Run]]:
    """Those whose instructions are counted too, by a name that says what they are given."""
    results: dict[str, Callable[[], Run]] = {}
    small, odd, input_ = Size(480, 640), Size(233, 417), Size(320, 320)
    formats: tuple[PixelFormat, ...] = ("BGR", "RGB", "GRAY", "NV12", "I420", "YUYV")
    for format_ in formats:
        results[f"letterbox {format_}"] = partial(letterbox, format_, small, input_)
    results["letterbox BGR 500x375"] = partial(letterbox, "BGR", Size(375, 500), input_)
    results["letterbox odd size"] = partial(letterbox, "BGR", odd, Size(416, 288))
    results["letterbox enlarging"] = partial(letterbox, "BGR", Size(97, 61), input_)
    results["letterbox unscaled"] = partial(letterbox, "BGR", small, Size(640, 640))
    results["letterbox NHWC"] = partial(letterbox, "BGR", small, input_, layout="NHWC")
    for dtype in ("uint8", "int8"):
        name = f"letterbox NHWC {dtype}"
        results[name] = partial(letterbox, "BGR", small, input_, layout="NHWC", dtype=dtype)
    results["distances"] = distances
    results["distances multi-label"] = partial(distances, multi_label=True)
    results["distances logits"] = partial(distances, logits=True)
    results["distances 16 bins"] = partial(distances, bins=16)
    results["distances int8"] = partial(distances, codes=True)
    results["rows"] = rows
    results["rows planar"] = partial(rows, planar=True)
    results["rows objectness"] = partial(rows, objectness=True)
    results["distances sparse"] = partial(distances, sparse=True)
    results["distances sparse int8"] = partial(distances, sparse=True, codes=True)
    results["rows sparse"] = partial(rows, sparse=True)
    results["rows sparse planar"] = partial(rows, sparse=True, planar=True)
    results["nms 50"] = partial(nms, 50)
    results["nms 2000"] = partial(nms, 2000)
    results["nms 2000 agnostic"] = partial(nms, 2000, class_agnostic=True)
    return results


def cases() -> Mapping[str, Callable[[], Run]]:
    """Every kernel."""
    results = dict(counted())
    results["distances center-ness"] = centerness
    results["anchors"] = partial(anchors, objectness=True)
    results["anchors without objectness"] = partial(anchors, objectness=False)
    results["centers"] = centers
    results["peaks"] = peaks
    results["boxes softmax"] = partial(boxes_apart, activation="softmax", background="last")
    results["boxes sigmoid best"] = partial(boxes_apart, activation="sigmoid", limit=300)
    results["boxes priors"] = partial(boxes_apart, activation="sigmoid", variances=(0.1, 0.2))
    results["soft nms linear"] = partial(softened, "linear")
    results["soft nms gaussian"] = partial(softened, "gaussian")
    results["merge"] = merged
    results["statistics"] = statistics
    return results


def digest(results: Sequence[AnyArray], flip: bool = False) -> str:
    """SHA-256 of dtypes, shapes and bytes. `flip` turns one bit over first."""
    sha = hashlib.sha256()
    for array in results:
        content = bytearray(np.ascontiguousarray(array).tobytes())
        if flip:
            content[len(content) // 2] ^= 1
        sha.update(f"{array.dtype.str} {array.shape}".encode())
        sha.update(content)
    return sha.hexdigest()


def hashes(flip: str = "", only: str = "") -> dict[str, str]:
    """Case to hash, of all cases or of one.

    The case named `flip` is spoilt by one bit, to see that it is noticed.

    Raises:
        AssertionError: The targets of this CPU disagree.
    """
    results = {}
    for name, prepare in cases().items():
        if only not in ("", name):
            continue
        run = prepare()
        by_target = {t: digest(run(t), flip=name == flip) for t in ops.targets()}
        if len(set(by_target.values())) != 1:
            raise AssertionError(f"{name}: the targets disagree: {by_target}")
        results[name] = by_target[ops.target()]
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flip", default="", metavar="CASE", help="spoil one bit of its results")
    parser.add_argument("--case", default="", metavar="CASE", help="only this one")
    args = parser.parse_args()
    print(json.dumps(hashes(args.flip, args.case), indent=2))
