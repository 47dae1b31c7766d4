"""The options of a calibration: one value, from the command or a program down to the last stage."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from calibration.quant.options.recipes import QAT, RECIPES, Learning, Recipe
from calibration.quant.spec.spec import QuantSpec
from calibration.runtimes import USUAL, runtime
from edge.errors import CalibrationError
from edge.recognize import OpenedModel


@dataclass(frozen=True, slots=True)
class Limits:
    """What is wanted of the written files. A limit that is None is not one.

    Attributes:
        ap: The minimum AP with the float model's detections as the truth, 0 to 1.
        ap50: The same at IoU .50.
        drop: The maximum loss of AP by labels, 0 to 1.

    Example:
        >>> from calibration import Limits
        >>> print(Limits.parse("90/96"))
        agreement 90/96
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


def conflict(recipe: str, *, qat: bool, taught: bool, decided: bool) -> str:
    """Why options on learning do not go together; nothing where they do.

    Args:
        recipe: Key into `RECIPES`.
        qat: To train in full.
        taught: By a teacher.
        decided: A spec is given.
    """
    if decided and (qat or taught):
        return "spec says what was decided: nothing is learned, by qat or from a teacher"
    if taught and not qat and not RECIPES[recipe].learning.steps:
        return f"teacher: recipe {recipe} learns nothing; qat does"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a user chooses; the defaults are those of `edge calibrate`.

    Attributes:
        targets: The runtimes to write files for: keys into `edge.backends.BACKENDS`.
        recipe: How much is tried: key into `RECIPES`.
        max_images: How many images ranges are chosen from, at most.
        float_budget: The greatest share of the multiply-accumulates that may stay float.
        keep_float: Names of convolutions that stay float whatever they cost; outside the budget.
        qat: Train in full, in place of the recipe's own learning.
        teacher: A better float model to learn from in place of the model itself, with the same
            input, classes and kind of head.
        spec: Decisions that were made before; None to make them.
        seed: Of everything that is drawn.
        limits: From which the gate refuses.
        threads: Of an inference; 0 takes one per core.

    Raises:
        CalibrationError: A value is none, or two of them do not go together; names the option.
        UnsupportedModelError: A target is unknown.

    Example:
        >>> from calibration import Options
        >>> Options(recipe="fast", qat=True).targets
        ('ncnn',)
    """

    targets: tuple[str, ...] = (USUAL,)
    recipe: str = "default"
    max_images: int = 128
    float_budget: float = 0.10
    keep_float: tuple[str, ...] = ()
    qat: bool = False
    teacher: OpenedModel | None = None
    spec: QuantSpec | None = None
    seed: int = 0
    limits: Limits = field(default_factory=Limits)
    threads: int = 0

    def __post_init__(self) -> None:
        for target in self.targets:
            runtime(target)
        if not self.targets:
            raise CalibrationError("targets: no runtime is named")
        if self.recipe not in RECIPES:
            known = ", ".join(RECIPES)
            raise CalibrationError(f"unknown recipe {self.recipe!r}; known: {known}")
        if self.max_images < 1:
            raise CalibrationError(f"max_images must be 1 or more, got {self.max_images}")
        if not 0 <= self.float_budget <= 1:
            raise CalibrationError(f"float_budget must be 0 to 1, got {self.float_budget:g}")
        why = conflict(
            self.recipe,
            qat=self.qat,
            taught=self.teacher is not None,
            decided=self.spec is not None,
        )
        if why:
            raise CalibrationError(why)

    @property
    def plan(self) -> Recipe:
        """What the recipe takes upon itself."""
        return RECIPES[self.recipe]

    @property
    def learning(self) -> Learning:
        """What is to be learned, which takes torch; nothing where all is decided."""
        if self.spec is not None:
            return Learning()
        return QAT if self.qat else self.plan.learning
