"""What the decoder fixtures share with those of retrieval, and small helpers."""

import re

import models  # noqa: F401  puts ../parity on the path
import torch
import transformers
from transformers import BlipConfig, BlipTextConfig, BlipVisionConfig

import layouts
from generate import specials, versions, write_expected  # noqa: F401  of ../parity


def clean_question(text):
    """BLIP's data/utils.py pre_question."""
    text = re.sub(r"([.!\"()*#:;~])", "", text.lower()).rstrip(" ")
    return " ".join(text.split(" ")[:50])


def sparse_config(cfg, architecture):
    """Only what differs from the class defaults, and no head count of the text tower."""
    text = layouts.differences(cfg.text_config, BlipTextConfig(), {"num_attention_heads", "encoder_hidden_size"})
    vision = layouts.differences(cfg.vision_config, BlipVisionConfig(), set())
    top = layouts.differences(cfg, BlipConfig(), {"text_config", "vision_config"})
    return {"architectures": [architecture], "model_type": "blip"} | top | {"text_config": text, "vision_config": vision}


def loads(folder, model, text):
    """The folder loads into transformers' own class with the model's weights."""
    cfg = BlipConfig.from_pretrained(folder)
    for key, value in text.items():
        setattr(cfg.text_config, key, value)
    loaded, info = type(model).from_pretrained(folder, config=cfg, dtype=torch.float32, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    state = loaded.state_dict()
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]), name
