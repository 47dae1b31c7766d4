"""`edge models`: official models, fetched from their authors when asked for."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from types import TracebackType

from edge import registry
from edge.cli import options
from edge.errors import EdgeError
from edge.registry import MODELS

HELP = "list, fetch or remove official models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(required=True, metavar="ACTION", dest="action")
    lists = actions.add_parser("list", help="what there is, and what is here")
    lists.add_argument("--json", action="store_true", help="one JSON object a line")
    pulls = actions.add_parser(
        "pull",
        help="fetch a model and convert it",
        description="Fetch a model into the cache, convert it, and print the path of the package.",
    )
    pulls.add_argument("name", choices=tuple(MODELS), metavar="NAME", help="as listed")
    pulls.add_argument(
        "--offline",
        action="store_true",
        help="take only what is in the cache (also: EDGE_OFFLINE=1)",
    )
    pulls.add_argument(
        "--timeout",
        type=options.number(0.1, 3600),
        default=30.0,
        metavar="S",
        help="give up after this many seconds without a byte (default 30)",
    )
    removes = actions.add_parser("remove", help="delete a model from the cache")
    removes.add_argument("name", choices=tuple(MODELS), metavar="NAME", help="as listed")


def run(args: argparse.Namespace) -> int:
    """Do what was asked."""
    if args.action == "list":
        return _list(args.json)
    if args.action == "remove":
        return _remove(args.name)
    return _pull(args.name, args.offline or _is_offline(), args.timeout)


def _list(as_json: bool) -> int:
    for name, model in MODELS.items():
        here = registry.pulled(name)
        if as_json:
            facts = {
                "name": name,
                "family": model.family,
                "pulled": here,
                "ap": model.ap,
                "input": model.input,
                "license": model.license,
                "origin": model.origin,
                "files": [file.url for file in model.files],
                "folder": str(registry.folder(name)),
            }
            print(json.dumps(facts))
        else:
            mark = "here" if here else "-"
            measured = f"AP {model.ap} at {model.input}"
            print(f"{name:18} {mark:5} {measured:16} {model.license:14} {model.origin}")
    if not as_json:
        print("AP: COCO val2017, as published by the authors", file=sys.stderr)
    return 0


def _remove(name: str) -> int:
    was_there = registry.remove(name)
    print(f"{name}: {'removed' if was_there else 'is not here'}", file=sys.stderr)
    return 0


def _pull(name: str, offline: bool, timeout: float) -> int:
    from edge.download import RetryPolicy

    model = MODELS[name]
    print(f"{name}: {model.origin}, license {model.license}", file=sys.stderr)
    with _Bar(name) as bar:
        files = registry.pull(
            name, offline=offline, retry=RetryPolicy(timeout=timeout), progress=bar.show
        )
    try:
        print(_package(name, files))
    except EdgeError as error:
        print(f"{name}: fetched, but not converted: {error}", file=sys.stderr)
        for file in files:
            print(file)
        return 1
    return 0


def _is_offline() -> bool:
    return os.environ.get("EDGE_OFFLINE", "") not in ("", "0")


def _package(name: str, files: tuple[Path, ...]) -> Path:
    """The model as `edge run` takes it, beside its files."""
    import edge.package
    from edge.cli import checkpoints
    from edge.overrides import Overrides
    from edge.text import printable

    model = MODELS[name]
    overrides = Overrides(family=model.family, name=name, license=model.license)
    opened = checkpoints.open_model(files, overrides)
    for sentence in opened.evidence:
        print(printable(sentence), file=sys.stderr)
    out = files[0].with_name(f"{name}.edge")
    edge.package.write(opened.package, out, force=True)
    return out


class _Bar:
    """Progress on stderr: a line that is rewritten on a terminal, else one now and then."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._terminal = sys.stderr.isatty()
        self._shown = -1e9
        self._open = False

    def __enter__(self) -> _Bar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._open:
            print(file=sys.stderr)

    def show(self, here: int, whole: int | None) -> None:
        """Take note of the bytes that are here."""
        now = time.monotonic()
        done = here == whole
        if now - self._shown < (0.1 if self._terminal else 5.0) and not done:
            return
        self._shown = now
        part = (
            f"{100 * here // whole} % of {whole / 1e6:.1f} MB" if whole else f"{here / 1e6:.1f} MB"
        )
        text = f"{self._name}: {part}"
        if self._terminal:
            print(f"\r{text}", end="\x1b[K", file=sys.stderr, flush=True)
            self._open = True
        else:
            print(text, file=sys.stderr)
