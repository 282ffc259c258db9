"""Random BLIP retrieval models whose outputs depend visibly on every detail of the computation."""

import dataclasses

import torch
from transformers import BlipConfig, BlipForImageTextRetrieval


@dataclasses.dataclass(frozen=True)
class Gains:
    """Scales of the drawn weights; each is the rough size of the activation that it produces.

    The vision tower's residual stream and the word embeddings are kept so small that their variance is close to the
    eps of the following LayerNorm, so that a wrong eps shows. The inputs of GELU lie around -2.1, where its erf and
    tanh forms differ most relative to their size; hidden_out brings the small outputs back to 1.
    """

    vision_residual: float = 5e-3
    embedding: float = 4e-3
    query_key: float = 1.2
    query_key_bias: float = 0.5
    value: float = 1.0
    value_bias: float = 0.5
    branch: float = 1.0
    hidden: float = 0.8
    hidden_bias: float = 0.6
    hidden_mean: float = -2.1
    hidden_out: float = 7.0
    norm: float = 0.2
    head: float = 4.0


def config(vocabulary, special, vision, text, embedding):
    """A BlipConfig; vision and text are what differs from the class defaults."""
    ids = {"bos_token_id": special["dec"], "sep_token_id": special["sep"], "pad_token_id": special["pad"]}
    return BlipConfig(
        text_config={"vocab_size": vocabulary, **ids, **text},
        vision_config=vision,
        image_text_hidden_size=embedding,
        attn_implementation="eager",
    )


def draw(cfg, seed, gains):
    """A model in float32 and evaluation mode, its weights drawn from seed."""
    model = BlipForImageTextRetrieval(cfg).eval()
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            weight.copy_(tensor(name, weight.shape, rng, gains))
    return model


def tensor(name, shape, rng, g):
    noise = torch.randn(shape, generator=rng)
    kind = "vision" if name.startswith("vision_model") else "text"
    if "norm" in name.lower():
        return g.norm * noise + (1 if name.endswith("weight") else 0)
    if name.endswith(("embedding", "embeddings.weight")):
        return noise * (g.vision_residual if kind == "vision" else g.embedding)
    if "patch_embedding" in name:
        return noise * g.vision_residual * (fan(shape) if name.endswith("weight") else 0.5)
    if "qkv" in name:
        return fused(noise, g)
    scale, spread, mean = scales(name, g)
    residual = g.vision_residual if kind == "vision" and ("projection" in name or "fc2" in name) else 1
    return residual * (scale * fan(shape) * noise if name.endswith("weight") else spread * noise + mean)


def fan(shape):
    """1 / sqrt(inputs): keeps the size of what goes in."""
    return shape[1:].numel() ** -0.5


def fused(noise, g):
    """[3D, ...]: queries, keys, values."""
    width = noise.shape[0] // 3
    weight = noise.dim() == 2
    scale = noise.new_full((3 * width,), g.query_key if weight else g.query_key_bias)
    scale[2 * width :] = g.value if weight else g.value_bias
    return noise * (scale[:, None] * fan(noise.shape) if weight else scale)


def scales(name, g):
    """(weight gain, spread of the bias, mean of the bias) of a Linear."""
    if ".query." in name or ".key." in name:
        return g.query_key, g.query_key_bias, 0
    if ".value." in name:
        return g.value, g.value_bias, 0
    if "fc1" in name or "intermediate" in name:
        return g.hidden, g.hidden_bias, g.hidden_mean
    if "fc2" in name or ("output.dense" in name and "attention" not in name):
        return g.hidden_out, 0.2, 0
    if "itm_head" in name:
        return g.head, 0.5, 0
    return g.branch, 0.2, 0
