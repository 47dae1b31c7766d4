"""The `edge` command: finds the command asked for, imports it, reports errors and exits.

Exit status: 0 all done; 1 something failed, wholly or in part, or a gate refused; 2 bad usage.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Protocol

from edge import redaction
from edge.errors import EdgeError
from edge.redaction import redacted
from edge.stopping import stops_as_interrupts
from edge.text import printable
from edge.version import __version__

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

_NO_ADDRESS = frozenset({"--classes", "--compare", "--labels", "--license", "--note"})


class Command(Protocol):
    """What the module of a command offers."""

    HELP: str  # one line

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it. Returns the exit status."""


class UsageError(Exception):
    """An option does not fit the model or the data; argparse could not know."""


# To add a command: write its module, add its row. It is imported when it is called.
COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "run": "edge.cli.run",
        "convert": "edge.cli.convert",
        "inspect": "edge.cli.inspect",
        "capture": "edge.cli.capture",
        "eval": "edge.cli.eval",
        "bench": "edge.cli.bench",
        "tune": "edge.cli.tune",
        "doctor": "edge.cli.doctor",
        "models": "edge.cli.models",
        "train": "calibration.train.cli",
        "calibrate": "calibration.workflow.cli",
    }
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    _prepare_streams()
    sys.excepthook = _crash
    threading.excepthook = lambda args: _crash(args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: _crash(args.exc_type, args.exc_value, args.exc_traceback)
    try:
        with stops_as_interrupts():
            args = _parse(words)
            status: int = args.run(args)
            sys.stdout.flush()
            return status
    except UsageError as error:
        _complain(f"edge: error: {error}")
        return 2
    except EdgeError as error:
        _complain(f"edge: error: {error}")
    except KeyboardInterrupt:
        _complain("edge: interrupted")
    except BrokenPipeError:
        pass  # the reader has seen enough, as in `| head -1`
    except OSError as error:  # what no command foresaw
        _complain(f"edge: error: {error.filename or 'output'}: {error.strerror or error}")
    finally:
        _drain()
    return 1


def _prepare_streams() -> None:
    """Standard streams that can be written to: there, in UTF-8, whatever the name of a file."""
    # In the order of their descriptors: a program started with some of them closed (`>&-`) gets
    # the lowest that is free, and no model file may become descriptor 1.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")


def _complain(text: str) -> None:
    with suppress(OSError):  # nobody can be told that nobody can be told
        print(printable(redacted(text)), file=sys.stderr)


def _crash(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    """What Python prints of a defect, without secrets."""
    text = "".join(traceback.format_exception(kind, error, trace))
    with suppress(OSError):
        print(redacted(text), end="", file=sys.stderr)


def _drain() -> None:
    """Empty the buffer: Python would fail at its end over what cannot be written."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parse(words: list[str]) -> argparse.Namespace:
    _remember(words)  # what is wrong with them may be said at any time from here on
    root, commands = _parsers(words)
    parser = commands.get(words[0]) if words else None
    if parser is not None and any("--config" in a.option_strings for a in parser._actions):
        from edge.cli import config

        words = [words[0], *config.with_file(parser, words[1:])]
    return root.parse_args(words)


def _remember(words: Sequence[str]) -> None:
    """Learn the passwords of a command line; "a: b@c" is one only where an address may stand."""
    option = ""
    for word in words:
        flag, equals, value = word.partition("=")
        if word.startswith("--"):
            option = flag
        value = value if word.startswith("--") and equals else word
        if option not in _NO_ADDRESS or "://" in value:
            redaction.remember(value)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the command line, without its secrets."""

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        super()._print_message(redacted(message), file)


def _parsers(
    words: Sequence[str],
) -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
    root = _Parser(
        prog="edge",
        description="YOLO detectors on Raspberry Pi and Jetson.",
        epilog="`edge COMMAND --help` explains a command.",
    )
    root.add_argument("--version", action="version", version=f"edge {__version__}")
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    asked = words[:1] if words and words[0] in COMMANDS else list(COMMANDS)
    for name in asked:
        command: Command = import_module(COMMANDS[name])
        parser = commands.add_parser(name, help=command.HELP, description=command.HELP)
        command.add_arguments(parser)
        parser.set_defaults(run=command.run)
    return root, commands.choices
