"""BLIP's three losses, with exact ground truth instead of "only my own caption is right", and one of our own.

The generator knows what every picture shows, so a caption that happens to be
true of another picture of the batch ("a blue mug") is a second positive for
ITC and never a negative for ITM.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from model import PAD, Blip

SMOOTHING = 0.1  # of the LM targets, as in BLIP
TEMPERATURE = (0.01, 0.5)  # range of the learnt ITC temperature; BLIP clamps to 0.001-0.5


@dataclass
class Batch:
    """B pictures with T captions each; texts are ordered by round first, picture second.

    pixels [B,3,S,S]; texts [T*B, L]; negatives [N*B, L]: exchanged captions;
    false [N*B]: the negative really is false of its picture; true [T*B, B]:
    text t is true of picture b; objects [B, most, 6]: what the pictures show,
    negative where nothing; boxes [B, most, 4]: where, as shares of the side.
    """

    pixels: torch.Tensor
    objects: torch.Tensor
    boxes: torch.Tensor
    texts: torch.Tensor
    negatives: torch.Tensor
    false: torch.Tensor
    true: torch.Tensor

    def to(self, device):
        return Batch(**{name: value.to(device, non_blocking=True) for name, value in vars(self).items()})


@dataclass
class Draw:
    """How ITM's negatives are drawn.

    hardness grows from 0 to 1: at 0 negatives are any of the batch and
    exchanged captions count nothing. An ITM head that only ever meets hard
    negatives stays at chance for long: it has not yet learnt to look.
    """

    generator: torch.Generator
    hardness: float = 1.0


@dataclass
class Losses:
    itc: torch.Tensor
    itm: torch.Tensor
    lm: torch.Tensor
    ground: torch.Tensor
    right: dict  # share of ITM rows decided rightly, by kind of row

    def total(self, itm=1.0, lm=1.0, ground=1.0):
        return self.itc + itm * self.itm + lm * self.lm + ground * self.ground


def spread(logits, true):
    """Cross-entropy of every row against equal targets on all its true columns.

    A row without any true column gives nothing; a column of pictures always
    has its own caption, so this matters only to callers that cut the batch.
    """
    count = true.sum(1)
    loss = -(F.log_softmax(logits, 1) * true).sum(1) / count.clamp(min=1)
    return loss.sum() / (count > 0).sum().clamp(min=1)


def contrastive(similarity, true):
    """ITC in both directions; similarity [texts, pictures] is already over the temperature."""
    true = true.float()
    return (spread(similarity, true) + spread(similarity.T, true.T)) / 2


@torch.no_grad()
def hard(similarity, true, generator, hardness=1.0):
    """One false column for each row, drawn from the softmax of the similarities, as BLIP does; at hardness 0 any."""
    weight = (hardness * similarity.float()).masked_fill(true, -1e4).softmax(1) + 1e-9
    weight = weight * ~true
    weight = weight + (weight.sum(1, keepdim=True) == 0)  # all columns true: any; masked by usable()
    return torch.multinomial(weight, 1, generator=generator)[:, 0]


def matching(model: Blip, batch: Batch, keys, similarity, draw):
    """ITM over true pairs, exchanged captions, a hard text per picture and a hard picture per text."""
    pictures, texts = len(batch.pixels), len(batch.texts)
    hard_text = hard(similarity.T, batch.true.T, draw.generator, draw.hardness)
    hard_picture = hard(similarity, batch.true, draw.generator, draw.hardness)
    ids = torch.cat([batch.texts, batch.negatives, batch.texts[hard_text], batch.texts])
    rounds = (texts + len(batch.negatives)) // pictures + 1
    logits = model.match(ids, keys, rounds, hard_picture).float()
    here = torch.arange(pictures, device=ids.device)
    rows = torch.arange(texts, device=ids.device)
    usable = torch.cat([
        torch.ones_like(rows, dtype=torch.bool),
        batch.false,
        ~batch.true[hard_text, here],
        ~batch.true[rows, hard_picture],
    ])
    weight = usable.float()
    weight[texts : texts + len(batch.negatives)] *= draw.hardness
    return weigh(logits, weight, {"true": texts, "exchange": len(batch.negatives), "text": pictures, "picture": texts})


def weigh(logits, weight, kinds):
    """Cross-entropy with true rows weighing half of all; and the share of right rows by kind."""
    true = kinds["true"]
    labels = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
    labels[:true] = 1
    loss = F.cross_entropy(logits, labels, reduction="none")
    negative = (loss[true:] * weight[true:]).sum() / weight[true:].sum().clamp(min=1)
    usable = weight > 0
    right = ((logits.argmax(1) == labels) & usable).detach()
    shares = {}
    for kind, r, u in zip(kinds, right.split(list(kinds.values())), usable.split(list(kinds.values()))):
        shares[kind] = r.sum() / u.sum().clamp(min=1)
    return (loss[:true].mean() + negative) / 2, shares


def language(model: Blip, texts, keys):
    """Next-token loss of one caption per picture, read from the picture."""
    logits = model.caption(texts[:, :-1], keys).float()
    return F.cross_entropy(
        logits.flatten(0, 1), texts[:, 1:].flatten(), ignore_index=PAD, label_smoothing=SMOOTHING
    )


def inside(boxes, grid: int):
    """[B, most, 4] -> [B, most, grid*grid]: share of each patch that its box covers, over their sum."""
    edge = torch.arange(grid, device=boxes.device) / grid
    cover = lambda low, high: (torch.minimum(high, edge + 1 / grid) - torch.maximum(low, edge)).clamp(min=0)
    across, down = cover(boxes[..., 0:1], boxes[..., 2:3]), cover(boxes[..., 1:2], boxes[..., 3:4])
    share = (down[..., :, None] * across[..., None, :]).flatten(2)
    return share / share.sum(-1, keepdim=True).clamp(min=1e-6)


def grounding(model: Blip, batch: Batch, states):
    """What stands where: attributes and centre of every object, read off the mean state of the patches in its box.

    Not a loss of BLIP's. The generator knows it, and it teaches the vision
    tower in minutes what captions alone teach in hours; its head is not exported.
    """
    there = batch.objects[..., 0] >= 0
    weight = inside(batch.boxes, model.shape.grid)
    seen = (weight.to(states.dtype) @ states[:, 1:])[there]
    said = model.ground(seen).float().split([*model.shape.attributes, 2], -1)
    targets = batch.objects[there].clamp(min=-1)
    loss = sum(
        F.cross_entropy(logits, targets[:, i], ignore_index=-1, label_smoothing=0.05)
        for i, logits in enumerate(said[:-1])
        if (targets[:, i] >= 0).any()
    )
    box = batch.boxes[there]
    centre = (box[:, :2] + box[:, 2:]) / 2
    return loss / len(targets[0]) + F.smooth_l1_loss(said[-1], 4 * centre - 2)


def losses(model: Blip, batch: Batch, draw: Draw, with_lm=True) -> Losses:
    states, pictures = model.image(batch.pixels)
    texts = model.text(batch.texts)
    temperature = model.log_temperature.exp().clamp(*TEMPERATURE)
    similarity = texts @ pictures.T / temperature
    keys = model.keys(states)
    itm, right = matching(model, batch, keys, similarity.detach(), draw)
    lm = language(model, batch.texts[: len(batch.pixels)], keys) if with_lm else itm.new_zeros(())
    return Losses(contrastive(similarity, batch.true), itm, lm, grounding(model, batch, states), right)
