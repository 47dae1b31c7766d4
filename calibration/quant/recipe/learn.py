"""Ranges, steps of weights and biases by gradient descent on what the heads say.

The network is its own teacher. Rounding has no gradient, so that of the identity stands in for it
inside the range, and ranges and steps get theirs from what is cut off and what is rounded.
Weights stay as they are: with so few pictures, moving them brings nothing.

Source: Esser et al. 2020, arXiv:1902.08153 (learned steps); Shu et al. 2021, arXiv:2011.13256.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from calibration.graph import Node
from calibration.quant import structure
from calibration.quant.heads import Level, levels
from calibration.quant.objective import CHANNEL_WEIGHT
from calibration.quant.plan import Plan
from calibration.quant.planning import plan
from calibration.quant.recipe.problem import Problem
from calibration.quant.spec import LayerSpec, QuantSpec, Range
from calibration.quant.torch_graph import TorchGraph
from edge.types import AnyArray

_BATCH = 4
_RATES = {"ranges": 1e-2, "steps": 2e-3, "biases": 1e-3}
_WARM_UP = 10


def learn(problem: Problem, spec: QuantSpec, steps: int, seed: int) -> QuantSpec:
    """The spec after so many steps of descent.

    Args:
        problem: The network and all pictures.
        spec: Where to start.
        steps: Of a few pictures each, some of them mirrored.
        seed: Of their order.

    Raises:
        CalibrationError: The graph has an operator that is not known in torch.
    """
    network = TorchGraph(problem.graph)
    student = Student(problem, spec, network)
    pictures = _Pictures(problem, network)
    optimiser = torch.optim.Adam(
        [{"params": student.parameters(kind), "lr": rate} for kind, rate in _RATES.items()]
    )
    pace = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _pace(step, steps))
    random = np.random.default_rng(seed)
    order: list[int] = []
    for step in range(steps):
        chosen: list[tuple[int, bool]] = []
        while len(chosen) < min(_BATCH, len(problem.inputs)):
            order = order or random.permutation(len(problem.inputs)).tolist()
            chosen.append((order.pop(), bool(random.integers(2))))
        images, wanted = zip(
            *(pictures(index, mirrored) for index, mirrored in chosen), strict=True
        )
        optimiser.zero_grad()
        found = student(torch.cat(images))
        loss = distance(
            [pictures.inside([f[i : i + 1] for f in found], *c) for i, c in enumerate(chosen)],
            wanted,
        )
        loss.backward()
        optimiser.step()
        pace.step()
        problem.tell(step + 1, steps)
    return student.spec()


class Student:
    """A network with roundings whose ranges can be learned."""

    def __init__(self, problem: Problem, spec: QuantSpec, network: TorchGraph) -> None:
        self._problem = problem
        self._spec = spec
        self._network = network
        self._plan: Plan = plan(problem.graph, spec, problem.target)
        shared = structure.groups(problem.graph, problem.policy)
        self._variable = {name: shared.get(name, (name,)) for name in self._plan.tensors}
        self._ranges: dict[tuple[str, ...], Tensor] = {}
        for name, names in self._variable.items():
            self._ranges.setdefault(names, self._start(name))
        self._steps: dict[str, Tensor] = {}
        self._biases: dict[str, Tensor] = {}
        for name, layer in self._plan.layers.items():
            self._steps[name] = _parameter(np.log(layer.weight_scales))
            self._biases[name] = _parameter(layer.bias)

    def parameters(self, kind: str) -> list[Tensor]:
        """What is learned: "ranges", "steps" of weights, or "biases"."""
        if kind == "ranges":
            fixed = set(self._problem.graph.inputs)
            return [value for names, value in self._ranges.items() if not fixed & set(names)]
        return list((self._steps if kind == "steps" else self._biases).values())

    def __call__(self, image: Tensor) -> list[Tensor]:
        """The outputs, rounded as the plan says."""
        found: list[Tensor] = self._network(
            image, weigh=self._weigh, reads=self._reads, gives=self._gives
        )
        return found

    def spec(self) -> QuantSpec:
        """What was learned."""
        scheme = self._problem.scheme(self._spec)
        ranges: dict[str, Range] = dict(scheme.ranges)
        for names, value in self._ranges.items():
            if not set(names) & set(self._problem.graph.inputs):
                ranges |= dict.fromkeys(names, self._range(names, value))
        layers = dict(scheme.layers)
        for name in self._plan.layers:
            scales = self._steps[name].detach().exp().numpy()
            layers[name] = LayerSpec(scales, self._biases[name].detach().numpy().copy())
        changed = replace(scheme, ranges=ranges, layers=layers)
        return self._problem.with_scheme(self._spec, changed)

    def _start(self, name: str) -> Tensor:
        """Logarithms: of the reach of a symmetric grid, else of what is below and above zero."""
        grid = self._plan.tensors[name]
        low, high = ((code - grid.zero_point) * grid.scale for code in (grid.low, grid.high))
        if self._problem.policy.symmetric:
            return _parameter(np.log([high]))
        return _parameter(np.log(np.maximum([-low, high], 1e-6 * (high - low))))

    def _range(self, names: tuple[str, ...], value: Tensor) -> Range:
        ends = value.detach().exp().tolist()
        if not self._problem.policy.symmetric:
            return -ends[0], ends[1]
        old = self._problem.scheme(self._spec).ranges[names[0]]
        # The side that is less is kept in proportion; the grid depends on the other.
        factor = ends[0] / max(-old[0], old[1], 1e-12)
        return old[0] * factor, old[1] * factor

    def _weigh(self, node: Node) -> tuple[Tensor, Tensor | None]:
        constants = self._network.constants
        weight = constants[node.inputs[1]]
        bias = constants[node.inputs[2]] if node.input(2) else None
        if node.name not in self._plan.layers:
            return weight, bias
        steps = self._steps[node.name].exp()
        zeros = torch.zeros_like(steps)
        # Gradients of steps grow with the number of weights; Esser et al. divide by its root.
        share = 1 / math.sqrt(weight[0].numel() * 127)
        rounded = torch._fake_quantize_learnable_per_channel_affine(
            weight, steps, zeros, 0, -127, 127, share
        )
        return rounded, self._biases[node.name]

    def _reads(self, node: Node, values: Tensor) -> Tensor:
        """A layer rounds what is not kept as codes."""
        if node.name not in self._plan.layers or node.inputs[0] in self._plan.stored:
            return values
        return self._round(node.inputs[0], values)

    def _gives(self, name: str, values: Tensor) -> Tensor:
        return self._round(name, values) if name in self._plan.stored else values

    def _round(self, name: str, values: Tensor) -> Tensor:
        grid = self._plan.tensors[name]
        ends = self._ranges[self._variable[name]].exp()
        if self._problem.policy.symmetric:
            step, zero = ends / 127, torch.zeros(1)
        else:
            step = ends.sum().reshape(1) / (grid.high - grid.low)
            zero = grid.low + ends[:1] / step
        rounded: Tensor = torch._fake_quantize_learnable_per_tensor_affine(
            values.contiguous(), step, zero.clamp(grid.low, grid.high), grid.low, grid.high, 1.0
        )
        return rounded


class _Pictures:
    """Pictures and what the teacher says of them, each computed once."""

    def __init__(self, problem: Problem, teacher: TorchGraph) -> None:
        self._problem = problem
        self._teacher = teacher
        self._known: dict[tuple[int, bool], list[Level]] = {}

    def __call__(self, index: int, mirrored: bool) -> tuple[Tensor, list[Level]]:
        """The network input and the teacher's levels, the latter of the picture alone."""
        image = torch.from_numpy(self._problem.inputs.real(index))
        image = image.flip(3) if mirrored else image
        if (index, mirrored) not in self._known:
            with torch.no_grad():
                said = self._teacher(image)
            self._known[index, mirrored] = self.inside(said, index, mirrored)
        return image, self._known[index, mirrored]

    def inside(self, outputs: Sequence[Tensor], index: int, mirrored: bool) -> list[Level]:
        """The levels of one picture's outputs, without what is around the picture."""
        inputs = self._problem.inputs
        turned = [values.flip(3) if mirrored else values for values in outputs]
        return levels([inputs.picture(index, values) for values in turned], self._problem.model)


