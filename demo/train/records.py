"""Reads a rendered folder's records and captions into arrays, once; later loads read the arrays.

demo/catalogue's package comment describes the JSON.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matching import BESIDE, LEFT_OF, NONE, Records, Specs, matches_own
from model import CLS, SEP

PACK = "pack.npz"


@dataclass
class Captions:
    """All captions, those of a picture together and by length. tokens [n, L]; picture [n]; first, count [pictures]."""

    tokens: np.ndarray
    specs: Specs
    picture: np.ndarray
    first: np.ndarray
    count: np.ndarray


@dataclass
class Negatives:
    """All exchanged captions, those of a caption together. first, count [captions]; kind indexes Pack.kinds."""

    tokens: np.ndarray
    kind: np.ndarray
    first: np.ndarray
    count: np.ndarray


@dataclass
class Pack:
    """side: pixels; family [pictures]: pictures that are exchanges of each other share a number;
    boxes [pictures, most, 4]: left, top, right, bottom of each object in pixels."""

    side: int
    records: Records
    boxes: np.ndarray
    family: np.ndarray
    captions: Captions
    negatives: Negatives
    kinds: list[str]


def rows(of: list, width: int) -> np.ndarray:
    """Lists of equally wide rows -> int16 [n, most, width], filled up with NONE."""
    out = np.full((len(of), max([1, *map(len, of)]), width), NONE, np.int16)
    for i, several in enumerate(of):
        if several:
            out[i, : len(several)] = several
    return out


def padded(of: list, longest: int) -> np.ndarray:
    """Token lists -> uint16 [n, longest]; [PAD] is 0."""
    out = np.zeros((len(of), longest), np.uint16)
    for i, tokens in enumerate(of):
        out[i, : len(tokens)] = tokens
    return out


def records(of: list[dict]) -> Records:
    """From the JSON forms {"o": [[type, ...], ...], "r": [[kind, a, b], ...]}."""
    objects = rows([r["o"] or [] for r in of], 6)
    most = objects.shape[1]
    holds = np.zeros((len(of), 4, most, most), bool)
    for i, record in enumerate(of):
        for kind, a, b in record.get("r") or ():
            holds[i, kind, a, b] = True
    holds[:, BESIDE] = holds[:, LEFT_OF] | holds[:, LEFT_OF].transpose(0, 2, 1)
    return Records(objects, holds)


def specs(of: list[dict]) -> Specs:
    """From the JSON forms {"g": [[count, type, ...], ...], "r": [[kind, a, b], ...]}."""
    return Specs(rows([s["g"] or [] for s in of], 7), rows([s.get("r") or [] for s in of], 3))


def starts(counts) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)


def lines(path: Path):
    """Values of a file of one JSON value a line, one at a time: captions of 60,000 pictures are 300 MB of text."""
    with open(path, encoding="utf-8") as f:
        for line in f:
            yield json.loads(line)


class Texts:
    """Collects captions or negatives."""

    def __init__(self):
        self.tokens, self.kinds, self.specs, self.counts = [], [], [], []

    def add(self, several: list[dict]):
        """Those of one picture, or of one caption."""
        self.counts.append(len(several))
        for text in several:
            self.tokens.append([CLS, *text["ids"], SEP])
            self.kinds.append(text["kind"])
            self.specs.append(text["spec"])

    def longest(self):
        return max([1, *map(len, self.tokens)])


def build(folder: Path) -> Pack:
    """The arrays of a folder written by demo/render --packed."""
    shown = list(lines(folder / "records.jsonl"))
    said, wrong = Texts(), Texts()
    for record, entry in zip(shown, lines(folder / "captions.jsonl"), strict=True):
        if record["id"] != entry["id"]:
            raise ValueError(f"captions of {entry['id']} stand where those of {record['id']} belong: render again")
        several = sorted(entry["captions"], key=lambda c: len(c["ids"]))
        said.add(several)
        for caption in several:
            wrong.add(caption.get("neg") or [])
    longest = max(said.longest(), wrong.longest())
    kinds = sorted(set(wrong.kinds))
    count = np.array(said.counts)
    pack = Pack(
        side=round(((folder / "pictures.u8").stat().st_size / len(shown) / 3) ** 0.5),
        records=records([r["record"] for r in shown]),
        boxes=rows([r["boxes"] for r in shown], 4),
        family=np.array([r["family"] for r in shown]),
        captions=Captions(
            padded(said.tokens, longest), specs(said.specs), np.repeat(np.arange(len(shown)), count), starts(count), count
        ),
        negatives=Negatives(
            padded(wrong.tokens, longest),
            np.array([kinds.index(kind) for kind in wrong.kinds], np.int64),
            starts(wrong.counts), np.array(wrong.counts),
        ),
        kinds=kinds,
    )
    check(pack, specs(wrong.specs))
    return pack


def check(pack: Pack, wrong: Specs):
    """Training on a false caption, or against a true one, would teach the opposite without a trace in the loss."""
    if pack.captions.count.min() == 0:
        raise ValueError(f"picture {pack.captions.count.argmin()} has no caption")
    owner = pack.captions.picture
    false = ~matches_own(pack.captions.specs, pack.records[owner])
    if false.any():
        raise ValueError(f"{false.sum()} captions are false of their own picture, the first is number {false.argmax()}")
    true = matches_own(wrong, pack.records[np.repeat(owner, pack.negatives.count)]) if len(wrong) else np.zeros(1, bool)
    if true.any():
        raise ValueError(f"{true.sum()} exchanged captions are true of the picture, the first is number {true.argmax()}")


def store(pack: Pack, path: Path):
    c, n = pack.captions, pack.negatives
    aside = path.with_name(path.name + ".part")
    with open(aside, "wb") as f:
        np.savez(
            f, side=pack.side, family=pack.family, kinds=np.array(pack.kinds, str),
            objects=pack.records.objects, holds=pack.records.holds, boxes=pack.boxes,
            tokens=c.tokens, groups=c.specs.groups, wants=c.specs.wants,
            picture=c.picture, first=c.first, count=c.count,
            negative=n.tokens, kind=n.kind, negative_first=n.first, negative_count=n.count,
        )
    os.replace(aside, path)


def restore(path: Path) -> Pack:
    with np.load(path, allow_pickle=False) as z:
        a = {name: z[name] for name in z.files}
    return Pack(
        side=int(a["side"]),
        records=Records(a["objects"], a["holds"]),
        boxes=a["boxes"],
        family=a["family"],
        captions=Captions(a["tokens"], Specs(a["groups"], a["wants"]), a["picture"], a["first"], a["count"]),
        negatives=Negatives(a["negative"], a["kind"], a["negative_first"], a["negative_count"]),
        kinds=a["kinds"].tolist(),
    )


def load(folder: Path) -> Pack:
    path, source = folder / PACK, folder / "captions.jsonl"
    if not path.exists() or source.exists() and source.stat().st_mtime > path.stat().st_mtime:
        store(build(folder), path)
    return restore(path)
