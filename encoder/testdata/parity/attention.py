"""Writes attention.json beside the two Hugging Face fixtures: where transformers' text tower looks in a picture.

    python attention.py

It reads the committed checkpoints, ids and pixels, so that expected.json stays as it is. generate.py calls it last.
"""

import json
import pathlib

import torch
from PIL import Image
from transformers import BlipConfig, BlipForImageTextRetrieval

import layouts

HERE = pathlib.Path(__file__).resolve().parent
FOLDERS = ("hf-safetensors", "hf-sparse-bin")
TEXTS = (0, 3)  # of whole words, and with words of several pieces
PICTURES = (0, 4)


def load(folder, heads):
    cfg = BlipConfig.from_pretrained(folder, attn_implementation="eager")
    cfg.text_config.num_attention_heads = heads
    return BlipForImageTextRetrieval.from_pretrained(folder, config=cfg, dtype=torch.float32).eval()


def pixels(path):
    """[1,3,S,S] of a picture that has the model's size already."""
    raw = torch.frombuffer(bytearray(Image.open(path).convert("RGB").tobytes()), dtype=torch.uint8)
    size = Image.open(path).size
    image = raw.view(size[1], size[0], 3).permute(2, 0, 1).float() / 255
    mean, std = (torch.tensor(v)[:, None, None] for v in (layouts.MEAN, layouts.STD))
    return ((image - mean) / std)[None]


@torch.no_grad()
def attention(model, ids, image):
    """Cross-attention [layers,h,L,N] and the two logits of one pair."""
    states = model.vision_model(pixel_values=image).last_hidden_state
    tokens = torch.tensor([ids])
    out = model.text_encoder(
        input_ids=tokens,
        attention_mask=torch.ones_like(tokens),
        encoder_hidden_states=states,
        encoder_attention_mask=torch.ones(states.shape[:2], dtype=torch.long),
        output_attentions=True,
        return_dict=True,
    )
    return torch.cat(out.cross_attentions), model.itm_head(out.last_hidden_state[:, 0])[0]


def cases(folder):
    known = json.loads((folder / "expected.json").read_text())
    model = load(folder, known["text_heads"])
    for text in TEXTS:
        for picture in PICTURES:
            ids = [known["special"]["enc"]] + known["ids"][text][1:]
            maps, logits = attention(model, ids, pixels(folder / known["pixels"][picture]))
            want = torch.tensor(known["itm_enc"][text][picture])
            assert (logits - want).abs().max() < 1e-4, (logits, want)
            assert (maps.sum(-1) - 1).abs().max() < 1e-5
            values = [float(f"{v:.7g}") for v in maps.flatten().tolist()]
            yield {"text": text, "picture": picture, "shape": list(maps.shape), "values": values}


def write_all():
    for name in FOLDERS:
        lines = [json.dumps(case, separators=(",", ":")) for case in cases(HERE / name)]
        (HERE / name / "attention.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    write_all()
