"""What surrounds every test: the same on every machine, and left by each test as it was found.

`settled` is for a whole run: environment, PATH, signals, current folder. `unchanged` is for one
test: what it leaves behind fails that test, not one that comes later.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MACHINE = dict(os.environ)  # as the run was started: for tests that build with what is installed

# Where the data is, what the loader needs, and CPUs that are pretended: tests hold on each.
_KEPT = {
    "EDGE_SHARED", "EDGE_ARM", "CI", "LD_LIBRARY_PATH",
    "OPENBLAS_CORETYPE", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA",
}  # fmt: skip
_FOLDERS = {"EDGE_SHARED", "EDGE_ARM"}
_SET = {
    "EDGE_TUNE": "off",  # what somebody tuned on this machine is no part of a test
    "EDGE_TRIAL": "off",  # tests write their files themselves
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "TERM": "dumb",
    "COLUMNS": "80",
    # Sums depend on how they are shared out. Networks this small gain nothing by more, and lose
    # where cores are busy.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # edge sets it before it loads a runtime. Where a test imports one itself it would be too late,
    # and threads that wait would keep the cores busy until the end of the run.
    "OMP_WAIT_POLICY": "passive",
    "ORT_DISABLE_TELEMETRY": "1",  # tests that import ONNX Runtime themselves
    "HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / ".hypothesis"),
}
# Set once per process, by OpenCV, edge.io.opencv and pytest.
_MAY_CHANGE = {"LD_LIBRARY_PATH", "OPENCV_FFMPEG_LOGLEVEL", "PYTEST_CURRENT_TEST"}
_WATCHED = signal.valid_signals() - {signal.SIGALRM}  # which is pytest-timeout's
_PYTHONS = {signal.SIGPIPE, signal.SIGXFSZ}  # which Python itself ignores
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
_GRACE = 5.0  # seconds in which what was told to end does so on a busy machine
# In the checkout: what tools keep there, and sources, which somebody may add while tests run.
_TOOLS = {"build", "dist", "__pycache__"}
_SOURCES = {".py", ".md", ".cpp", ".h", ".toml"}


@contextmanager
def settled() -> Iterator[Folders]:
    """The surroundings of a whole run, in folders that are removed with it. PATH is empty."""
    for number in signal.valid_signals() - _PYTHONS:
        # What nohup or a background job ignores, all that tests start would ignore.
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)  # what loses its parent becomes our child
    _examples_without_constants()
    before, mask = Path.cwd(), os.umask(0o022)
    folder = Path(tempfile.mkdtemp(prefix="edge-tests-"))
    for name in ("bin", "home", "here", "tmp"):
        (folder / name).mkdir()
    places = {
        "PATH": str(folder / "bin"),
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "torch"),
        "PYTEST_DEBUG_TEMPROOT": tempfile.gettempdir(),  # where pytest keeps what failed
    }
    kept = {name: value for name, value in MACHINE.items() if name in _KEPT}
    kept |= {name: os.path.abspath(kept[name]) for name in _FOLDERS & kept.keys()}  # noqa: PTH100
    _surround(kept | _SET | places, folder / "here")
    try:
        yield Folders(folder)
    finally:
        _surround(MACHINE, before)
        os.umask(mask)
        shutil.rmtree(folder, ignore_errors=True)


def _examples_without_constants() -> None:
    """Hypothesis takes numbers out of the modules loaded so far, which are others in another run.

    Without them the examples are the same each time.
    """
    providers = sys.modules.get("hypothesis.internal.conjecture.providers")
    if hasattr(providers, "_get_local_constants"):
        none = type(providers._local_constants)()
        providers._get_local_constants = lambda: none


def _surround(environment: dict[str, str], current: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    tempfile.tempdir = None  # asked for again
    os.chdir(current)


class Folders:
    """The folders in which nothing may be left: a run's own, and those that it watches."""

    def __init__(self, folder: Path) -> None:
        self.own = [folder / name for name in ("bin", "home", "here", "tmp")]
        self._names: dict[str, tuple[int, frozenset[str]]] = {}

    def watch(self, checkout: Path) -> None:
        """Watch the folders of a checkout."""
        for at, folders, _ in os.walk(checkout):
            folders[:] = [name for name in folders if name[0] != "." and name not in _TOOLS]
            self._names[at] = (0, frozenset())

    def files(self) -> set[str]:
        """Everything that is in a run's own folders."""
        return {entry.path for folder in self.own for entry in os.scandir(folder)}

    def made(self) -> list[str]:
        """What is new in a checkout since this was last asked."""
        results = []
        for at, (time_, names) in self._names.items():
            try:
                now = os.stat(at).st_mtime_ns  # noqa: PTH116 - 80 folders after each test
                if now == time_:
                    continue
                names_now = frozenset(os.listdir(at))  # noqa: PTH208
            except FileNotFoundError:
                continue
            self._names[at] = (now, names_now)
            results += [f"{at}/{name}" for name in names_now - names if time_ and _unasked(name)]
        return results


