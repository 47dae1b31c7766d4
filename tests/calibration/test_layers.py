"""The floors of calibration, as import-linter holds them, refuse what would lead up or sideways."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest

grimp = pytest.importorskip("grimp")
api = pytest.importorskip("importlinter.api")
layers = pytest.importorskip("importlinter.contracts.layers")

ROOT = Path(__file__).parents[2]
FLOORS = {"Layers of calibration", "Layers of quantization", "Layers of the known runtimes"}


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("edge", "calibration", cache_dir=None)


@pytest.fixture(scope="module")
def contracts():
    read = api.read_configuration(str(ROOT / "pyproject.toml"))
    chosen = [result for result in read["contracts_options"] if result["name"] in FLOORS]
    assert len(chosen) == len(FLOORS)
    return [layers.LayersContract(c["name"], read["session_options"], c) for c in chosen]


def kept(contracts, graph) -> bool:
    return all(each.check(deepcopy(graph), verbose=False).kept for each in contracts)


def test_all_imports_point_down(contracts, graph):
    assert kept(contracts, graph)


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("calibration.graph", "calibration.forms"),
        ("calibration.quant.plan.plan", "calibration.emit.base"),
        ("calibration.check.float_file", "calibration.canonical"),
        ("calibration.checkpoints.archive", "calibration.frontends.onnx"),
        ("calibration.quant.spec.spec", "calibration.quant.plan.plan"),
        ("calibration.quant.search.ranges", "calibration.quant.learn.loss"),
        ("calibration.runtimes.base", "calibration.graph"),
        ("calibration.runtimes.ncnn", "calibration.runtimes.mnn"),
        ("calibration.runtimes.mnn", "calibration.emit.mnn_int8"),
    ],
)
def test_an_import_that_leads_up_or_sideways_is_refused(contracts, graph, importer, imported):
    worse = deepcopy(graph)
    worse.add_import(importer=importer, imported=imported)
    assert not kept(contracts, worse)


@pytest.mark.parametrize(
    "name", ["calibration.helpers", "calibration.quant.helpers", "calibration.runtimes.helpers"]
)
def test_a_file_on_no_floor_is_refused(contracts, graph, name):
    worse = deepcopy(graph)
    worse.add_module(name)
    assert not kept(contracts, worse)
