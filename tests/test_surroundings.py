"""Runs of pytest that find a hostile machine, and tests in them that leave something behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SUPPORT = Path(__file__).parent / "support"

CONFTEST = """
from pathlib import Path
import pytest, surroundings

@pytest.fixture(scope="session", autouse=True)
def folders():
    with surroundings.settled() as settled:
        settled.watch(Path(__file__).parent)
        yield settled

@pytest.fixture(autouse=True)
def unchanged(folders, request):
    surroundings._GRACE = request.module.GRACE
    with surroundings.unchanged(folders):
        yield
"""

# Each is a test that leaves what its name says.
LEFT = """
import os, signal, subprocess, sys, tempfile, threading
from pathlib import Path

GRACE = 0.1
SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
kept = []

def test_process():
    kept.append(subprocess.Popen(SLEEP))

def test_process_of_a_process_that_ended():
    code = f"import subprocess; subprocess.Popen({SLEEP}, start_new_session=True)"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)

def test_thread():
    threading.Thread(target=threading.Event().wait, name="waiting", daemon=True).start()

def test_handler():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

def test_blocked():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])

def test_environment_new():
    os.environ["NEW_HERE"] = "1"

def test_environment_changed():
    os.environ["HOME"] = "/"

def test_environment_gone():
    del os.environ["TERM"]

def test_current():
    os.chdir("/")

def test_umask():
    os.umask(0o077)

def test_descriptor():
    kept.append(os.pipe())

def test_file_here():
    Path("left").write_text("")

def test_file_home():
    (Path.home() / ".cache").mkdir()

def test_file_tmp():
    kept.append(tempfile.mkdtemp())

def test_file_checkout():
    (Path(__file__).parent / "inside" / "left.edge").write_text("")
"""

# And tests that do as much and leave nothing.
CLEAN = """
import constants, os, subprocess, sys, tempfile, threading
from pathlib import Path
from hypothesis import given, settings, strategies as st

GRACE = 60

def test_processes_that_end():
    subprocess.run([sys.executable, "-c", ""], check=True)
    code = "import os; os.fork() or __import__('time').sleep(0.1)"
    subprocess.run([sys.executable, "-c", code], check=True)

def test_threads_that_end():
    end = threading.Event()
    threading.Thread(target=end.wait).start()
    threading.Timer(0.1, end.set).start()

def test_descriptors_that_are_closed():
    kept = os.pipe()
    threading.Timer(0.1, lambda: [os.close(each) for each in kept]).start()

