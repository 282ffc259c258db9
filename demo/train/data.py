"""Batches from rendered pictures.

A batch is a pure function of (seed, step, process): a resumed run needs no
saved random state, only its step, and sees exactly what it would have seen.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from losses import Batch
from matching import matches
from records import Pack, load

SHIFT = 3  # pixels a batch is moved at most, in each direction
BRIGHTNESS = 0.1  # width of the range of a picture's brightness factor


@dataclass(frozen=True)
class Recipe:
    """What a batch is made of."""

    pictures: int = 64
    captions: int = 1  # per picture
    negatives: int = 2  # exchanged captions per picture
    siblings: float = 0.4  # share of the pictures that come with their exchanged siblings
    short: float = 0.5  # share of batches made of short captions only: no padding to the longest


def normalise(pixels: np.ndarray) -> torch.Tensor:
    """uint8 [B,S,S,3] -> float [B,3,S,S] in -1..1."""
    return torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def augment(pixels: np.ndarray, boxes: np.ndarray, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Shift and brightness of pictures; the boxes in them, as shares of the side. Never a mirror: it would make left mean right."""
    side = pixels.shape[1]
    wide = np.pad(pixels, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), mode="edge")
    y, x = rng.integers(0, 2 * SHIFT + 1, 2)
    factor = 1 + BRIGHTNESS * (rng.random((len(pixels), 1, 1, 1)) - 0.5)
    moved = (boxes + np.array([SHIFT - x, SHIFT - y] * 2)) / side
    shown = normalise(wide[:, y : y + side, x : x + side]) * torch.from_numpy(factor).float()
    return shown, torch.from_numpy(moved).float().clamp_(0, 1)


class Data:
    """Rendered pictures with their captions; safe to share between readers, nothing in it changes."""

    def __init__(self, folder: Path):
        self.pack: Pack = load(folder)
        n, side = len(self.pack.family), self.pack.side
        self.pixels = np.memmap(folder / "pictures.u8", np.uint8, "r", shape=(n, side, side, 3))
        order = np.argsort(self.pack.family, kind="stable")
        _, starts = np.unique(self.pack.family[order], return_index=True)
        self.families = np.split(order, starts[1:])
        self.large = [f for f in self.families if len(f) > 1]

    def batch(self, seed: int, step: int, process: int, recipe: Recipe) -> Batch:
        rng = np.random.default_rng([seed, step, process])
        chosen = self._pictures(rng, recipe)
        brief = rng.random() < recipe.short
        captions = np.concatenate([self._captions(rng, chosen, brief) for _ in range(recipe.captions)])
        negatives, false = self._negatives(rng, captions[: len(chosen)], recipe.negatives)
        tokens = np.concatenate([self.pack.captions.tokens[captions], negatives])
        tokens = torch.from_numpy(tokens[:, : (tokens != 0).sum(1).max()].astype(np.int64))
        pixels, boxes = augment(self.pixels[chosen], self.pack.boxes[chosen], rng)
        return Batch(
            pixels=pixels,
            boxes=boxes,
            objects=torch.from_numpy(self.pack.records.objects[chosen].astype(np.int64)),
            texts=tokens[: len(captions)],
            negatives=tokens[len(captions) :],
            false=torch.from_numpy(false),
            true=torch.from_numpy(matches(self.pack.captions.specs[captions], self.pack.records[chosen])),
        )

    def _pictures(self, rng, recipe):
        """Whole families first (a picture and its exchanges are each other's hardest negatives), then any."""
        chosen: list[int] = []
        while self.large and len(chosen) < recipe.siblings * recipe.pictures:
            chosen.extend(self.large[rng.integers(len(self.large))])
        chosen = chosen[: recipe.pictures]
        rest = rng.integers(0, len(self.pixels), recipe.pictures - len(chosen))
        return np.concatenate([np.array(chosen, np.int64), rest])

    def _captions(self, rng, pictures, brief):
        """One caption index per picture; in a brief batch one of the shorter half of its captions."""
        first, count = self.pack.captions.first[pictures], self.pack.captions.count[pictures]
        if brief:  # captions of a picture are stored by length
            count = (count + 1) // 2
        return first + (rng.random(len(pictures)) * count).astype(np.int64)

    def _negatives(self, rng, captions, rounds):
        """rounds different negatives per caption; rows that have no more of them are marked not false."""
        n = self.pack.negatives
        first, count = n.first[captions], n.count[captions]
        start = rng.random(len(captions)) * np.maximum(count, 1)
        rows, false = [], []
        for r in range(rounds):
            at = first + (start.astype(np.int64) + r) % np.maximum(count, 1)
            has = count > r
            rows.append(n.tokens[np.where(has, at, 0)])
            false.append(has)
        return np.concatenate(rows), np.concatenate(false)

