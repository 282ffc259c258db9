"""Reads the written checkpoints back with transformers and PyTorch, before anything else is held to them."""

import torch
from transformers import BlipConfig, BlipForImageTextRetrieval

import layouts


def equal(state, other):
    assert state.keys() == other.keys(), state.keys() ^ other.keys()
    for name, value in state.items():
        assert torch.equal(value.float(), other[name].float()), name


def hf(folder, model):
    """The folder loads into transformers' own class, once the text head count is right."""
    cfg = BlipConfig.from_pretrained(folder)
    cfg.text_config.num_attention_heads = model.config.text_config.num_attention_heads
    loaded, info = BlipForImageTextRetrieval.from_pretrained(
        folder, config=cfg, dtype=torch.float32, output_loading_info=True
    )
    assert not info["missing_keys"], info
    equal(dict(loaded.state_dict()), dict(model.state_dict()))
    for part in ("text_config", "vision_config"):
        ours, theirs = getattr(model.config, part).to_dict(), getattr(loaded.config, part).to_dict()
        assert {k: theirs[k] for k in ours if k != "dtype"} == {k: ours[k] for k in ours if k != "dtype"}, part


LEFTOVERS = ("image_queue", "text_queue", "idx_queue", "ptr_queue", "temp", "text_encoder.embeddings.position_ids")


def original(folder, model):
    """The .pth needs no arbitrary code to load, and its names are those of Salesforce's conversion script."""
    state = torch.load(folder / "model.pth", weights_only=True)["model"]
    kept = {k: v for k, v in state.items() if "_m." not in k and k not in LEFTOVERS}
    equal({k: kept[layouts.original_name(k)] for k in model.state_dict()}, dict(model.state_dict()))
    assert len(kept) == len(model.state_dict())
    strided = [k for k, v in kept.items() if not v.is_contiguous()]
    offsets = [k for k, v in kept.items() if v.storage_offset()]
    assert len(strided) >= 3 and len(offsets) >= 3, (strided, offsets)
