"""One TOML file for all options of a command: its keys are the flags.

model = "parts.edge"
source = ["usb:0#fps=5", "rtsp://user:${CAMERA_PASSWORD}@10.0.0.7/1"]
conf = 0.4
json = true
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edge import redaction
from edge.cli import UsageError
from edge.errors import ModelError
from edge.formats import toml
from edge.redaction import masked, written_out

_NOT_KEYS = ("help", "config", "print-config")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--config --print-config`."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="TOML with any of these options, without their dashes; a flag given here goes first",
    )
    parser.add_argument(
        "--print-config", action="store_true", help="print such a file for these options, and end"
    )
    parser.set_defaults(parser=parser)


def with_file(parser: argparse.ArgumentParser, words: Sequence[str]) -> list[str]:
    """The words of a command line, with those that its `--config FILE` stands for before them.

    Args:
        parser: Of the command.
        words: What follows the command's name.

    Raises:
        UsageError: The file cannot be read, or a key is no option of the command.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--config", type=Path, nargs="?")  # without a FILE: `parser` will complain
    file: Path | None = first.parse_known_args(words)[0].config
    if file is None:
        return list(words)
    try:
        document = toml.loads(file.read_bytes(), str(file))
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    except ModelError as error:
        raise UsageError(str(error)) from error
    for text in _texts(document):
        redaction.remember(text)
    options = _options(parser)
    results: list[str] = []
    for key, value in document.items():
        name = key.replace("_", "-")
        if name not in options:
            near = difflib.get_close_matches(name, options, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UsageError(f"{file}: {key!r} is not an option{hint}")
        if not _is_given(options[name], words):
            results += _words(file, options[name], value)
    return [*results, *words]


def as_toml(args: argparse.Namespace) -> bytes:
    """The file that stands for these options; those that are left to the program are left out."""
    document = {}
    for name, action in _options(args.parser).items():
        value = getattr(args, action.dest)
        if value in (None, ()) or (value is False and action.nargs == 0):
            continue
        document[name] = _plain(value)
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and written_out(text):
                raise UsageError(
                    f"--print-config: the password of --{name} {masked(text)} would be in the "
                    "file; name it instead, as in rtsp://USER:${PASSWORD}@HOST"
                )
    return toml.dumps(document)


def _texts(value: object) -> Iterator[str]:
    """Every text in a document, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for each in value:
            yield from _texts(each)
            if isinstance(value, Mapping):
                yield from _texts(value[each])


def _options(parser: argparse.ArgumentParser) -> Mapping[str, argparse.Action]:
    """Every option by the name of its long flag."""
    return {
        flag[2:]: action
        for action in parser._actions
        for flag in action.option_strings
        if flag.startswith("--") and flag[2:] not in _NOT_KEYS
    }


def _is_given(action: argparse.Action, words: Sequence[str]) -> bool:
    flags = tuple(flag for flag in action.option_strings if flag.startswith("--"))
    short = tuple(flag for flag in action.option_strings if not flag.startswith("--"))
    return any(
        w in short or w in flags or w.startswith(tuple(f"{f}=" for f in flags)) for w in words
    )


def _words(file: Path, action: argparse.Action, value: object) -> list[str]:
    """What would be written on the command line."""
    flag = next(flag for flag in action.option_strings if flag.startswith("--"))
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise UsageError(f"{file}: {flag[2:]} is true or false, got {value!r}")
        return [flag] if value else []
    several = action.nargs == "+" or isinstance(action, argparse._AppendAction)
    values = value if isinstance(value, list) else [value]
    if len(values) != 1 and not several:
        raise UsageError(f"{file}: {flag[2:]} is one value, got {value!r}")
    for each in values:
        if isinstance(each, bool) or not isinstance(each, str | int | float):
            raise UsageError(f"{file}: {flag[2:]} is text or a number, got {each!r}")
    if action.nargs == "+":
        return [flag, *map(str, values)]
    return [f"{flag}={each}" for each in values]


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, bool | int | float | str) else str(value)
