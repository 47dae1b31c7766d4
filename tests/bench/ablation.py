"""python -m tests.bench.ablation MODEL --data DIR: what each step of a calibration adds.

Steps are taken one after another on the same images, learning in three ways from one start. Each
row has the objective, by images that nothing is learned from, and how far the simulation agrees
with the float network on images that no step has seen: as a mean over classes, which the gate
takes, and with every detection counting alike, which is steadier where classes are many. Needs the
extras calibrate and train.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import process_time

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy and torch are imported
os.environ["OMP_WAIT_POLICY"] = "passive"

import numpy as np

from calibration.canonical import canonical
from calibration.check.agreement import agree, detections
from calibration.graph import Graph
from calibration.quant.learn.learn import learn
from calibration.quant.observe.histograms import observe
from calibration.quant.observe.inputs import Inputs
from calibration.quant.options.recipes import CHANNEL_WEIGHT, Learning
from calibration.quant.plan import structure
from calibration.quant.plan.equalize import equalized
from calibration.quant.plan.planning import plan
from calibration.quant.plan.prepare import prepare
from calibration.quant.search import equalization, float_layers, ranges_per_tensor, sensitivity
from calibration.quant.search.build_context import build, everything, ranged
from calibration.quant.search.context import SearchContext
from calibration.quant.search.ranges import best_for_all, opinions
from calibration.quant.simulate.simulate import simulate
from calibration.quant.spec.spec import QuantSpec
from calibration.runtimes import runtime
from calibration.workflow.images import open_images
from edge.evaluate import agreement
from edge.recognize import open_model
from edge.types import UInt8Array

Step = tuple[str, SearchContext, QuantSpec]


def steps(images: list[UInt8Array], options: argparse.Namespace) -> Iterator[Step]:
    """Each step, with the problem and the spec that it leads to."""
    graph, model, _ = canonical(open_model([options.model]).package)
    graph, inputs = prepare(graph), Inputs.of(images, model)
    scheme = runtime(options.target).scheme

    def posed(network) -> tuple[SearchContext, QuantSpec]:
        first = everything(network, inputs, scheme)
        observed = observe(network, inputs, ranged(first))
        problem = build(network, model, inputs, observed, first, options.held_out)
        never = float_layers.refused(problem) | dict.fromkeys(
            first_and_last(network) if options.ends else (), ""
        )
        return problem, problem.with_floats(first, never)

    problem, spec = posed(graph)
    answer = opinions(problem)
    yield "min-max", problem, problem.with_ranges(spec, answer["min-max"])
    yield "least divergence (entropy)", problem, problem.with_ranges(spec, answer["entropy"])
    spec, _ = best_for_all(problem, spec, answer)
    yield "best observer for all", problem, spec

    factors, _ = equalization.chosen(graph, model, inputs, problem.held_out, scheme)
    if factors:
        problem, spec = posed(equalized(graph, factors))
        answer = opinions(problem)
        spec, _ = best_for_all(problem, spec, answer)
        yield "+ equalization", problem, spec
    never = float_layers.share(problem, problem.scheme(spec).float_layers)
    apart = float_layers.depthwise(problem, spec, {}, options.float_budget + never)
    if apart is not None:
        spec, _ = best_for_all(problem, apart, answer)
        yield "+ depthwise layers float", problem, spec
    if options.search:
        cost = sensitivity.alone(problem, spec)
        spec = ranges_per_tensor.search(problem, spec, answer, cost, options.search)
        yield f"+ clips of {options.search} tensors searched", problem, spec
    ways = {
        "+ ranges, scales, biases learned, channel-wise term alone": Learning(
            options.steps, heads=0.0
        ),
        "+ the same, channel-wise and head terms": Learning(options.steps),
        "+ the same and channel-wise on the neck": Learning(options.steps, necks=CHANNEL_WEIGHT),
        "+ without the neck, codes of weights learned too": Learning(options.steps, weights=True),
    }
    for name, method in ways.items():
        yield name, problem, learn(problem, spec, method, options.seed)


def main() -> None:
    options = _options()
    images = open_images(options.data, (), strict=False)
    order = np.random.default_rng(options.seed).permutation(len(images)).tolist()
    observed = list(images.at(order[: options.images]).images())
    held_out = list(images.at(order[options.images :][: options.held_out]).images())
    reference = None
    before = process_time()
    print(
        f"{options.model.name}, {options.target}: {len(observed)} images observed, "
        f"{len(held_out)} judge, {options.steps} steps of learning\n"
    )
    print("| step | objective | weights alone | activations alone | AP/AP50 | all alike | CPU s |")
    print("|---|---|---|---|---|---|---|")
    for name, problem, spec in steps(observed, options):
        seconds = process_time() - before
        find = partial(detections, model=problem.model, images=held_out)
        reference = reference or find(problem.graph)
        rounded = simulate(problem.graph, plan(problem.graph, spec, options.target))
        result = find(rounded)
        by_class = agreement(reference, result, classes=len(problem.model.labels))
        same = agree(reference, result)
        parts = (problem.loss(spec, rounds).total for rounds in ("all", "weights", "activations"))
        losses = " | ".join(f"{loss:.4f}" for loss in parts)
        shown = " | ".join(f"{100 * a.ap:.1f}/{100 * a.ap50:.1f}" for a in (by_class, same))
        print(f"| {name} | {losses} | {shown} | {seconds:.0f} |", flush=True)
        before = process_time()


def first_and_last(graph: Graph) -> set[str]:
    """The names of the first convolution and of those that give the outputs."""
    return {
        structure.convolutions(graph)[0].name,
        *(graph.producers[name].name for name in graph.outputs),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", required=True, help="images, as for edge calibrate")
    parser.add_argument("--target", default="ncnn")
    parser.add_argument("--images", type=int, default=64, help="to observe and learn from")
    parser.add_argument("--judges", type=int, default=8, help="of these, for the objective")
    parser.add_argument("--judged", type=int, default=64, help="others, for the agreement")
    parser.add_argument("--float-budget", type=float, default=0.10)
    parser.add_argument("--ends", action="store_true", help="first and last convolutions float")
    parser.add_argument("--search", type=int, default=0, help="tensors whose clips are searched")
    parser.add_argument("--steps", type=int, default=100, help="of learning")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
