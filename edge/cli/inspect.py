"""`edge inspect`: what a model is, and how that was recognized."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.cli import checkpoints, options
from edge.models import family
from edge.recognize import OpenedModel, recorded
from edge.text import printable

_ORIGINS = {
    "file": "from the file",
    "option": "as was said",
    "training": "of its training",
    "family": "usual for the family",
    "assumed": "assumed",
}
HELP = "say what a model is: family, input, outputs, labels, sizes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "model", nargs="+", type=Path, metavar="MODEL", help="a .edge package, or a model's files"
    )
    options.add_override_arguments(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print what is known of the model."""
    facts = describe(checkpoints.open_model(args.model, options.overrides(args)))
    print(json.dumps(facts, ensure_ascii=False) if args.json else _text(facts))
    return 0


def describe(opened: OpenedModel) -> dict[str, Any]:
    """A model as plain data, as `--json` prints it."""
    package, spec = opened.package, opened.package.spec
    pre = spec.preprocessing
    return {
        "name": package.name,
        "family": spec.family,
        "form": spec.form,
        "input": {
            "name": spec.input_name,
            "height": spec.input.height,
            "width": spec.input.width,
            "color": pre.color,
            "mean": pre.mean,
            "scale": pre.scale,
            "pad": pre.pad,
            "letterbox": pre.placement,
        },
        "outputs": spec.output_names,
        "strides": spec.strides,
        "anchors": spec.anchors,
        "sources": dict(package.sources),
        "labels": spec.labels,
        "artifacts": [
            {
                "backend": artifact.backend,
                "precision": artifact.precision,
                "layout": artifact.layout,
                "bytes": {suffix: len(data) for suffix, data in artifact.files.items()},
            }
            for artifact in package.artifacts
        ],
        "license": package.license,
        "provenance": dict(package.provenance),
        "quantization": dict(package.quantization),
        "recognized": opened.evidence,
        "converted": recorded(package, "converted"),
        "source": family(spec.family).source,
    }


def _text(facts: dict[str, Any]) -> str:
    input_, labels = facts["input"], facts["labels"]
    names = ", ".join(labels[:8]) + (", …" if len(labels) > 8 else "")
    rows = [
        ("name", facts["name"]),
        ("family", f"{facts['family']} ({facts['form']})"),
        (
            "input",
            f"{input_['name']}: {input_['height']}x{input_['width']} {_origin(facts, 'input')}",
        ),
        *(("", line) for line in _preprocessing(facts)),
        ("outputs", ", ".join(facts["outputs"])),
        ("strides", ", ".join(map(str, facts["strides"]))),
        *(("anchors", line) for line in _anchors(facts)),
        ("labels", f"{len(labels)}: {names}"),
        *(
            (
                "artifact",
                f"{a['backend']} {a['precision']} {a['layout']}, "
                f"{sum(a['bytes'].values()) / 1e6:.2f} MB",
            )
            for a in facts["artifacts"]
        ),
        *(("int8", sentence) for sentence in quantized(facts["quantization"])),
        ("license", facts["license"] or "not stated"),
        *(("recognized", sentence) for sentence in facts["recognized"]),
        *(("converted", sentence) for sentence in facts["converted"]),
    ]
    return "\n".join(f"{key:<11}{printable(value)}" for key, value in rows)


def _origin(facts: Mapping[str, Any], fact: str) -> str:
    return f"({_ORIGINS.get(facts['sources'].get(fact, ''), 'from where is not known')})"


def _preprocessing(facts: Mapping[str, Any]) -> list[str]:
    """What becomes of an image, and where that is from, as the options say it."""
    input_ = facts["input"]
    shown = {
        "color": input_["color"].lower(),
        "mean": ",".join(f"{m:g}" for m in input_["mean"]),
        "std": ",".join(f"{1 / s:g}" for s in input_["scale"]),
        "letterbox": input_["letterbox"],
        "pad": ",".join(map(str, input_["pad"])),
    }
    return [f"{fact} {value} {_origin(facts, fact)}" for fact, value in shown.items()]


def _anchors(facts: Mapping[str, Any]) -> list[str]:
    """The anchors by level, and where they are from; nothing where there are none."""
    levels = [" ".join(f"{w:g},{h:g}" for w, h in level) for level in facts["anchors"]]
    return [f"{', '.join(levels)} {_origin(facts, 'anchors')}"] if levels else []


def quantized(facts: Mapping[str, Any]) -> list[str]:
    """What a package says of its INT8, in sentences; a package of others may say other things."""
    try:
        sentences = [
            f"{facts['images']} images, recipe {facts['recipe']}; judged by "
            f"{facts['held_out']} others, wanted {facts['gate']}"
        ]
        for name, target in facts["targets"].items():
            agreement = [100 * target[key] for key in ("agreement_AP", "agreement_AP50")]
            layers = target["int8_layers"]
            sentence = (
                f"{name}: agreement with float {agreement[0]:.1f}/{agreement[1]:.1f}, {layers} of "
                f"{layers + target['float_layers']} convolutions"
            )
            if "AP" in target:
                low, high = (100 * end for end in target["AP_change_95"])
                sentence += (
                    f", AP {100 * target['AP']:.1f} of {100 * target['AP_float']:.1f} "
                    f"({low:+.1f} to {high:+.1f})"
                )
            sentences.append(sentence)
    except (KeyError, TypeError, ValueError, AttributeError):
        return [f"{key}: {value}" for key, value in facts.items()]
    return sentences
