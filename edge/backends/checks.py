"""What every runtime's file must agree with."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from edge.backends.base import TensorSpec
from edge.errors import ModelError


def expect_input(present: Collection[str], expected: str) -> None:
    """Check that the model has one input, of this name.

    Raises:
        ModelError: It has not.
    """
    if set(present) != {expected}:
        inputs = ", ".join(present) or "none"
        raise ModelError(f"one input {expected} is wanted, found {inputs}")


def expect_outputs(present: Collection[str], expected: Sequence[str]) -> None:
    """Check that the model has the outputs asked for, and that any are.

    Raises:
        ModelError: It has not; the message lists those it has.
    """
    if not expected:
        raise ModelError("no outputs are asked for")
    for name in expected:
        if name not in present:
            raise ModelError(f"no output {name}; its outputs are {', '.join(present)}")


def expect_shape(shape: Sequence[int], input_: TensorSpec) -> None:
    """Check that the input's shape is the wished one; a dimension below 1 is dynamic.

    Raises:
        ModelError: It is not.
    """
    fits = len(shape) == len(input_.shape) and all(
        n in (m, -1) or n < 1 for n, m in zip(shape, input_.shape, strict=True)
    )
    if not fits:
        there = tuple(map(int, shape))
        raise ModelError(
            f"its input {input_.name} has the fixed shape {there}, asked for {input_.shape}"
        )
