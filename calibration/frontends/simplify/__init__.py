"""One way to write what exporters write in many: rules that leave the results as they are."""

from __future__ import annotations

from calibration.frontends.simplify.activations import clip_to_relu, gated, gelu, hard_sigmoid
from calibration.frontends.simplify.folding import (
    fold_batch_norm,
    fold_into_convolution,
    fold_term_before_pointwise,
)
from calibration.frontends.simplify.idle import (
    drop_idle,
    gather_to_slice,
    merge_reshapes,
    sized_split,
    to_reshape,
)
from calibration.frontends.simplify.norms import layer_norm, layer_norm_affine
from calibration.frontends.simplify.patterns import (
    channel_shuffle,
    focus,
    gemm_to_matmul,
    to_global_pool,
    unfold,
)
from calibration.graph import Graph, Rule, rewrite

# To add a rule: write it in the module of its kind, add it here. They are tried in this order.
RULES: tuple[Rule, ...] = (
    drop_idle,
    to_reshape,
    merge_reshapes,
    gather_to_slice,
    sized_split,
    fold_batch_norm,
    fold_into_convolution,
    fold_term_before_pointwise,
    gated,
    hard_sigmoid,
    clip_to_relu,
    gelu,
    layer_norm,
    layer_norm_affine,
    to_global_pool,
    channel_shuffle,
    gemm_to_matmul,
    focus,
    unfold,
)


def simplify(graph: Graph) -> Graph:
    """The graph after all rules, applied until none fits."""
    return rewrite(graph, *RULES)
