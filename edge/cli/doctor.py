"""`edge doctor`: whether `edge run` will work on this machine, and how to fix it."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from dataclasses import asdict
from pathlib import Path

from edge.doctor.examine import examine
from edge.doctor.finding import Finding

HELP = "say whether `edge run` will work here, and how to fix it where not"

_MARKS = {"ok": "ok", "note": "note", "warning": "WARNING", "error": "ERROR"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--model", type=Path, metavar="M", help="also run this model on one frame")
    parser.add_argument("--source", metavar="S", help="also read one frame from here")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace) -> int:
    """Examine. Returns 0 where `edge run` will work, else 1."""
    findings = []
    for finding in examine(model=args.model, source=args.source):
        findings.append(finding)
        if not args.json:
            print(_text(finding), flush=True)
    errors = [finding for finding in findings if finding.level == "error"]
    if args.json:
        print(json.dumps({"works": not errors, "findings": [asdict(each) for each in findings]}))
    else:
        many = f"{len(errors)} error{'s' if len(errors) > 1 else ''}"
        print(f"\nedge run will not work: {many}" if errors else "\nedge run will work")
    return 1 if errors else 0


def _text(finding: Finding) -> str:
    """A line, and below it why and how, where there is something to do."""
    lines = [f"{_MARKS[finding.level]:8}{finding.check:12}{_printable(finding.what)}"]
    for word, text in (("why", finding.why), ("fix", finding.fix)):
        if text:
            lines.append(textwrap.indent(f"{word}: {_printable(text)}", " " * 20))
    return "\n".join(lines)


def _printable(text: str) -> str:
    encoding = sys.stdout.encoding or "ascii"
    shown = "".join(c if c.isprintable() else " " for c in text)
    return shown.encode(encoding, "replace").decode(encoding)