def _unasked(name: str) -> bool:
    return name[0] != "." and name not in _TOOLS and Path(name).suffix not in _SOURCES


@dataclass(frozen=True)
class State:
    """What a test might change for the next, or leave running."""

    environment: dict[str, str]
    current: str
    mask: int
    handlers: dict[int, object]
    blocked: set[signal.Signals]
    children: set[int]
    threads: set[threading.Thread]
    files: set[str]
    descriptors: set[int]

    @classmethod
    def now(cls, folders: Folders) -> State:
        os.umask(mask := os.umask(0o022))
        return cls(
            {name: value for name, value in os.environ.items() if name not in _MAY_CHANGE},
            _current(),
            mask,
            {number: signal.getsignal(number) for number in _WATCHED},
            signal.pthread_sigmask(signal.SIG_BLOCK, ()),
            _children(),
            set(threading.enumerate()),
            folders.files(),
            _descriptors(),
        )

    def differences(self, after: State) -> Iterator[str]:
        """What is not as it was, where it is not about to end by itself."""
        for name in sorted(self.environment.keys() | after.environment.keys()):
            was, now = self.environment.get(name), after.environment.get(name)
            if was != now:
                yield f"environment {name}={now!r}, which was {was!r}"
        if after.current != self.current:
            yield f"current folder {after.current}"
        if after.mask != self.mask:
            yield f"umask {after.mask:03o}"
        for number, handler in after.handlers.items():
            if handler is not self.handlers[number]:
                yield f"handler of {signal.Signals(number).name}: {handler}"
        if after.blocked != self.blocked:
            yield f"blocked signals {sorted(after.blocked)}"
        end = time.monotonic() + _GRACE
        for child in sorted(after.children - self.children):
            answer = _command(child)
            if not _ends(child, end):
                yield f"process {child}: {answer}"
        for thread in after.threads - self.threads:
            thread.join(max(0.0, end - time.monotonic()))
            if thread.is_alive():
                yield f"thread {thread.name}"
        for number in sorted(after.descriptors - self.descriptors):
            where = Path(f"/proc/self/fd/{number}")
            while os.path.lexists(where) and time.monotonic() < end:
                time.sleep(0.01)  # a thread that has been told to end may close it yet
            with suppress(FileNotFoundError):
                yield f"descriptor {number}: {os.readlink(where)}"  # noqa: PTH115
        for path in sorted(after.files - self.files):
            yield f"file {path}"

    def restore(self, after: State) -> None:
        """Puts back what is not as it was, so that only one test fails."""
        for name in after.environment.keys() - self.environment.keys():
            del os.environ[name]
        os.environ.update(self.environment)
        os.chdir(self.current)
        os.umask(self.mask)
        for number, handler in self.handlers.items():
            if after.handlers[number] is not handler:
                signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.blocked)
        for child in after.children - self.children:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        for name in after.files - self.files:
            path = Path(name)
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def unchanged(folders: Folders) -> Iterator[None]:
    """Fails where the block leaves something behind, or changes what others rely on."""
    folders.made()
    before = State.now(folders)
    yield
    after = State.now(folders)
    results = [f"file {path}" for path in folders.made()]
    if after != before:
        results += before.differences(after)
        before.restore(after)
    if results:
        pytest.fail("left behind: " + "; ".join(results), pytrace=False)


def _current() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - a word to compare
    except FileNotFoundError:
        return "that is gone"


def _children() -> set[int]:
    """Processes that are ours to wait for, also those that ended."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return set()
    results = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            pid, _, rest = path.read_text(errors="replace").partition(" ")
            if int(rest.rpartition(")")[2].split()[1]) == os.getpid():
                results.add(int(pid))
    return results


def _descriptors() -> set[int]:
    """Open files, without the one by which they are listed."""
    numbers = os.listdir("/proc/self/fd")  # noqa: PTH208
    return {int(number) for number in numbers if os.path.lexists(f"/proc/self/fd/{number}")}


def _command(child: int) -> str:
    try:
        words = Path(f"/proc/{child}/cmdline").read_text(errors="replace")
    except OSError:
        return ""
    return words.replace("\0", " ").strip()


def _ends(child: int, end: float) -> bool:
    """Whether a process ends before that moment."""
    with suppress(ChildProcessError):
        while os.waitpid(child, os.WNOHANG)[0] == 0:
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
    return True
