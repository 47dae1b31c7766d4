"""What is raised where an INT8 model is not written; readable without what calibrates."""

from __future__ import annotations

from collections.abc import Sequence

from edge.errors import CalibrationError


class GateFailedError(CalibrationError):
    """The INT8 model does not do what the float one does.

    Attributes:
        lines: What is missing, what costs most and what to try.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("; ".join(lines))
