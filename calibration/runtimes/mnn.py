"""MNN: everything between two layers on codes, as its own converter arranges it."""

from __future__ import annotations

from calibration.runtimes.base import PASS_THROUGH, Runtime
from edge.backends.base import ModelFiles


def int8_names(files: ModelFiles) -> frozenset[str]:
    """The names of the operators that it says to compute in INT8."""
    from edge.backends.mnn import operators

    kinds = operators(files["mnn"])
    return frozenset(name for name, kind in kinds.items() if "DT_INT8" in kind)


RUNTIME = Runtime(
    name="mnn",
    scheme="asymmetric",
    symmetric=False,
    stores=True,
    fused=frozenset({"Relu"}),
    pass_through=PASS_THROUGH,
    activations=frozenset({"Relu", "LeakyRelu"}),
    precision="fp16",
    winograd=True,
    one_sided_pools=True,
    int8_names=int8_names,
)
