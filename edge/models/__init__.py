"""Detector families: what their outputs mean. No runtime; the arithmetic is in `edge.ops`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edge.errors import UnsupportedModelError
from edge.models.base import Family, Form
from edge.models.yolov6 import YOLOV6
from edge.models.yolov6lite import YOLOV6LITE

# To add a family: write its module, add it to this line.
FAMILIES: Mapping[str, Family] = MappingProxyType({f.name: f for f in (YOLOV6, YOLOV6LITE)})


def family(name: str) -> Family:
    """The family called `name`.

    Raises:
        UnsupportedModelError: There is none; the message lists those there are.
    """
    try:
        return FAMILIES[name]
    except KeyError:
        known = ", ".join(FAMILIES)
        raise UnsupportedModelError(f"unknown model family {name!r}; known: {known}") from None


def form(family_name: str, form_name: str) -> Form:
    """One output form of a family.

    Raises:
        UnsupportedModelError: The family or the form is unknown; the message lists the known.
    """
    forms = family(family_name).forms
    try:
        return forms[form_name]
    except KeyError:
        known = ", ".join(forms)
        raise UnsupportedModelError(
            f"family {family_name} has no output form {form_name!r}; known: {known}"
        ) from None
