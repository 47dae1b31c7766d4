"""The file of a training: plain tensors and JSON, read without running anything in it."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from calibration.checkpoints import training_recipe as recipes
from calibration.checkpoints.training_recipe import Recipe, without_ranges
from calibration.nets.config import Config
from calibration.nets.network import load
from edge.errors import ModelError


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A trained network, and where its training stands.

    Attributes:
        config: The network.
        recipe: How it was trained.
        labels: Of its classes.
        model: Tensors by name: averaged weights, which are the ones to use.
        state: What a training needs to go on; empty in `best.pt`.
    """

    config: Config
    recipe: Recipe
    labels: tuple[str, ...]
    model: Mapping[str, Tensor]
    state: Mapping[str, Any] = field(default_factory=dict)

    def network(self) -> nn.Module:
        """The network with the averaged weights, in evaluation mode; it rounds nothing."""
        tensors = {name: t.float().numpy() for name, t in without_ranges(self.model).items()}
        return load(self.config, tensors, deployed=self.recipe.qat)


def write(checkpoint: Checkpoint, path: Path) -> None:
    """Write the file whole, or not at all.

    Raises:
        ModelError: The disk refuses.
    """
    about = recipes.dumps(checkpoint.config, checkpoint.recipe, checkpoint.labels)
    content = {"edge": about, "model": dict(checkpoint.model), "state": dict(checkpoint.state)}
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        torch.save(content, partial)
        partial.replace(path)
    except (OSError, RuntimeError) as error:  # torch turns a full disk into the latter
        raise ModelError(f"{path}: cannot be written: {error}") from error
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def read(path: Path) -> Checkpoint:
    """Read what `write` wrote.

    Raises:
        ModelError: It is missing, damaged or something else.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's thoughts on files that are none of its own
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise ModelError(f"{path}: not a checkpoint that `edge train` wrote") from error
    if not isinstance(content, dict) or not {"edge", "model", "state"} <= content.keys():
        raise ModelError(f"{path}: not a checkpoint that `edge train` wrote")
    config, recipe, labels = recipes.loads(content["edge"], str(path))
    return Checkpoint(config, recipe, labels, content["model"], content["state"])
