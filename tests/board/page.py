"""What the estimates are worth, and the estimates, as a page and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from tests.board import estimate, fit
from tests.board.machines import ALIKE, BOARDS, Board

HERE = Path(__file__).resolve().parent
DEPTHWISE = (
    "FastestDet", "blazeface", "efficientnet", "mnasnet", "mobilenet", "nanodet", "proxylessnas",
    "regnety", "shufflenet", "yolo-fastest",
)  # fmt: skip
OURS = ("YOLOv6-n", "YOLOv7-tiny")


def held_back() -> frozenset[str]:
    """The five networks of the hash, among those that were counted on both CPUs."""
    known = [set(estimate.counts()[board.cpu]) for board in BOARDS.values()]
    return fit.held_back(set.intersection(*known, set(estimate.published("Raspberry Pi 5")[1])))


def classes(names: Iterable[str]) -> dict[str, list[str]]:
    """Networks by what they compute with."""
    ordered = sorted(names)
    is_int8 = {name: name.endswith("int8") for name in ordered}
    return {
        "all": ordered,
        "float": [name for name in ordered if not is_int8[name]],
        "INT8": [name for name in ordered if is_int8[name]],
        "depthwise, float": [n for n in ordered if n.startswith(DEPTHWISE) and not is_int8[n]],
    }


def pairs(errors: fit.Errors) -> fit.Errors:
    """Estimated / measured of how INT8 compares with float, of networks that have both."""
    known = {name: name.removesuffix("_int8") for name in errors.ratios}
    return fit.Errors(
        {
            other: errors.ratios[name] / errors.ratios[other]
            for name, other in known.items()
            if name != other and other in errors.ratios
        }
    )


def figures() -> dict[str, Any]:
    """Every figure of the page."""
    hidden = held_back()
    result: dict[str, Any] = {
        "held back": sorted(hidden),
        "boards": {},
        "alike": {},
        "checked": checked(),
    }
    for name, board in BOARDS.items():
        chosen = estimate.samples(board, without=hidden)
        everything = estimate.samples(board)
        result["boards"][name] = {
            "weights": dict(zip(board.costs, _rounded(estimate.fitted(everything)), strict=True)),
            "left out": _by_threads(estimate.left_out(chosen)),
            "held back": {
                str(threads): _rounded(errors.ratios)
                for threads, errors in estimate.tested(board, hidden).items()
            },
            "pairs": _pairs(estimate.left_out(chosen)),
            "pairs, the five among them": _pairs(estimate.left_out(everything)),
            "shuffled": _by_threads(estimate.left_out(shuffled(chosen))),
            "estimates": ours(board, everything),
        }
    weights = estimate.fitted(estimate.samples(BOARDS["Raspberry Pi 5"]))
    for name, board in ALIKE.items():
        result["alike"][name] = _by_threads(estimate.priced(estimate.samples(board), weights))
    return result


def shuffled(samples: Sequence[estimate.Sample]) -> list[estimate.Sample]:
    """The same costs with the times of the next network: what no fit may explain."""
    result = []
    for threads in estimate.THREADS:
        known = [sample for sample in samples if sample.threads == threads]
        moved = [*known[1:], *known[:1]]
        result += [
            estimate.Sample(s.name, threads, s.costs, other.ms)
            for s, other in zip(known, moved, strict=True)
        ]
    return result


def ours(board: Board, known: list[estimate.Sample]) -> dict[str, dict[str, list[float]]]:
    """Milliseconds and their interval, by threads.

    The interval is what nine of ten networks left out lie in; of a runtime other than ncnn it is as
    wide as the farthest of what was checked of those.
    """
    weights, errors = estimate.fitted(known), estimate.left_out(known)
    farthest = max(abs(ratio - 1) for ratio in checked().values())
    result: dict[str, dict[str, list[float]]] = {}
    for name, each in estimate.counts()[board.cpu].items():
        if not name.startswith(OURS):
            continue
        for threads in estimate.THREADS if estimate.splits_evenly(name) else each:
            costs = estimate.milliseconds(board, estimate.work(board.cpu, name, threads))
            ms, off = float(costs @ weights), errors[threads].p90
            off = off if " ncnn " in name else max(off, farthest)
            values = _rounded([ms, ms / (1 + off), ms / (1 - off)])
            result.setdefault(name, {})[str(threads)] = values
    return result


def checked() -> dict[str, float]:
    """Estimated / published, of TensorFlow Lite's MobileNet v1 on a Raspberry Pi 4, four threads.

    The published clock is not known: 1.8 GHz, or 1.5 before the end of 2021.
    """
    entry = json.loads((HERE / "published_other.json").read_text())[0]["ms"]
    result = {}
    for precision, title in (("fp32", "FP32"), ("int8", "INT8")):
        for clock in (1.5e9, 1.8e9):
            board = BOARDS["Raspberry Pi 4"]
            weights = estimate.fitted(estimate.samples(board))
            done = estimate.work(board.cpu, f"MobileNet-v1 224 tflite {precision}", 4)
            costs = estimate.milliseconds(replace(board, hz=clock), done)
            ratio = float(costs @ weights) / entry[f"MobileNet v1 1.0X {title}"]
            result[f"{precision} at {clock / 1e9} GHz"] = round(ratio, 3)
    return result


def _by_threads(errors_by: Mapping[int, fit.Errors]) -> dict[str, dict[str, dict[str, float]]]:
    return {
        str(threads): {
            kind: _error(errors.subset(names)) for kind, names in classes(errors.ratios).items()
        }
        for threads, errors in errors_by.items()
        if errors.ratios
    }


def _pairs(errors_by: Mapping[int, fit.Errors]) -> dict[str, dict[str, float]]:
    return {str(threads): _error(pairs(errors)) for threads, errors in errors_by.items()}


def _error(errors: fit.Errors) -> dict[str, float]:
    ratios = errors.ratios.values()
    worst = {"least": min(ratios), "most": max(ratios), "mean": sum(ratios) / len(ratios)}
    values = {"networks": len(ratios), "median": errors.median, "p90": errors.p90, **worst}
    return {name: round(value, 3) for name, value in values.items()}


def _rounded(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {name: _rounded(value) for name, value in values.items()}
    return [round(float(v), 3) for v in values] if hasattr(values, "__len__") else round(values, 3)


_HEAD = """# Milliseconds of a board, estimated

