from __future__ import annotations

import json
import subprocess
import sys

import pytest

from edge.cli import doctor, main
from edge.doctor.finding import Finding


@pytest.fixture
def findings(monkeypatch):
    """What the examination finds."""
    results = [Finding("board", "ok", "a board")]
    monkeypatch.setattr(doctor, "examine", lambda **_: iter(results))
    return results


def test_all_well_ends_with_0(findings, capsys):
    findings.append(Finding("heat", "warning", "81 °C", "It slows down.", "add a fan"))
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "WARNING heat        81 °C\n" in out
    assert "why: It slows down.\n" in out
    assert "fix: add a fan\n" in out
    assert out.endswith("edge run will work\n")


def test_an_error_ends_with_1(findings, capsys):
    findings.append(Finding("ncnn", "error", "killed by SIGILL"))
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out.endswith("edge run will not work: 1 error\n")


def test_json_has_every_field(findings, capsys):
    findings.append(Finding("ncnn", "error", "killed", "why", "fix"))
    assert main(["doctor", "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["works"] is False
    assert result["findings"][1] == {
        "check": "ncnn",
        "level": "error",
        "what": "killed",
        "why": "why",
        "fix": "fix",
    }


def test_without_numpy_it_says_so_instead_of_failing(tmp_path):
    broken = tmp_path / "numpy"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('libopenblas.so.0: cannot open')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from edge.cli import main; "
    code += "sys.exit(main(['doctor', '--json']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    levels = {each["check"]: each["level"] for each in json.loads(done.stdout)["findings"]}
    assert levels["NumPy"] == "error"
    assert levels["ncnn"] == "error"


def test_characters_that_the_terminal_lacks_are_replaced(findings, capsys, monkeypatch):
    class Ascii:
        encoding = "ascii"

    findings.append(Finding("heat", "ok", "52 °C\x1b[31m"))
    monkeypatch.setattr(doctor.sys, "stdout", Ascii())
    assert doctor._text(findings[-1]) == "ok      heat        52 ?C [31m"
