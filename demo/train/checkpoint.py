"""Training state on disk: written aside, synced, renamed, so that a kill at any moment leaves the last whole one."""

import os
from pathlib import Path

import torch


def save(path: Path, state: dict):
    aside = path.with_name(path.name + ".part")
    with open(aside, "wb") as f:
        torch.save(state, f)
        f.flush()
        os.fsync(f.fileno())
    os.replace(aside, path)


def load(path: Path, device="cpu") -> dict:
    """Tensors, numbers and strings only: weights_only refuses anything that could run code."""
    return torch.load(path, map_location=device, weights_only=True)


class Average:
    """Exponential moving average of the weights.

    It is what is evaluated and exported: at a constant learning rate it stands
    in for the cool-down, so every export of a run that goes on is usable.
    """

    def __init__(self, model, decay=0.999):
        self.decay = decay
        self.steps = 0
        self.weights = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model):
        self.steps += 1
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps))  # short memory at first
        for name, value in model.state_dict().items():
            self.weights[name].lerp_(value, 1 - keep)

    def state_dict(self):
        return {"steps": self.steps, "weights": self.weights}

    def load_state_dict(self, state):
        self.steps, self.weights = state["steps"], state["weights"]