def test_what_is_undone(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/")
    monkeypatch.chdir(tmp_path)
    Path("left").write_text("")
    with tempfile.TemporaryFile() as file:
        file.write(b"x")

def test_what_others_add_to_the_checkout():
    (Path(__file__).parent / "inside" / "test_new.py").write_text("")
    (Path(__file__).parent / "inside" / "__pycache__").mkdir()

@settings(database=None, max_examples=500)
@given(st.integers())
def test_examples_come_from_no_module(number):
    assert number not in constants.NUMBERS

def test_everything_is_as_it_was():
    assert not os.listdir()
    assert not os.listdir(Path.home())
    assert os.environ["TERM"] == "dumb"
"""

SEEN = """
import json, os, shutil, signal, subprocess, sys, time
from pathlib import Path

GRACE = 0

def test_say(tmp_path):
    ignored = [n for n in signal.valid_signals() if signal.getsignal(n) is signal.SIG_IGN]
    code = "import signal; print(signal.getsignal(signal.SIGHUP), signal.pthread_sigmask(0, ()))"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    os.umask(mask := os.umask(0))
    said = dict(
        environment=dict(os.environ), ffmpeg=shutil.which("ffmpeg"), here=os.listdir(),
        home=os.listdir(Path.home()), ignored=ignored, child=child.stdout, mask=mask,
        zone=time.tzname, width=shutil.get_terminal_size().columns,
    )
    (tmp_path / "said.json").write_text(json.dumps(said))
"""


def pytest_run(
    folder: Path, wrapper: Sequence[str] = (), /, **environment: str
) -> subprocess.CompletedProcess[str]:
    """A run of its own, of the tests in a folder; their own folders are in `temporary`."""
    (folder / "run" / "conftest.py").write_text(CONFTEST)
    words = ["-q", "-rA", "-p", "no:cacheprovider", "--rootdir", folder / "run"]
    words += ["--basetemp", folder / "temporary", folder / "run"]
    return subprocess.run(
        [*wrapper, sys.executable, "-m", "pytest", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=folder / "run",
        env=os.environ | {"PYTHONPATH": f"{SUPPORT}{os.pathsep}{folder / 'run'}"} | environment,
        timeout=200,
    )


def test_what_a_test_leaves_behind_fails_it_and_no_other(tmp_path):
    (tmp_path / "run" / "inside").mkdir(parents=True)
    (tmp_path / "run" / "test_a_left.py").write_text(LEFT)
    (tmp_path / "run" / "test_b_clean.py").write_text(CLEAN)
    numbers = [314159 + 2718 * i for i in range(30)]
    (tmp_path / "run" / "constants.py").write_text(f"NUMBERS = {numbers}")
    done = pytest_run(tmp_path, CI="true")
    assert done.returncode == 1, done.stderr
    bad, good = (re.findall(r"^def (test_\w+)", text, re.MULTILINE) for text in (LEFT, CLEAN))
    assert f"{len(bad) + len(good)} passed, {len(bad)} errors" in done.stdout
    message = dict(re.findall(r"^ERROR \S+::(\w+)(.*)$", done.stdout, re.MULTILINE))
    assert list(message) == bad, done.stdout
    for test, word in (
        ("process", "process "),
        ("process_of_a_process_that_ended", "time.sleep(60)"),
        ("thread", "thread waiting"),
        ("handler", "handler of SIGTERM"),
        ("blocked", "blocked signals"),
        ("environment_new", "environment NEW_HERE='1', which was None"),
        ("environment_changed", "environment HOME='/'"),
        ("environment_gone", "environment TERM=None, which was 'dumb'"),
        ("current", "current folder /"),
        ("umask", "umask 077"),
        ("descriptor", "pipe:"),
        ("file_here", "/here/left"),
        ("file_home", "/home/.cache"),
        ("file_tmp", "/tmp/tmp"),
        ("file_checkout", "/inside/left.edge"),
    ):
        assert word in message[f"test_{test}"], test


def test_what_the_machine_is_like_reaches_no_test(tmp_path):
    for name in ("run", "bin", "home"):
        (tmp_path / name).mkdir()
    (tmp_path / "run" / "test_seen.py").write_text(SEEN)
    (tmp_path / "bin" / "ffmpeg").symlink_to(sys.executable)
    (tmp_path / "home" / ".netrc").write_text("")
    done = pytest_run(
        tmp_path,
        # As nohup and a background job do, and more.
        ["/bin/sh", "-c", "umask 077; trap '' HUP INT QUIT CHLD; exec \"$@\"", "sh"],
        PATH=f"{tmp_path}/bin",
        HOME=f"{tmp_path}/home",
        XDG_CACHE_HOME=f"{tmp_path}/home",
        http_proxy="http://proxy.invalid",
        OMP_NUM_THREADS="7",
        OPENCV_LOG_LEVEL="DEBUG",
        NO_COLOR="1",
        LC_ALL="tr_TR.UTF-8",
        TZ="Pacific/Apia",
        COLUMNS="33",
        PYTHONUNBUFFERED="1",
        OPENBLAS_CORETYPE="Nehalem",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    observed = json.loads((tmp_path / "temporary" / "test_say0" / "said.json").read_text())
    own = {"PATH", "HOME", "TMPDIR", "TORCHINDUCTOR_CACHE_DIR"}
    own |= {"PYTEST_DEBUG_TEMPROOT", "PYTEST_CURRENT_TEST"}
    results, expected = (
        {name: value for name, value in each.items() if name not in own}
        for each in (observed["environment"], os.environ | {"OPENBLAS_CORETYPE": "Nehalem"})
    )
    assert results.items() <= expected.items()
    assert {"LANG", "TERM", "OMP_WAIT_POLICY", "OPENBLAS_CORETYPE"} <= results.keys()
    assert (observed["ffmpeg"], observed["here"], observed["home"]) == (None, [], [])
    assert sorted(observed["ignored"]) == [signal.SIGPIPE, signal.SIGXFSZ]  # by Python
    assert observed["child"].split() == [str(signal.SIG_DFL), "set()"]
    assert (observed["mask"], observed["zone"], observed["width"]) == (0o022, ["UTC", "UTC"], 80)
