from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from calibration.emit import EMITTERS
from calibration.runtimes import REFERENCE, RUNTIMES, STANDS_FOR, USUAL, runtime
from edge.backends import BACKENDS
from edge.errors import UnsupportedModelError

ROOT = Path(__file__).parents[3]
SOURCES = [
    path for path in sorted((ROOT / "calibration").rglob("*.py")) if path.parent.name != "runtimes"
]


def test_every_backend_has_a_value_and_an_emitter_of_its_name():
    assert list(RUNTIMES) == list(EMITTERS) == list(BACKENDS)
    for name, each in RUNTIMES.items():
        assert each is runtime(name) is import_module(f"calibration.runtimes.{name}").RUNTIME
        assert each.name == name
    assert {USUAL, REFERENCE} <= set(BACKENDS)


def test_one_that_is_not_known_is_refused_with_those_that_are():
    with pytest.raises(UnsupportedModelError, match="unknown target 'trt'; known: ncnn, mnn"):
        runtime("trt")


def test_of_every_scheme_one_runtime_is_simulated():
    assert set(STANDS_FOR) == {each.scheme for each in RUNTIMES.values()}
    for scheme, each in STANDS_FOR.items():
        assert each.scheme == scheme


def test_what_cannot_be_at_once_is_nowhere_said():
    for each in RUNTIMES.values():
        assert each.symmetric == (each.scheme == "symmetric")
        assert each.stores or not (each.pass_through or each.activations)
        assert each.winograd or not each.wide_winograd
        assert each.symmetric or not each.wide_winograd
        assert not (each.symmetric and each.one_sided_pools)


def decisions(tree: ast.AST) -> Iterator[ast.expr]:
    """What is compared, and the keys of tables."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            for side in (node.left, *node.comparators):
                yield from side.elts if isinstance(side, ast.Tuple | ast.List | ast.Set) else [side]
        elif isinstance(node, ast.Dict) and len(node.keys) > 1:
            yield from filter(None, node.keys)
        elif isinstance(node, ast.match_case) and isinstance(node.pattern, ast.MatchValue):
            yield node.pattern.value


def named(source: str) -> list[str]:
    """The runtimes by whose names something is decided."""
    return [
        node.value
        for node in decisions(ast.parse(source))
        if isinstance(node, ast.Constant) and node.value in RUNTIMES
    ]


# Keys of the file of a spec, which may be read and edited by a person.
FORMATS = {"spec_file.py": ["mnn", "ncnn"]}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_decided_by_the_name_of_a_runtime(path):
    assert named(path.read_text()) == FORMATS.get(path.name, [])


@pytest.mark.parametrize(
    "source",
    [
        'x == "mnn"',
        'x in ("ncnn", "mnn")',
        '{"ncnn": 1, "other": 2}',
        'match x:\n case "tflite": 1',
    ],
)
def test_such_a_decision_would_be_seen(source):
    assert named(source)
