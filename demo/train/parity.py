"""Compares the training model with transformers' classes on weights of a checkpoint.

Without --checkpoint it compares random weights, which is what the tests do.
"""

import argparse
import tempfile
from pathlib import Path

import torch
from transformers import BlipForConditionalGeneration, BlipForImageTextRetrieval

import checkpoint
from export import export
from model import CLS, DEC, ENC, PAD, SEP, Blip, Shape, begin


def inputs(shape: Shape, count=8, seed=0):
    """Random pictures and texts of different lengths."""
    g = torch.Generator().manual_seed(seed)
    pixels = torch.rand(count, 3, shape.size, shape.size, generator=g) * 2 - 1
    ids = torch.randint(ENC + 1, shape.vocabulary, (count, 12), generator=g)
    for row, length in enumerate(torch.randint(4, 13, (count,), generator=g)):
        ids[row, length - 1] = SEP
        ids[row, length:] = PAD
    return pixels, begin(ids, CLS)


@torch.no_grad()
def differences(folder: Path, shape: Shape, weights: dict) -> dict:
    """Largest absolute difference of cosine, ITM logit and caption logit, in float32 on float16-rounded weights."""
    ours = Blip(shape).eval()
    ours.load_state_dict({k: v.half().float() for k, v in weights.items()})
    pixels, ids = inputs(shape)
    mask = (ids != PAD).long()
    states, pictures = ours.image(pixels)
    keys = ours.keys(states)
    hf = BlipForImageTextRetrieval.from_pretrained(folder / "retrieval", dtype=torch.float32).eval()
    cosine = hf(ids, pixels, attention_mask=mask, use_itm_head=False).itm_score
    match = hf(begin(ids, ENC), pixels, attention_mask=mask).itm_score
    cap = BlipForConditionalGeneration.from_pretrained(folder / "captioning", dtype=torch.float32).eval()
    logits = cap(pixel_values=pixels, input_ids=begin(ids, DEC), attention_mask=mask).logits
    return {
        "cosine": (cosine - pictures @ ours.text(ids).T).abs().max().item(),
        "itm": (match - ours.match(ids, keys)).abs().max().item(),
        "caption": ((logits - ours.caption(ids, keys)) * mask[..., None]).abs().max().item(),
    }


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--checkpoint", type=Path)
    p.add_argument("--limit", type=float, default=1e-4)
    a = p.parse_args()
    if a.checkpoint:
        state = checkpoint.load(a.checkpoint)
        shape, weights = Shape(**state["shape"]), state["average"]["weights"]
    else:
        shape = Shape(vocabulary=60)
        weights = Blip(shape).state_dict()
    with tempfile.TemporaryDirectory() as t:
        vocabulary = Path(t) / "vocab.txt"
        vocabulary.write_text("".join(f"w{i}\n" for i in range(shape.vocabulary)))
        export(shape, weights, vocabulary, Path(t))
        found = differences(Path(t), shape, weights)
    print(found)
    if max(found.values()) > a.limit:
        raise SystemExit(f"differs by more than {a.limit}")


if __name__ == "__main__":
    main()
