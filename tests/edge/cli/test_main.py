"""What every command shares: standard streams, signals, and errors of the system."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from edge import cli
from edge.cli import main


def shell(command, **environment):
    """Runs a shell command, in which `edge` is the command of this checkout."""
    return subprocess.run(
        command.replace("edge ", f"{sys.executable} -m edge ", 1),
        shell=True,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
    )


@pytest.fixture(scope="module")
def lite(shared):
    return shared / "models" / "yolov6lite" / "yolov6-lite-s.param"


@pytest.mark.parametrize("closed", [">&-", "<&- >&-", "<&- >&- 2>&-"])
def test_closed_streams_swallow_what_they_are_given(closed):
    done = shell(f"edge models list {closed}")
    assert done.returncode == 0
    assert done.stdout == b""
    assert b"Traceback" not in done.stderr


def test_results_come_without_standard_error(lite, shared):
    photo = next((shared / "data" / "coco" / "val" / "images").iterdir())
    done = shell(f"edge run --model {lite} --source {photo} --json 2>&-")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("options", ["", "--json"])
def test_a_full_disk_behind_standard_output_is_one_line(lite, options):
    done = shell(f"edge inspect {lite} {options} > /dev/full")
    assert done.returncode == 1
    assert done.stderr == b"edge: error: output: No space left on device\n"


def test_text_is_utf8_whatever_the_locale(lite):
    done = shell(f"edge inspect {lite}", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert ", …\n" in done.stdout.decode()


def test_a_stop_while_a_command_is_imported_is_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "stopping.py").write_text("import signal; signal.raise_signal(signal.SIGTERM)")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(cli, "COMMANDS", {"run": "stopping"})
    assert main(["run"]) == 1
    assert capsys.readouterr().err == "edge: interrupted\n"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_what_no_command_foresaw_of_the_system_is_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "failing.py").write_text(f"open({str(tmp_path)!r})")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(cli, "COMMANDS", {"run": "failing"})
    assert main(["run"]) == 1
    assert capsys.readouterr().err == f"edge: error: {tmp_path}: Is a directory\n"
