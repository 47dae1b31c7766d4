"""Whether an INT8 model may be written: only where it finds what the float one finds."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from edge.evaluate import Agreement
from edge.evaluate.bootstrap import Difference

_MIN_DETECTIONS = 20  # detections of the float model: fewer decide nothing
_SLACK = 0.10  # how far recall and precision may be below AP50, which forgives low scores


@dataclass(frozen=True, slots=True)
class Limits:
    """What is wanted. A limit that is None is not one.

    Attributes:
        ap: The minimum AP with the float model's detections as the truth, 0 to 1.
        ap50: The same at IoU .50.
        drop: The maximum loss of AP by labels, 0 to 1.
    """

    ap: float | None = 0.90
    ap50: float | None = 0.96
    drop: float | None = None

    @classmethod
    def parse(cls, text: str) -> Limits:
        """Read "90/96": AP and AP50 in percent.

        Raises:
            ValueError: The text has another form, or the numbers are none of these.
        """
        match = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)/(\d{1,3}(?:\.\d+)?)", text.strip())
        if match is None:
            raise ValueError(f"AP/AP50 in percent, such as 90/96, got {text!r}")
        ap, ap50 = float(match[1]) / 100, float(match[2]) / 100
        if not 0 < ap <= ap50 <= 1:
            raise ValueError(f"AP/AP50 with 0 < AP <= AP50 <= 100, got {text!r}")
        return cls(ap, ap50)

    def __str__(self) -> str:
        parts = []
        if self.ap is not None and self.ap50 is not None:
            parts.append(f"agreement {100 * self.ap:g}/{100 * self.ap50:g}")
        if self.drop is not None:
            parts.append(f"at most {100 * self.drop:g} AP lost")
        return ", ".join(parts) or "nothing"


def violations(
    agreement: Agreement, limits: Limits, difference: Difference | None = None
) -> tuple[str, ...]:
    """Why a model is refused, in sentences; none where it passes.

    AP weighs what is found by score and forgives what slipped below the threshold. So recall and
    precision, which take the same threshold on both sides, have a limit too, and a model on which
    the float one finds next to nothing is refused whatever the numbers are.

    Args:
        agreement: INT8 and float.
        limits: What is wanted.
        difference: Of AP by labels, float first; needed where `limits` has a drop.
    """
    reasons = []
    if limits.ap is not None and limits.ap50 is not None:
        if agreement.expected < _MIN_DETECTIONS:
            reasons.append(
                f"the float model finds {agreement.expected} objects in all the images that judge; "
                f"agreement means something from {_MIN_DETECTIONS} on"
            )
        else:
            floor = limits.ap50 - _SLACK
            for name, value, limit in (
                ("AP", agreement.ap, limits.ap),
                ("AP50", agreement.ap50, limits.ap50),
                ("recall", agreement.recall, floor),
                ("precision", agreement.precision, floor),
            ):
                if not value >= limit:
                    shown = f"{100 * value:.1f}" if value >= 0 else "none"
                    reasons.append(f"{name} against float is {shown}, wanted {100 * limit:.1f}")
    if limits.drop is not None:
        reasons += _drop(limits.drop, difference)
    return tuple(reasons)


def _drop(limit: float, difference: Difference | None) -> list[str]:
    if difference is None or math.isnan(difference.before) or difference.before <= 0:
        return ["there are no labels, or the float model finds nothing of them"]
    lost = difference.before - difference.after
    if lost <= limit:
        return []
    low, high = 100 * difference.low, 100 * difference.high
    return [
        f"AP falls from {100 * difference.before:.1f} to {100 * difference.after:.1f} (95 % "
        f"interval of the change {low:+.1f} to {high:+.1f}), at most {100 * limit:g} may be lost"
    ]