No time here is measured by this project. QEMU counts how often each block of instructions runs and
which accesses miss simulated caches; llvm-mca prices the blocks by the pipeline of the core; times
that ncnn's authors published for networks of their benchmark give the weights. How far such an
estimate is off is known for those networks: each is estimated by a fit to all others. Published by
[Tencent/ncnn](https://github.com/Tencent/ncnn/blob/master/benchmark/README.md), perhaps of an older
ncnn. Versions: {versions}.
This page is written by `python -m tests.board page`.

Five networks, those whose names have the least SHA-256, were held back: nothing was chosen by them,
and they were looked at once, after everything else:
{hidden}.
"""
_ERRORS = """
## How far estimates are off
Absolute relative error of networks left out, without the five; "shuffled" is the same with the
times of other networks, which no fit may explain.

| board | threads | networks | how many | median | p90 | least to most |
|---|---|---|---|---|---|---|
"""
_HIDDEN = """
## The five
Estimated / published.

| board | threads | {names} |
|---|---|{dashes}|
"""
_PAIRS = """
## INT8 against float
How far the estimated gain of INT8 over float of one network is off. ncnn's benchmark has eight such
pairs; vgg16 was not counted.

| board | threads | networks | pairs | median | p90 | least to most |
|---|---|---|---|---|---|---|
"""
_ALIKE = """
## Other boards, by the weights of the Raspberry Pi 5
A test of whether the weights mean something: boards with the same core or its successor, at their
own clock, without a fit to their times. The caches are those simulated for the Raspberry Pi 5, as
others take a count of their own. With one thread the weights carry over to the A78AE, and estimate
the RK3588 too fast. With four they do not carry over: Rock 5B and Orin are faster than estimated,
as if more memory bandwidth were there to share. The two boards of the RK3588 are published 2.5
times apart with four threads, so one of them, at least, ran on other cores or another clock.

| board | threads | networks | median | p90 | mean of estimated / published |
|---|---|---|---|---|---|
"""
_TRIED = """
## What did not help
On the networks that were not held back, with four threads: misses of the TLBs, misses whose
neighbors had not missed (what no prefetcher of streams foresees), misses by writes, accesses to
another line than the last; and on a Raspberry Pi 5 a weight of its own for INT8 and an amount for
each inference or layer. A fit to four threads alone has a better median on a Raspberry Pi 4 (2.3 %)
and a worse p90 (13.6 %) than one to both together.

The amount for each inference on a Raspberry Pi 4 has no cause that is understood, and blazeface
shows that it is not there as such: the one network of less than 24 ms is estimated far too slow.
Where it takes part in the fit, the weights move and the pairs of INT8 and float get worse. It was
looked at last, so the costs were not chosen again.
"""
_WEIGHTS = """
## Weights
Cycles that one cycle, one miss or one inference (in millions) costs. Both numbers of threads
together, fitted to all networks.

| board | {names} |
|---|{dashes}|
"""
_OURS = """
## Estimates
One inference, letterbox and decoding left out. In brackets: where nine of ten networks of the
benchmark lie. Those are of ncnn. Of the other runtimes only MobileNet v1 in TensorFlow Lite on a
Raspberry Pi 4 could be checked, whose times [XNNPACK](https://github.com/google/XNNPACK) published;
estimated / published: {checked}.
As wide as the farthest of these are the intervals there.
Threads of MNN and ONNX Runtime count as they wait: with four there is no estimate of those.

| board | network, input, runtime, precision | 1 thread | 4 threads |
|---|---|---|---|
"""


def text(figures: Mapping[str, Any]) -> str:
    """The page."""
    known = json.loads((HERE / "counts.json").read_text())["versions"]
    versions = ", ".join(f"{name} {version}" for name, version in known.items())
    hidden = figures["held back"]
    parts = [_HEAD.format(versions=versions, hidden=", ".join(hidden)), _ERRORS]
    parts += [row for name, each in figures["boards"].items() for row in _error_rows(name, each)]
    parts.append(_HIDDEN.format(names=" | ".join(hidden), dashes="|".join("---" for _ in hidden)))
    for name, each in figures["boards"].items():
        for threads, ratios in each["held back"].items():
            cells = (f"{ratios[n]:.2f}" if n in ratios else "" for n in hidden)
            parts.append(f"| {name} | {threads} | {' | '.join(cells)} |\n")
    parts.append(_PAIRS)
    for name, each in figures["boards"].items():
        for kind, title in (("pairs", "not of the five"), ("pairs, the five among them", "all")):
            parts += [f"| {name} | {t} | {title} | {_cells(e)} |\n" for t, e in each[kind].items()]
    parts.append(_ALIKE)
    for name, each in figures["alike"].items():
        parts += [
            f"| {name} | {t} | {e['all']['networks']} | {e['all']['median']:.1%} | "
            f"{e['all']['p90']:.1%} | {e['all']['mean']:.2f} |\n"
            for t, e in each.items()
        ]
    parts.append(_TRIED)
    names = list(dict.fromkeys(n for each in figures["boards"].values() for n in each["weights"]))
    parts.append(_WEIGHTS.format(names=" | ".join(names), dashes="|".join("---" for _ in names)))
    for name, each in figures["boards"].items():
        cells = (f"{each['weights'][n]:.2f}" if n in each["weights"] else "" for n in names)
        parts.append(f"| {name} | {' | '.join(cells)} |\n")
    checks = ", ".join(f"{name} {ratio:.2f}" for name, ratio in figures["checked"].items())
    parts.append(_OURS.format(checked=checks))
    for name, each in figures["boards"].items():
        for network, times in sorted(each["estimates"].items()):
            cells = (milliseconds(times.get(str(threads))) for threads in estimate.THREADS)
            parts.append(f"| {name} | {network} | {' | '.join(cells)} |\n")
    return "".join(parts)


RUNTIMES = {
    "ncnn": "ncnn",
    "mnn": "MNN",
    "tflite": "TensorFlow Lite",
    "onnxruntime": "ONNX Runtime",
}
PRECISIONS = {"fp32": "float32", "fp16": "float16", "int8": "INT8"}


def guide(figures: Mapping[str, Any]) -> str:
    """The rows of the table in edge/docs/explanation/boards.md."""
    rows = []
    for model, runtime, precision in product(OURS, RUNTIMES, PRECISIONS):
        cells = []
        for board, threads in product(BOARDS, estimate.THREADS):
            known = figures["boards"][board]["estimates"]
            values = known.get(f"{model} 320 {runtime} {precision}", {}).get(str(threads))
            cells.append(
                f"{values[0]:.3g} ({values[1]:.3g}–{values[2]:.3g})" if values else ""  # noqa: RUF001
            )
        if any(cells):
            title = f"{model}, {RUNTIMES[runtime]} {PRECISIONS[precision]}"
            rows.append(f"| {title} | {' | '.join(cells)} |\n")
    return "".join(rows)


def milliseconds(values: Sequence[float] | None) -> str:
    """An estimate with its interval, as one reads it."""
    if values is None:
        return "not counted"
    return f"{values[0]:.3g} ms ({values[1]:.3g} to {values[2]:.3g})"


def _error_rows(name: str, each: Mapping[str, Any]) -> Iterator[str]:
    for threads, kinds in each["left out"].items():
        rows = {**kinds, "all, shuffled": each["shuffled"][threads]["all"]}
        for kind, error in rows.items():
            yield f"| {name} | {threads} | {kind} | {_cells(error)} |\n"


def _cells(error: Mapping[str, float]) -> str:
    spread = f"{error['least']:.2f} to {error['most']:.2f}"
    return f"{error['networks']} | {error['median']:.1%} | {error['p90']:.1%} | {spread}"
