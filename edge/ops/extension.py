"""The compiled kernels. Only the modules of this package import them."""

from __future__ import annotations

from edge import _native as native

__all__ = ["native", "target", "targets"]


def targets() -> tuple[str, ...]:
    """Names of the SIMD targets that run here, plainest first."""
    return native.targets()


def target() -> str:
    """Name of the SIMD target in use."""
    return native.target()
