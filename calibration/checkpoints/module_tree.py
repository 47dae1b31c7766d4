"""From the record of a torch module to its tensors by name, as `state_dict` would give them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from calibration.checkpoints.pickled import Record, Tensor
from edge.errors import ModelError

_DEEPEST = 64  # modules in modules; a detector has about 8
_MOST = 50_000  # modules in all


def modules(root: Record) -> Iterator[tuple[str, Record]]:
    """Every module of a tree and its name, the root ("") first.

    Raises:
        ModelError: The tree is deeper or larger than any network, as when it holds itself.
    """
    waiting: list[tuple[str, Record, int]] = [("", root, 0)]
    count = 0
    while waiting:
        name, module, depth = waiting.pop()
        count += 1
        if depth > _DEEPEST or count > _MOST:
            raise ModelError("the module tree has no end")
        yield name, module
        children = _section(module, "_modules")
        waiting += [
            (f"{name}.{key}" if name else key, child, depth + 1)
            for key, child in reversed(children.items())
            if isinstance(child, Record)
        ]


def tensors(root: Record) -> dict[str, Tensor]:
    """The parameters and persistent buffers of a tree, by name."""
    results: dict[str, Tensor] = {}
    for prefix, module in modules(root):
        transient = module.state.get("_non_persistent_buffers_set")
        skipped = transient if isinstance(transient, set) else set()
        for key, value in (_section(module, "_parameters") | _section(module, "_buffers")).items():
            if isinstance(value, Tensor) and key not in skipped:
                results[f"{prefix}.{key}" if prefix else key] = value
    return results


def _section(module: Record, name: str) -> dict[str, Any]:
    section = module.state.get(name)
    if not isinstance(section, Mapping):
        return {}
    return {key: value for key, value in section.items() if is_name(key)}


def is_name(key: Any) -> bool:
    """Whether this can name a tensor; names go into messages, so they are printable."""
    return isinstance(key, str) and key.isprintable()
