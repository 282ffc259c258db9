"""Writes rank.json: how BLIP's models/blip_vqa.py ranks answers (rank_answer), on the model in vqa/.

    python rank.py          with the packages of ../parity/README.md, after generate.py

One question and one picture at a time, so that nothing is padded but the answers. Token 0 of the question is [ENC], as in
the original. In the original the loss has label smoothing 0.1 in the LM head (models/med.py); transformers' has not.
"""

import json
import pathlib

import numpy as np
import torch
from PIL import Image
from transformers import BlipForQuestionAnswering

import models  # noqa: F401  puts ../parity on the path
import layouts
import vocab

HERE = pathlib.Path(__file__).resolve().parent
K = 12
ANSWERS = """yes|no|a dog|a dog on the beach|a dog on the beach with a woman|two|two dogs|the sea|the woman|the woman and the dog|a cat|cat|
dog|the beach|on the beach|on the table in the sea|three|3|beach, sea and sand|sitting|standing by the sea|running|a horse|bird|
a bird in the sand|a man|the man and the boy holding a dog|woman|girl|boy with a bird|people|walking on the sand""".replace("\n", "").split("|")


def rank(model, states, answers, start, pad, k):
    """rank_answer of the original, for one question: indices of the k answers, best first, with minus their losses."""
    longest = max(map(len, answers))
    ids = torch.tensor([a + [pad] * (longest - len(a)) for a in answers])
    mask = (ids != pad).long()
    first = model.text_decoder(input_ids=torch.tensor([[start]]), encoder_hidden_states=states).logits[0, 0]
    likely = first.softmax(dim=0).index_select(0, ids[:, 1])
    by = likely.sort(descending=True).values
    while by[k - 1] == by[k]:  # answers that begin alike are equal here, and which of them topk takes is chance
        k += 1
    top = likely.topk(k).indices
    ids, mask = ids[top], mask[top]
    logits = model.text_decoder(input_ids=ids, attention_mask=mask, encoder_hidden_states=states.repeat(k, 1, 1)).logits
    targets = ids.masked_fill(ids == pad, -100)[:, 1:]
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].transpose(1, 2), targets, reduction="none", label_smoothing=0.1).sum(1)
    order = (-loss).topk(k)
    return [{"index": top[i].item(), "score": round(s.item(), 5)} for s, i in zip(order.values, order.indices)]


def see(name):
    rgb = np.asarray(Image.open(HERE / name)).astype(np.float64) / 255
    normal = (rgb - np.array(layouts.MEAN)) / np.array(layouts.STD)
    return torch.tensor(normal.transpose(2, 0, 1), dtype=torch.float32)[None]


@torch.no_grad()
def main():
    known = json.loads((HERE / "vqa" / "expected.json").read_text())
    special, tokens = known["special"], vocab.plain()
    model = BlipForQuestionAnswering.from_pretrained(HERE / "vqa", dtype=torch.float32).eval()
    answers = [[special["dec"], *layouts.encode(tokens, a, 32)[0][1:]] for a in ANSWERS]
    cases = []
    for i, asked in enumerate(known["question_ids"]):
        seen = model.vision_model(pixel_values=see(known["pictures"][i])).last_hidden_state
        ids = torch.tensor([[special["enc"], *asked[1:]]])
        states = model.text_encoder(input_ids=ids, encoder_hidden_states=seen).last_hidden_state
        cases.append({"picture": i, "question": i, "ranked": rank(model, states, answers, special["dec"], special["pad"], K)})
    (HERE / "rank.json").write_text(json.dumps({"answers": ANSWERS, "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
