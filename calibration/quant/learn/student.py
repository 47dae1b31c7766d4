"""A network in torch that rounds as a plan says, with all of the rounding open to learning.

Rounding has no gradient, so that of the identity stands in for it inside the range; ranges and
scales get theirs from what is cut off and what is rounded.

Source: Esser et al. 2020, arXiv:1902.08153.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from calibration.graph import Node
from calibration.quant.learn.torch_graph import TorchGraph
from calibration.quant.plan import structure
from calibration.quant.plan.plan import Plan
from calibration.quant.plan.planning import plan, weight_codes
from calibration.quant.search.context import SearchContext
from calibration.quant.spec.spec import LayerSpec, QuantSpec, Range
from edge.types import AnyArray, Float32Array, Int8Array


class Student:
    """A network on codes, whose ranges, scales, biases and codes of weights can be learned."""

    def __init__(self, context: SearchContext, spec: QuantSpec, network: TorchGraph) -> None:
        self._context = context
        self._spec = spec
        self._network = network
        self._plan: Plan = plan(context.graph, spec, context.target)
        self._own = {
            node.name: network.constants[node.inputs[1]]
            for node in structure.convolutions(context.graph)
        }
        shared = structure.groups(context.graph, context.rules)
        self._variable = {name: shared.get(name, (name,)) for name in self._plan.tensors}
        self._ranges: dict[tuple[str, ...], Tensor] = {}
        for name, names in self._variable.items():
            self._ranges.setdefault(names, self._start(name))
        self._log_scales: dict[str, Tensor] = {}
        self._biases: dict[str, Tensor] = {}
        self._offsets: dict[str, Tensor] = {}
        self._units: dict[str, Tensor] = {}
        for name, layer in self._plan.layers.items():
            self._log_scales[name] = _parameter(np.log(layer.weight_scales))
            self._biases[name] = _parameter(layer.bias)
            # In codes, so that one rate suits all. They are learned beside the model's weights.
            rounding_offsets = context.scheme(spec).layers[name].rounding_offsets
            start = (
                np.zeros(layer.weight.shape, np.float32)
                if rounding_offsets is None
                else rounding_offsets
            )
            self._offsets[name] = _parameter(start.reshape(layer.weight.shape))
            unit = layer.weight_scales.reshape(-1, 1, 1, 1)
            self._units[name] = torch.from_numpy(unit)

    def parameters(self, kind: str) -> list[Tensor]:
        """What is learned: "ranges", "steps" of weights, "biases" or "weights"."""
        if kind == "ranges":
            fixed = set(self._context.graph.inputs)
            return [value for names, value in self._ranges.items() if not fixed & set(names)]
        kinds = {"steps": self._log_scales, "biases": self._biases, "weights": self._offsets}
        return list(kinds[kind].values())

    def __call__(self, image: Tensor) -> list[Tensor]:
        """The outputs, rounded as the plan says."""
        results: list[Tensor] = self._network(
            image, weigh=self._weigh, reads=self._reads, gives=self._gives
        )
        return results

    def spec(self) -> QuantSpec:
        """What was learned."""
        scheme = self._context.scheme(self._spec)
        ranges: dict[str, Range] = dict(scheme.ranges)
        for names, value in self._ranges.items():
            if not set(names) & set(self._context.graph.inputs):
                ranges |= dict.fromkeys(names, self._range(names, value))
        layers = dict(scheme.layers)
        for name in self._plan.layers:
            scales = self._log_scales[name].detach().exp().numpy()
            layers[name] = LayerSpec(
                scales,
                self._biases[name].detach().numpy().copy(),
                self._rounding_offsets(name, scales),
            )
        changed = replace(scheme, ranges=ranges, layers=layers)
        return self._context.with_scheme(self._spec, changed)

    def _rounding_offsets(self, name: str, scales: Float32Array) -> Int8Array | None:
        """How far the learned codes are from those of the model's own weights."""
        weight = self._own[name]
        nearest = weight_codes(weight.numpy(), scales).astype(np.int16)
        learned = weight + self._units[name] * self._offsets[name].detach()
        rounding_offsets = weight_codes(learned.numpy(), scales) - nearest
        return (
            np.clip(rounding_offsets, -127, 127).astype(np.int8).reshape(-1)
            if rounding_offsets.any()
            else None
        )

    def _start(self, name: str) -> Tensor:
        """Logarithms: of the greatest magnitude if symmetric, else of the two sides of zero."""
        params = self._plan.tensors[name]
        low, high = (
            (code - params.zero_point) * params.scale for code in (params.low, params.high)
        )
        if self._context.rules.symmetric:
            return _parameter(np.log([high]))
        return _parameter(np.log(np.maximum([-low, high], 1e-6 * (high - low))))

    def _range(self, names: tuple[str, ...], value: Tensor) -> Range:
        ends = value.detach().exp().tolist()
        if not self._context.rules.symmetric:
            return -ends[0], ends[1]
        old = self._context.scheme(self._spec).ranges[names[0]]
        # The side that is less is kept in proportion; the scale depends on the other.
        factor = ends[0] / max(-old[0], old[1], 1e-12)
        return old[0] * factor, old[1] * factor

    def _weigh(self, node: Node) -> tuple[Tensor, Tensor | None]:
        constants = self._network.constants
        weight = constants[node.inputs[1]]
        bias = constants[node.inputs[2]] if node.input(2) else None
        if node.name not in self._plan.layers:
            return weight, bias
        scales = self._log_scales[node.name].exp()
        zeros = torch.zeros_like(scales)
        # Gradients of scales grow with the number of weights; Esser et al. divide by its root.
        share = 1 / math.sqrt(weight[0].numel() * 127)
        learned = weight + self._units[node.name] * self._offsets[node.name]
        rounded = torch._fake_quantize_learnable_per_channel_affine(
            learned, scales, zeros, 0, -127, 127, share
        )
        return rounded, self._biases[node.name]

    def _reads(self, node: Node, values: Tensor) -> Tensor:
        """A layer rounds what is not kept as codes."""
        if node.name not in self._plan.layers or node.inputs[0] in self._plan.kept_in_int8:
            return values
        return self._round(node.inputs[0], values)

    def _gives(self, name: str, values: Tensor) -> Tensor:
        return self._round(name, values) if name in self._plan.kept_in_int8 else values

    def _round(self, name: str, values: Tensor) -> Tensor:
        params = self._plan.tensors[name]
        ends = self._ranges[self._variable[name]].exp()
        if self._context.rules.symmetric:
            scale, zero = ends / 127, torch.zeros(1)
        else:
            scale = ends.sum().reshape(1) / (params.high - params.low)
            zero = params.low + ends[:1] / scale
        rounded: Tensor = torch._fake_quantize_learnable_per_tensor_affine(
            values.contiguous(),
            scale,
            zero.clamp(params.low, params.high),
            params.low,
            params.high,
            1.0,
        )
        return rounded


def _parameter(values: AnyArray) -> Tensor:
    return torch.nn.Parameter(torch.from_numpy(np.asarray(values, np.float32).copy()))
