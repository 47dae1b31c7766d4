from __future__ import annotations

import textwrap
import time

import pytest

from edge import child
from edge.errors import BackendError


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Makes a module whose `main` does what is given; returns its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(body):
        code = "import os, sys\nfrom edge import child\n\ndef main():\n"
        code += textwrap.indent(body, "    ")
        (tmp_path / "working.py").write_text(code)
        return "working"

    return make


def test_gives_the_task_and_takes_the_answer(module):
    name = module("child.answer(lambda task: {'sum': sum(task['values'])})")
    assert child.call(name, {"values": [1, 2]}, timeout=60) == {"sum": 3}


def test_the_child_knows_when_it_was_started(module):
    name = module("child.answer(lambda task: {'started': task['started']})")
    before = time.monotonic()
    result = child.call(name, {}, timeout=60)["started"]
    assert before <= result <= time.monotonic()


def test_what_libraries_print_does_not_spoil_the_answer(module):
    name = module(
        "child.answer(lambda task: [print('noise'), os.system('echo more'), {'x': 1}][2])"
    )
    assert child.call(name, {}, timeout=60) == {"x": 1}


@pytest.mark.parametrize(
    ("signal", "why"),
    [
        ("SIGILL", r"killed by SIGILL \(an instruction that this CPU does not have"),
        ("SIGSEGV", r"killed by SIGSEGV \(a crash inside the package\)"),
        ("SIGTERM", r"killed by SIGTERM$"),
    ],
)
def test_a_killed_child_says_by_what(module, signal, why):
    name = module(f"import signal; os.kill(os.getpid(), signal.{signal})")
    with pytest.raises(BackendError, match=why):
        child.call(name, {}, timeout=60)


def test_a_failing_child_says_its_last_line(module):
    name = module("raise RuntimeError('out of luck')")
    with pytest.raises(BackendError, match="ended with status 1: RuntimeError: out of luck"):
        child.call(name, {}, timeout=60)


def test_our_own_errors_arrive_as_they_are(module):
    body = """
    from edge.errors import ModelError
    def work(task):
        raise ModelError("not a model")
    child.answer(work)
    """
    with pytest.raises(BackendError, match=r"^not a model$"):
        child.call(module(textwrap.dedent(body)), {}, timeout=60)


def test_a_child_that_never_answers_is_ended(module):
    name = module("import time; time.sleep(600)")
    with pytest.raises(BackendError, match="no answer within 1 s"):
        child.call(name, {}, timeout=1)


def test_a_machine_without_another_process_is_named(module, monkeypatch):
    name = module("child.answer(lambda task: {})")
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(BackendError, match="no process can be started: No such file"):
        child.call(name, {}, timeout=60)


def test_the_current_folder_is_not_searched(module, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "json.py").write_text("raise SystemExit('wrong json')")
    monkeypatch.chdir(tmp_path / "here")
    assert child.call(module("child.answer(lambda task: {'x': 1})"), {}, timeout=60) == {"x": 1}
