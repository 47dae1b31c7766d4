"""Ranges, scales and codes of weights, and biases, by gradient descent on the heads' outputs.

The network is its own teacher, or a larger one is. Held-out images are not learned from, so that
few images learned by heart are seen for what they are.

Source: Shu et al. 2021, arXiv:2011.13256; Nagel et al. 2020, arXiv:2004.10568 (learned rounding).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from calibration.graph import Graph
from calibration.quant.learn.loss import channel_wise, distance
from calibration.quant.learn.samples import Outputs, TrainingSample, TrainingSamples, draw
from calibration.quant.learn.student import Student
from calibration.quant.learn.torch_graph import TorchGraph
from calibration.quant.options.recipes import Learning
from calibration.quant.search.context import SearchContext
from calibration.quant.simulate.heads import necks
from calibration.quant.spec.spec import QuantSpec

_BATCH = 4
_RATES = {"ranges": 1e-2, "steps": 2e-3, "biases": 1e-3, "weights": 1e-2}
_LOOKS = 6  # how often the held-out loss is computed
_WARM_UP = 10


def learn(
    context: SearchContext,
    spec: QuantSpec,
    options: Learning,
    seed: int,
    teacher: Graph | None = None,
) -> QuantSpec:
    """The best spec on the way of a descent; the one that it starts from, if none is better.

    Args:
        context: The network and all images.
        spec: Where to start.
        options: See there.
        seed: Of the order and augmentation of the images.
        teacher: With heads of the same shapes; None for the network itself in float.

    Raises:
        CalibrationError: A graph has an operator that is not known in torch.
    """
    graph = context.graph
    if options.necks and teacher is None:  # another network's features mean something else
        graph = graph.rebuilt(outputs=(*graph.outputs, *necks(graph, context.model)))
    network = TorchGraph(graph)
    student = Student(context, spec, network)
    samples = TrainingSamples(context, network if teacher is None else TorchGraph(teacher))
    kinds = [kind for kind in _RATES if options.weights or kind != "weights"]
    optimizer = torch.optim.Adam(
        [{"params": student.parameters(kind), "lr": _RATES[kind]} for kind in kinds]
    )
    pace = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _pace(step, options.steps))
    random = np.random.default_rng(seed)
    learners = _learners(context)
    best, minimum = spec, _held_out_loss(student, samples, context, options)
    order: list[int] = []
    for step in range(options.steps):
        chosen: list[TrainingSample] = []
        while len(chosen) < min(_BATCH, len(learners)):
            order = order or random.permutation(learners).tolist()
            chosen.append(draw(random, order.pop(), crops=options.crops))
        optimizer.zero_grad()
        loss = _loss(student, samples, chosen, options)
        loss.backward()
        optimizer.step()
        pace.step()
        context.progress(step + 1, options.steps)
        if (step + 1) % max(options.steps // _LOOKS, 1) == 0:
            loss_now = _held_out_loss(student, samples, context, options)
            if loss_now < minimum:
                best, minimum = student.spec(), loss_now
    return best


def _loss(
    student: Student, samples: TrainingSamples, chosen: list[TrainingSample], options: Learning
) -> Tensor:
    images = [samples.image(sample) for sample in chosen]
    expected = [samples.expected(*pair) for pair in zip(chosen, images, strict=True)]
    outputs = student(torch.cat(images))
    results = [
        samples.inside([values[i : i + 1] for values in outputs], sample)
        for i, sample in enumerate(chosen)
    ]
    loss = _weighed(results, expected, options)
    pairs = [
        channel_wise(ours.flatten(0, 1).flatten(1), theirs.flatten(0, 1).flatten(1))
        for one, other in zip(results, expected, strict=True)
        for ours, theirs in zip(one.necks, other.necks, strict=True)
    ]
    return loss + options.necks * torch.stack(pairs).mean() if pairs else loss


def _held_out_loss(
    student: Student, samples: TrainingSamples, context: SearchContext, options: Learning
) -> float:
    """What is minimized, on the held-out images."""
    results, expected = [], []
    with torch.no_grad():
        for index in context.held_out:
            image = samples.image(TrainingSample(index))
            results.append(samples.inside(student(image), TrainingSample(index)))
            expected.append(samples.expected(TrainingSample(index), image))
    return float(_weighed(results, expected, options))


def _weighed(results: list[Outputs], expected: list[Outputs], options: Learning) -> Tensor:
    ours, theirs = ([outputs.levels for outputs in each] for each in (results, expected))
    return distance(ours, theirs, channels_weight=options.channels, heads_weight=options.heads)


def _learners(context: SearchContext) -> list[int]:
    """The images to learn from: not the held-out ones, unless there are hardly others."""
    every = range(len(context.inputs))
    others = [index for index in every if index not in context.held_out]
    return others if len(others) >= _BATCH else list(every)


def _pace(step: int, steps: int) -> float:
    """Warm up, then half a cosine down to nearly nothing."""
    return min(1.0, (step + 1) / _WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * step / steps)) + 0.01
