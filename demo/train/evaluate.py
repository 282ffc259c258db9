"""Ranking quality of a trained model on rendered pictures.

`python evaluate.py --state OUT/state.pt --data DIR` prints: R@1 by ITC alone
and after ITM re-ranking of the top 20 and top 50, for captions of single
products, of sets without and of sets with an order; and how often the true
caption beats an exchanged one on its own picture, by kind of exchange.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

import checkpoint
from data import Data, normalise
from matching import INSIDE, LEFT_OF, NONE, ON, matches
from model import Blip, Shape

DEPTHS = (20, 50)
BLOCK = 512  # text-picture pairs read at once


def groups(data: Data) -> dict:
    """Names of the kinds of queries, each with its caption rows.

    singles: one product with at least three things said of it; free: several
    products, their places left open; ordered: left or right of each other;
    placed: on or in each other.
    """
    specs = data.pack.captions.specs
    several = (specs.groups[:, :, 0] != NONE).sum(1) > 1
    several |= specs.groups[:, :, 0].max(1) > 1
    said = (specs.groups[:, :, 1:] >= 0).sum((1, 2))
    kind = specs.wants[:, :, 0]
    ordered, placed = (kind == LEFT_OF).any(1), ((kind == ON) | (kind == INSIDE)).any(1)
    return {
        "singles": np.flatnonzero(~several & (said >= 3)),
        "free": np.flatnonzero(several & ~ordered & ~placed & (said >= 4)),
        "ordered": np.flatnonzero(ordered),
        "placed": np.flatnonzero(placed),
    }


class Exam:
    """A fixed set of queries over all pictures of a folder; calling it with a model gives its marks."""

    def __init__(self, data: Data, device="cpu", queries=150, seed=1):
        rng = np.random.default_rng(seed)
        self.data, self.device = data, device
        self.rows = {
            name: np.sort(rng.permutation(rows)[:queries]) for name, rows in groups(data).items() if len(rows)
        }

    @torch.no_grad()
    def __call__(self, model: Blip) -> dict:
        keys, pictures = self._pictures(model)
        marks = {}
        for name, rows in self.rows.items():
            for k, v in self._search(model, rows, keys, pictures).items():
                marks[f"{name}_{k}"] = v
        marks |= self._exchanges(model, keys, pictures)
        ranked = [v for k, v in marks.items() if k.endswith(f"itm{DEPTHS[-1]}")]
        return marks | {"mark": float(np.mean(ranked))}

    def _pictures(self, model):
        found = []
        for at in range(0, len(self.data.pixels), 128):
            found.append(model.image(normalise(self.data.pixels[at : at + 128]).to(self.device)))
        states, embeddings = (torch.cat(x) for x in zip(*found))
        return model.keys(states), embeddings

    def _ids(self, tokens):
        return torch.from_numpy(tokens[:, : (tokens != 0).sum(1).max()].astype(np.int64)).to(self.device)

    def _pairs(self, model, ids, keys, pictures):
        """Match logit of text i with picture pictures[i]."""
        out = []
        for at in range(0, len(ids), BLOCK):
            out.append(model.match(ids[at : at + BLOCK], keys, 0, pictures[at : at + BLOCK]).float()[:, 1])
        return torch.cat(out)

    def _search(self, model, rows, keys, pictures):
        """R@1 of ITC and of each depth; score of a re-ranked picture = match logit + cosine, as BLIP's."""
        c = self.data.pack.captions
        ids = self._ids(c.tokens[rows])
        cosine = model.text(ids) @ pictures.T
        true = torch.from_numpy(matches(c.specs[rows], self.data.pack.records)).to(self.device)
        depth = min(max(DEPTHS), cosine.shape[1])
        near, top = cosine.topk(depth, 1)
        match = self._pairs(model, ids.repeat_interleave(depth, 0), keys, top.flatten()).view(-1, depth)
        hit = true.gather(1, top)
        marks = {"itc": hit[:, 0].float().mean().item()}
        for k in DEPTHS:
            best = (match[:, :k] + near[:, :k]).argmax(1, keepdim=True)
            marks[f"itm{k}"] = hit.gather(1, best).float().mean().item()
        return marks

    def _exchanges(self, model, keys, pictures):
        """Share of exchanged captions scored below the true one, by kind, for ITC and ITM."""
        c, n = self.data.pack.captions, self.data.pack.negatives
        rows = np.concatenate(list(self.rows.values()))
        pairs = [(row, at) for row in rows for at in range(n.first[row], n.first[row] + n.count[row])]
        if not pairs:
            return {}
        own, wrong = map(np.array, zip(*pairs))
        on = torch.from_numpy(c.picture[own]).to(self.device)
        marks, scores = {}, []
        for tokens in (c.tokens[own], n.tokens[wrong]):
            ids = self._ids(tokens)
            itc = (model.text(ids) * pictures[on]).sum(1)
            scores.append({"itc": itc, "itm": self._pairs(model, ids, keys, on)})
        for kind, name in enumerate(self.data.pack.kinds):
            of = torch.from_numpy(n.kind[wrong] == kind).to(self.device)
            for how in ("itc", "itm"):
                if of.any():
                    marks[f"{name}_{how}"] = (scores[0][how] > scores[1][how])[of].float().mean().item()
        return marks


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--state", type=Path, required=True)
    p.add_argument("--data", type=Path, required=True)
    p.add_argument("--queries", type=int, default=500, help="of each kind")
    a = p.parse_args()
    state = checkpoint.load(a.state)
    model = Blip(Shape(**state["shape"])).eval()
    model.load_state_dict(state["average"]["weights"])
    print(json.dumps({"step": state["step"]} | Exam(Data(a.data), queries=a.queries)(model), indent=2))


if __name__ == "__main__":
    main()
