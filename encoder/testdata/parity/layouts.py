"""The checkpoint layouts that the converter reads."""

import collections
import json
import math

import torch
from tokenizers import Tokenizer
from tokenizers.implementations import BertWordPieceTokenizer
from transformers import BlipConfig, BlipTextConfig, BlipVisionConfig

MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_vocabulary(path, tokens):
    path.write_text("\n".join(tokens) + "\n")


def tokenizer(tokens):
    return BertWordPieceTokenizer({token: i for i, token in enumerate(tokens)}, lowercase=True)


def encode(tokens, text, limit):
    """Ids [CLS] … [SEP], cut to limit, and the number of pieces cut off."""
    made = tokenizer(tokens)
    whole = len(made.encode(text).ids)
    made.enable_truncation(limit)
    ids = made.encode(text).ids
    return ids, whole - len(ids)


def write_tokenizer_json(path, tokens):
    tokenizer(tokens).save(str(path), pretty=False)
    assert Tokenizer.from_file(str(path)).get_vocab_size() == len(tokens)


def write_preprocessor(path, size, extra=None):
    plain = {
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": MEAN,
        "image_processor_type": "BlipImageProcessor",
        "image_std": STD,
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": size,
    }
    write_json(path, plain | (extra or {}))


def full_config(cfg):
    """Every key, class defaults included, as the oldest Hub files have them."""
    return cfg.to_dict() | {"architectures": ["BlipForImageTextRetrieval"]}


def sparse_config(cfg):
    """Only what differs from the class defaults; and no head count of the text tower (transformers would take 8).

    encoder_hidden_size is left out too: BlipConfig sets it to the vision tower's width.
    """
    text = differences(cfg.text_config, BlipTextConfig(), {"num_attention_heads", "encoder_hidden_size"})
    top = differences(cfg, BlipConfig(), {"text_config", "vision_config"})
    own = {"architectures": ["BlipForImageTextRetrieval"], "model_type": "blip"}
    return own | top | {"text_config": text, "vision_config": differences(cfg.vision_config, BlipVisionConfig(), set())}


def differences(cfg, default, skip):
    new, old = cfg.to_dict(), default.to_dict()
    return {k: v for k, v in new.items() if k not in skip and k in old and old[k] != v}


def original_config(cfg):
    """Salesforce's med_config.json. It says nothing about the vision tower."""
    text = cfg.text_config
    return {
        "architectures": ["BertModel"],
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": text.hidden_size,
        "initializer_range": 0.02,
        "intermediate_size": text.intermediate_size,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": text.max_position_embeddings,
        "model_type": "bert",
        "num_attention_heads": text.num_attention_heads,
        "num_hidden_layers": text.num_hidden_layers,
        "pad_token_id": text.pad_token_id,
        "type_vocab_size": 2,
        "vocab_size": text.vocab_size,
        "encoder_width": cfg.vision_config.hidden_size,
        "add_cross_attention": True,
    }


def save_hf_safetensors(model, folder, tokens, size):
    model.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    write_json(folder / "config.json", full_config(model.config))
    write_tokenizer_json(folder / "tokenizer.json", tokens)
    leftovers = {"do_pad": True, "size_divisor": 32}
    write_preprocessor(folder / "preprocessor_config.json", {"height": size, "width": size}, leftovers)


def save_hf_bin(model, folder, tokens, size):
    """The layout of the 2022 Hub files: zipped pickle, with the position_ids buffer and _metadata."""
    state = model.state_dict()
    count = model.config.text_config.max_position_embeddings
    state["text_encoder.embeddings.position_ids"] = torch.arange(count).expand((1, -1))
    assert type(state) is collections.OrderedDict and state._metadata
    torch.save(state, folder / "pytorch_model.bin")
    write_json(folder / "config.json", sparse_config(model.config))
    write_vocabulary(folder / "vocab.txt", tokens)
    write_preprocessor(folder / "preprocessor_config.json", size)


RENAMES = [
    ("vision_model.embeddings.class_embedding", "visual_encoder.cls_token"),
    ("vision_model.embeddings.position_embedding", "visual_encoder.pos_embed"),
    ("vision_model.embeddings.patch_embedding", "visual_encoder.patch_embed.proj"),
    ("vision_model.post_layernorm", "visual_encoder.norm"),
    ("vision_model.encoder.layers", "visual_encoder.blocks"),
    ("self_attn.projection", "attn.proj"),
    ("self_attn", "attn"),
    ("layer_norm", "norm"),
]


def original_name(name):
    if name.startswith("vision_model"):
        for new, old in RENAMES:
            name = name.replace(new, old)
    return name


def original_state(model):
    """The state dict under Salesforce's names, with what its retrieval training leaves beside the weights."""
    state = collections.OrderedDict((original_name(k), v.clone()) for k, v in model.state_dict().items())
    count = model.config.text_config.max_position_embeddings
    state["text_encoder.embeddings.position_ids"] = torch.arange(count).expand((1, -1))
    share_storages(state)
    rng = torch.Generator().manual_seed(1)
    width = state["vision_proj.weight"].shape[0]
    state["temp"] = torch.tensor(0.07)
    state["image_queue"] = torch.randn(width, 16, generator=rng)
    state["text_queue"] = torch.randn(width, 16, generator=rng)
    state["idx_queue"] = torch.full((1, 16), -100)
    state["ptr_queue"] = torch.zeros(1, dtype=torch.long)
    for name in ("visual_encoder.cls_token", "visual_encoder.norm.weight", "visual_encoder.blocks.0.attn.qkv.bias"):
        state[name.replace("visual_encoder", "visual_encoder_m")] = state[name] + 1
    state["text_encoder_m.embeddings.LayerNorm.weight"] = state["text_encoder.embeddings.LayerNorm.weight"] + 1
    state["text_proj_m.bias"] = state["text_proj.bias"] + 1
    state["vision_proj_m.weight"] = state["vision_proj.weight"]  # the same storage twice
    return state


def share_storages(state):
    """Tensors that are not one contiguous storage of their own: transposed views, and slices of one storage."""
    for name in ("text_proj.weight", "text_encoder.encoder.layer.1.intermediate.dense.weight"):
        state[name] = state[name].T.contiguous().T
        assert not state[name].is_contiguous()
    patch = "visual_encoder.patch_embed.proj.weight"
    state[patch] = state[patch].permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)  # channels_last
    names = [f"text_encoder.encoder.layer.0.attention.self.{part}.weight" for part in ("query", "key", "value")]
    flat = torch.cat([torch.full((7,), math.nan)] + [state[n].flatten() for n in names])
    offset = 7
    for name in names:
        shape = state[name].shape
        state[name] = flat[offset : offset + shape.numel()].view(shape)
        offset += shape.numel()


def save_original(model, folder, tokens):
    moments = {"step": torch.tensor(5.0), "exp_avg": torch.zeros(4), "exp_avg_sq": torch.ones(4, dtype=torch.float64)}
    group = {"lr": 1e-05, "betas": (0.9, 0.999), "eps": 1e-08, "weight_decay": 0.05, "amsgrad": False, "params": [0]}
    checkpoint = {
        "model": original_state(model),
        "optimizer": {"state": {0: moments}, "param_groups": [group]},
        "config": {"image_size": 64, "vit": "base", "init_lr": 1e-05, "ann_root": None, "k_test": 256},
        "epoch": 5,
    }
    torch.save(checkpoint, folder / "model.pth")
    write_json(folder / "med_config.json", original_config(model.config))
    write_vocabulary(folder / "vocab.txt", tokens)
