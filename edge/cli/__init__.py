"""The `edge` command: finds the command asked for, imports it, reports errors and exits.

Exit status: 0 all done; 1 something failed, wholly or in part, or a gate refused; 2 bad usage.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Protocol

from edge.errors import EdgeError
from edge.version import __version__


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
        "eval": "edge.cli.eval",
        "bench": "edge.cli.bench",
        "doctor": "edge.cli.doctor",
        "models": "edge.cli.models",
    }
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = _parser(words)
    args = parser.parse_args(words)
    try:
        status: int = args.run(args)
        sys.stdout.flush()
        return status
    except UsageError as error:
        print(f"edge: error: {error}", file=sys.stderr)
        return 2
    except EdgeError as error:
        print(f"edge: error: {error}", file=sys.stderr)
    except BrokenPipeError:
        # The reader went away: not our failure, but what is left in the buffer cannot be flushed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print("edge: interrupted", file=sys.stderr)
    return 1


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(
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
    return root
