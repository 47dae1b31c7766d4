from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from calibration.quant.observe.observers import OBSERVERS
from calibration.quant.options.options import Limits, Options, conflict
from calibration.quant.options.recipes import QAT, RECIPES, Learning
from calibration.quant.spec.spec import QuantSpec
from edge.errors import CalibrationError, UnsupportedModelError
from edge.recognize import open_model

CONVEYOR = Path(__file__).parents[4] / "edge" / "bundled" / "conveyor.edge"
SPEC = QuantSpec({})


def test_whether_something_is_learned_hangs_on_recipe_spec_and_wish():
    assert Options().learning == RECIPES["default"].learning != Learning()
    assert Options(recipe="fast").learning == Learning()
    assert Options(recipe="fast", qat=True).learning == QAT
    assert Options(spec=SPEC).learning == Learning()


@pytest.mark.parametrize(
    ("wrong", "kind", "answer"),
    [
        ({"targets": ()}, CalibrationError, "no runtime is named"),
        ({"targets": ("ncnn", "trt")}, UnsupportedModelError, "unknown target 'trt'"),
        ({"recipe": "magic"}, CalibrationError, "unknown recipe 'magic'; known: fast"),
        ({"max_images": 0}, CalibrationError, "max_images must be 1 or more, got 0"),
        ({"float_budget": 1.5}, CalibrationError, "float_budget must be 0 to 1, got 1.5"),
        ({"spec": SPEC, "qat": True}, CalibrationError, "nothing is learned"),
    ],
)
def test_what_no_calibration_can_do_is_refused_with_its_name(wrong, kind, answer):
    with pytest.raises(kind, match=re.escape(answer)):
        Options(**wrong)


def test_a_teacher_needs_something_that_learns():
    teacher = open_model([CONVEYOR])
    with pytest.raises(CalibrationError, match="teacher: recipe fast learns nothing; qat does"):
        Options(recipe="fast", teacher=teacher)
    assert Options(recipe="fast", teacher=teacher, qat=True).learning == QAT
    assert not conflict("default", qat=False, taught=True, decided=False)


def test_every_recipe_names_observers_that_there_are():
    for recipe in RECIPES.values():
        assert set(recipe.observers) <= set(OBSERVERS)


def test_limits_say_what_they_are():
    assert str(Limits.parse("90/96")) == str(Options().limits) == "agreement 90/96"
    assert str(Limits(None, None)) == "nothing"


def test_options_are_read_without_what_calibrates():
    script = (
        "import sys; import calibration.quant.options.options as o; o.Options(); "
        "sys.exit(bool({'onnx', 'onnxruntime', 'torch', 'ncnn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