def distance(student: Sequence[Sequence[Level]], teacher: Sequence[Sequence[Level]]) -> Tensor:
    """`Objective` for torch: by picture and level."""
    channels: list[Tensor] = []
    scores: list[Tensor] = []
    boxes: list[Tensor] = []
    sure: list[Tensor] = []
    for ours, theirs in zip(student, teacher, strict=True):
        for our, their in zip(ours, theirs, strict=True):
            wanted, found = (_channels(level).log_softmax(-1) for level in (their, our))
            apart = (wanted.exp() * (wanted - found)).sum(-1).mean()
            channels.append(apart / (len(ours) * len(student)))
            classes = their.classes.sigmoid()
            weight = classes.amax(2, keepdim=True)
            entropy = _divergence(classes, their.classes, our.classes)
            gap = (our.boxes - their.boxes).abs()
            if their.objects is not None and our.objects is not None:
                objects = their.objects.sigmoid()
                weight, entropy = weight * objects, entropy * objects
                scores.append(_divergence(objects, their.objects, our.objects).sum())
                gap = (our.boxes.sigmoid() - their.boxes.sigmoid()).abs()
            scores.append(entropy.sum())
            boxes.append((gap * weight).sum() / gap.shape[2])
            sure.append(weight.sum())
    total: Tensor = (sum(scores) + sum(boxes)) / torch.stack(sure).sum().clamp(min=1)
    return CHANNEL_WEIGHT * sum(channels) + total


def _channels(level: Level) -> Tensor:
    parts = [level.classes, level.boxes, *([] if level.objects is None else [level.objects])]
    return torch.cat([part.reshape(-1, part.shape[-2] * part.shape[-1]) for part in parts])


def _divergence(wanted: Tensor, theirs: Tensor, ours: Tensor) -> Tensor:
    own = functional.softplus(theirs)
    return functional.softplus(ours) - own - wanted * (ours - theirs)


def _parameter(values: AnyArray) -> Tensor:
    return torch.nn.Parameter(torch.from_numpy(np.asarray(values, np.float32).copy()))


def _pace(step: int, steps: int) -> float:
    """Warm up, then half a cosine down to nearly nothing."""
    return min(1.0, (step + 1) / _WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * step / steps)) + 0.01
