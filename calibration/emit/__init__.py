"""From the canonical graph to the files of each runtime: one module each."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from calibration.emit.base import CannotEmitError, Emit
from edge.backends import BACKENDS
from edge.errors import UnsupportedModelError

__all__ = ["EMITTERS", "CannotEmitError", "Emit", "emitter"]

# Keys as in `edge.backends.BACKENDS`, values are modules with a function `emit`: some need their
# runtime. To add one: write its module, add its row.
EMITTERS: Mapping[str, str] = {name: f"calibration.emit.{name}" for name in BACKENDS}


def emitter(backend: str) -> Emit:
    """The emitter of a runtime.

    Raises:
        UnsupportedModelError: There is none.
        NotInstalledError: It needs a package that is missing.
    """
    if backend not in EMITTERS:
        raise UnsupportedModelError(f"unknown target {backend!r}; known: {', '.join(EMITTERS)}")
    emit: Emit = import_module(EMITTERS[backend]).emit
    return emit
