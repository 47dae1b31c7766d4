"""A network from its configuration, with random or given weights."""

from __future__ import annotations

import torch
from torch import nn

from calibration.nets.config import Config, YOLOv6
from calibration.nets.fold import State, fold
from calibration.nets.yolov6 import YOLOv6Net
from calibration.nets.yolov7_tiny import YOLOv7TinyNet
from edge.errors import ModelError


def network(config: Config, *, deployed: bool = False, seed: int = 0) -> nn.Module:
    """A network with random weights, the same for the same seed.

    Args:
        config: A row of `calibration.nets.config.NETS`, or one like it.
        deployed: Plain convolutions, ready for the tensors that `fold` gives.
        seed: Of the weights. The global generator of torch is left as it was.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        if isinstance(config, YOLOv6):
            return YOLOv6Net(config, deployed=deployed)
        return YOLOv7TinyNet(config, deployed=deployed)


def load(config: Config, state: State, *, deployed: bool = False) -> nn.Module:
    """A network with these tensors, in evaluation mode.

    Raises:
        ModelError: A tensor is missing, left over or of another shape.
    """
    net = network(config, deployed=deployed)
    expected = net.state_dict()
    wrong = [f"{name} is missing" for name in expected if name not in state]
    wrong += [f"{name} is not part of the network" for name in state if name not in expected]
    wrong += [
        f"{name} has shape {state[name].shape}, wanted {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in state and state[name].shape != tuple(tensor.shape)
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ModelError(f"tensors do not fit {config}: {'; '.join(wrong[:3])}{more}")
    tensors = {
        name: torch.from_numpy(state[name].copy()).to(tensor.dtype)
        for name, tensor in expected.items()
    }
    net.load_state_dict(tensors)
    return net.eval()


def deploy(net: nn.Module) -> nn.Module:
    """The deployed form of a network in training form: a new one, in evaluation mode."""
    state = {name: tensor.detach().cpu().numpy() for name, tensor in net.state_dict().items()}
    return load(net.config, fold(state), deployed=True)
