"""The model in a folder, such as the `best_ncnn_model` that an exporter leaves."""

from __future__ import annotations

from pathlib import Path

from edge.backends import BACKENDS
from edge.errors import ModelError

_SUFFIXES = frozenset().union(*BACKENDS.values()) - {"bin"}  # one file of each kind of model
_PNNX = ".pnnx"  # what pnnx works on: not ncnn's, though it looks so


def model_in(folder: Path) -> Path | None:
    """The one model file in a folder; of a pair, one. None where there is none.

    Raises:
        ModelError: There are several, or the folder cannot be read.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise ModelError(f"{folder}: {error.strerror or error}") from error
    models = [f for f in files if f.suffix[1:].lower() in _SUFFIXES and not f.stem.endswith(_PNNX)]
    if len(models) > 1:
        names = ", ".join(path.name for path in models)
        raise ModelError(f"{folder}: {len(models)} models ({names}); name the one that is meant")
    return models[0] if models else None
