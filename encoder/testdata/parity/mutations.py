"""How far each likely mistake moves the answers: proof that the fixtures can tell."""

import copy
import math

import torch
from torch import nn
from torch.nn import functional as F

import reference


def text_heads(count):
    def change(model):
        for module in model.modules():
            if hasattr(module, "attention_head_size"):
                module.num_attention_heads, module.attention_head_size = count, module.all_head_size // count

    return change


def vision_heads(count):
    def change(model):
        for layer in model.vision_model.encoder.layers:
            att = layer.self_attn
            att.num_heads, att.head_dim = count, att.embed_dim // count
            att.scale = att.head_dim**-0.5

    return change


def eps(part, value):
    def change(model):
        for module in getattr(model, part).modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = value

    return change


class QuickGELU(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


def activation(part, function):
    def change(model):
        for module in getattr(model, part).modules():
            for name in ("activation_fn", "intermediate_act_fn"):
                if hasattr(module, name):
                    setattr(module, name, function)

    return change


def final_norm(make):
    def change(model):
        model.vision_model.post_layernorm = make(model.vision_model.post_layernorm)

    return change


def without_bias(*parts):
    """Zeroes the bias of every Linear whose name holds all parts."""

    def change(model):
        for name, bias in model.named_parameters():
            if name.endswith(".bias") and all(part in name for part in parts):
                bias.zero_()

    return change


def qkv(order, bias_only=None):
    """Puts the thirds of the fused projection in another order, or zeroes the bias of one of them."""

    def change(model):
        for layer in model.vision_model.encoder.layers:
            linear = layer.self_attn.qkv
            if bias_only is not None:
                linear.bias.chunk(3)[bias_only].zero_()
            for p in (linear.weight, linear.bias):
                p.copy_(torch.cat([p.chunk(3)[i] for i in order]))

    return change


def qkv_by_head(model):
    """Reads the fused rows as heads of (q, k, v) instead of q, k, v of heads."""
    for layer in model.vision_model.encoder.layers:
        att = layer.self_attn
        for p in (att.qkv.weight, att.qkv.bias):
            parts = p.reshape(att.num_heads, 3, att.head_dim, -1).transpose(0, 1)
            p.copy_(parts.reshape(p.shape).clone())


def swap_text_query_key(model):
    for layer in model.text_encoder.encoder.layer:
        att = layer.attention.self
        att.query, att.key = att.key, att.query


def no_cross_scale(model):
    for layer in model.text_encoder.encoder.layer:
        query = layer.crossattention.self.query
        factor = math.sqrt(layer.crossattention.self.attention_head_size)
        query.weight.mul_(factor)
        query.bias.mul_(factor)


def no_class_position(model):
    model.vision_model.embeddings.position_embedding[:, 0].zero_()


def common(cfg):
    """name -> change, for every layout."""
    tanh, quick = nn.GELU(approximate="tanh"), QuickGELU()
    wrong_eps = 1e-6 if cfg.vision_config.layer_norm_eps == 1e-5 else 1e-5
    width = cfg.vision_config.hidden_size
    changes = {f"text_heads_{n}": text_heads(n) for n in (8, 4)}
    changes |= {f"vision_heads_{n}": vision_heads(n) for n in (12, 6, 4, 1) if width % n == 0 and n != width // 64}
    changes |= {
        f"vision_eps_{wrong_eps:g}": eps("vision_model", wrong_eps),
        "text_eps_1e-05": eps("text_encoder", 1e-5),
        "vision_gelu_tanh": activation("vision_model", tanh),
        "text_gelu_tanh": activation("text_encoder", tanh),
        "vision_gelu_quick": activation("vision_model", quick),
        "text_gelu_quick": activation("text_encoder", quick),
        "vision_final_norm_twice": final_norm(lambda norm: nn.Sequential(norm, norm)),
        "vision_final_norm_missing": final_norm(lambda norm: nn.Identity()),
        "vision_no_q_bias": qkv((0, 1, 2), 0),
        "vision_no_v_bias": qkv((0, 1, 2), 2),
        "vision_qkv_as_kqv": qkv((1, 0, 2)),
        "vision_qkv_as_vkq": qkv((2, 1, 0)),
        "vision_qkv_by_head": qkv_by_head,
        "vision_no_class_position": no_class_position,
        "text_swap_q_k": swap_text_query_key,
        "cross_no_scale": no_cross_scale,
    }
    for block in ("attention.self", "crossattention.self"):
        for part in ("query", "value"):
            name = f"{'cross' if block.startswith('cross') else 'self'}_no_{part}_bias"
            changes[name] = without_bias(f".{block}.", part)
    # A key bias cancels in the softmax: leaving it out is exact, so this control must not move anything.
    changes["control_cross_no_key_bias"] = without_bias(".crossattention.self.", "key")
    return changes


def positions(grid, embedding):
    """name -> change: other ways to bring a position embedding [1,1+n*n,D] to grid x grid."""

    def put(make):
        def change(model):
            old = int((embedding.shape[1] - 1) ** 0.5)
            square = embedding[:, 1:].reshape(1, old, old, -1).permute(0, 3, 1, 2)
            rows = make(square).permute(0, 2, 3, 1).reshape(1, grid * grid, -1)
            target = model.vision_model.embeddings.position_embedding
            target.copy_(torch.cat([embedding[:, :1], rows], 1))

        return change

    size = (grid, grid)
    return {
        "positions_align_corners": put(lambda x: F.interpolate(x, size, mode="bicubic", align_corners=True)),
        "positions_antialias": put(
            lambda x: F.interpolate(x, size, mode="bicubic", align_corners=False, antialias=True)
        ),
        "positions_bilinear": put(lambda x: F.interpolate(x, size, mode="bilinear", align_corners=False)),
        "positions_transposed": put(
            lambda x: F.interpolate(x.transpose(2, 3), size, mode="bicubic", align_corners=False)
        ),
    }


def largest(a, b):
    return float((a - b).abs().max())


@torch.no_grad()
def table(model, ids, pixels, special, extra):
    """mutation -> {"logit", "cosine"}: the largest movement of an ITM logit ([ENC] first) and of a cosine."""
    enc = reference.with_first(ids, special["enc"])
    logits, cosines = reference.itm(model, enc, pixels), reference.itc(model, ids, pixels)[2]
    rows = {
        "first_token_cls": {"logit": largest(reference.itm(model, ids, pixels), logits), "cosine": 0.0},
        "padding_not_masked": {
            "logit": largest(reference.itm_padded(model, enc, pixels, special["pad"], masked=False), logits),
            "cosine": padding_cosine(model, ids, pixels, special, cosines),
        },
        "channels_bgr": moved(model, ids, enc, pixels.flip(1), (logits, cosines)),
    }
    for name, change in (common(model.config) | extra).items():
        other = copy.deepcopy(model)
        change(other)
        rows[name] = moved(other, ids, enc, pixels, (logits, cosines))
    return rows


def moved(model, ids, enc, pixels, truth):
    logits, cosines = reference.itm(model, enc, pixels), reference.itc(model, ids, pixels)[2]
    return {"logit": largest(logits, truth[0]), "cosine": largest(cosines, truth[1])}


def padding_cosine(model, ids, pixels, special, cosines):
    tokens, mask = reference.padded(ids, special["pad"])
    out = reference.forward(model, tokens, pixels, False, torch.ones_like(mask)).itm_score
    return largest(out.T, cosines)
