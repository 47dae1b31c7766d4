"""INT8 calibration and training: what needs more than a board has."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calibration.quant.options.options import Limits, Options
    from calibration.workflow.calibrate import Calibration, calibrate
    from calibration.workflow.convert import Conversion, convert
    from calibration.workflow.refusal import GateFailedError

__all__ = [
    "Calibration",
    "Conversion",
    "GateFailedError",
    "Limits",
    "Options",
    "calibrate",
    "convert",
]

# Imported when first used: training does not need what calibrates, nor the other way round.
_HOMES = {
    "Calibration": "calibration.workflow.calibrate",
    "Conversion": "calibration.workflow.convert",
    "GateFailedError": "calibration.workflow.refusal",
    "Limits": "calibration.quant.options.options",
    "Options": "calibration.quant.options.options",
    "calibrate": "calibration.workflow.calibrate",
    "convert": "calibration.workflow.convert",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'calibration' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
