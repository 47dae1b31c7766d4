from __future__ import annotations

import json
from dataclasses import replace

import pytest

from calibration.checkpoints.training_recipe import Augment, Recipe, dumps, loads
from calibration.nets.config import NETS
from edge.errors import CalibrationError, ModelError

RECIPE = Recipe(epochs=7, augment=Augment(flip_vertical=0.5), distill=("head",))


@pytest.mark.parametrize("name", ["yolov6n-v2", "yolov6s-v3", "yolov7-tiny"])
def test_a_recipe_survives_its_text(name):
    config = replace(NETS[name], classes=2)
    assert loads(dumps(config, RECIPE, ("a", "b")), "x.pt") == (config, RECIPE, ("a", "b"))


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.pop("net"),
        lambda v: v["net"].update(kind="yolov9"),
        lambda v: v["net"].update(neck="wide"),
        lambda v: v["recipe"].update(momentum=0.9),
        lambda v: v["recipe"].pop("augment"),
        lambda v: v.update(labels=3),
    ],
)
def test_other_text_is_refused_by_name(change):
    values = json.loads(dumps(NETS["yolov6n-v2"], RECIPE, ("a",)))
    change(values)
    with pytest.raises(ModelError, match=r"^x\.pt: "):
        loads(json.dumps(values), "x.pt")


def test_text_that_is_no_json_is_refused():
    with pytest.raises(ModelError, match=r"^x\.pt: "):
        loads("{", "x.pt")


def test_an_input_that_the_strides_do_not_divide_is_refused():
    with pytest.raises(CalibrationError, match="multiple of 32, got 300"):
        Recipe(input=300)


def test_mosaics_end_before_the_training_and_the_last_epochs_are_all_evaluated():
    recipe = Recipe(epochs=100, plain=0.1, evaluate_every=10)
    assert [e for e in range(100) if not recipe.mosaics(e)] == list(range(90, 100))
    evaluated = [e + 1 for e in range(100) if recipe.evaluates(e)]
    assert evaluated == [*range(10, 100, 10), 96, 97, 98, 99, 100]


def test_the_last_epoch_is_evaluated_however_few_there_are():
    for epochs in range(1, 12):
        assert Recipe(epochs=epochs).evaluates(epochs - 1)
