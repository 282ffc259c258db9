"""What transformers' BlipForImageTextRetrieval answers for every text and picture."""

import copy

import torch
from torch.nn.functional import normalize


def padded(ids, pad):
    longest = max(map(len, ids))
    tokens = torch.tensor([row + [pad] * (longest - len(row)) for row in ids])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids])
    return tokens, mask


def with_first(ids, first):
    return [[first] + row[1:] for row in ids]


def forward(model, ids, pixels, itm, mask=None):
    mask = torch.ones_like(ids) if mask is None else mask
    return model(input_ids=ids, pixel_values=pixels, attention_mask=mask, use_itm_head=itm)


def itm(model, ids, pixels):
    """Logits [T,P,2]: each text alone and unpadded, with all pictures."""
    rows = [torch.tensor([row]).repeat(len(pixels), 1) for row in ids]
    return torch.stack([forward(model, row, pixels, True).itm_score for row in rows])


def itm_padded(model, ids, pixels, pad, masked=True):
    """Logits [T,P,2]: all texts in one batch, padded to the longest, with each picture."""
    tokens, mask = padded(ids, pad)
    mask = mask if masked else torch.ones_like(mask)
    columns = [forward(model, tokens, p[None].repeat(len(ids), 1, 1, 1), True, mask).itm_score for p in pixels]
    return torch.stack(columns, 1)


def itc(model, ids, pixels):
    """Unit embeddings of texts [T,E] and pictures [P,E], and the model's own cosines [T,P]."""
    caught = {}
    hooks = [
        getattr(model, name).register_forward_hook(lambda _m, _i, out, name=name: caught.__setitem__(name, out))
        for name in ("text_proj", "vision_proj")
    ]
    texts, cosines = [], []
    for row in ids:
        cosines.append(forward(model, torch.tensor([row]), pixels, False).itm_score[:, 0])
        texts.append(normalize(caught["text_proj"], dim=-1)[0])
    for hook in hooks:
        hook.remove()
    return torch.stack(texts), normalize(caught["vision_proj"], dim=-1), torch.stack(cosines)


@torch.no_grad()
def answers(model, ids, pixels, special):
    """Everything that expected.json holds, as tensors in the model's own precision."""
    texts, pictures, cosines = itc(model, ids, pixels)
    return {
        "text_embeddings": texts,
        "image_embeddings": pictures,
        "cosines": cosines,
        "itm_enc": itm(model, with_first(ids, special["enc"]), pixels),
        "itm_cls": itm(model, ids, pixels),
        "itm_enc_padded": itm_padded(model, with_first(ids, special["enc"]), pixels, special["pad"]),
    }


@torch.no_grad()
def states(model, pixels, names):
    """Rows of the vision tower's last states, after the final norm: the class token and the middle one."""
    out = model.vision_model(pixel_values=pixels).last_hidden_state
    return [
        {"picture": name, "token": token, "values": out[i, token]}
        for i, name in enumerate(names)
        for token in (0, out.shape[1] // 2)
    ]


def in_double(model):
    return copy.deepcopy(model).double()
