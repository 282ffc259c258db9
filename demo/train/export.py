"""Saves ordinary Hugging Face folders: retrieval and captioning, float16 safetensors."""

import json
import shutil
from pathlib import Path

import torch
from transformers import BlipConfig, BlipForConditionalGeneration, BlipForImageTextRetrieval

from model import CLS, DEC, HEAD, PAD, SEP, Shape

MEAN = STD = 0.5  # pixel/127.5 - 1, what data.py feeds


def config(shape: Shape) -> BlipConfig:
    text = dict(
        vocab_size=shape.vocabulary,
        hidden_size=shape.text_width,
        encoder_hidden_size=shape.vision_width,
        intermediate_size=4 * shape.text_width,
        projection_dim=shape.embedding,
        num_hidden_layers=shape.text_layers,
        num_attention_heads=shape.text_width // HEAD,
        max_position_embeddings=shape.positions,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        bos_token_id=DEC,
        eos_token_id=SEP,
        sep_token_id=SEP,
        pad_token_id=PAD,
    )
    vision = dict(
        hidden_size=shape.vision_width,
        intermediate_size=4 * shape.vision_width,
        projection_dim=shape.embedding,
        num_hidden_layers=shape.vision_layers,
        num_attention_heads=shape.vision_width // HEAD,
        image_size=shape.size,
        patch_size=shape.patch,
    )
    return BlipConfig(
        text_config=text,
        vision_config=vision,
        projection_dim=shape.embedding,
        image_text_hidden_size=shape.embedding,
    )


def retrieval(shape: Shape, weights: dict) -> BlipForImageTextRetrieval:
    """The shared part of the weights, name for name."""
    own = {k: v for k, v in weights.items() if not k.startswith(("decoder.", "ground.", "log_temperature"))}
    model = BlipForImageTextRetrieval(config(shape))
    model.load_state_dict(own, strict=True)
    return model.eval()


def captioning(shape: Shape, weights: dict) -> BlipForConditionalGeneration:
    """The text encoder with the decoder's self-attention and head."""
    state = {k: v for k, v in weights.items() if k.startswith("vision_model.")}
    for name, value in weights.items():
        if name.startswith("text_encoder.") and ".attention." not in name:
            state["text_decoder.bert." + name.removeprefix("text_encoder.")] = value
        elif name.startswith("decoder.attention."):
            layer, rest = name.removeprefix("decoder.attention.").split(".", 1)
            state[f"text_decoder.bert.encoder.layer.{layer}.attention.{rest}"] = value
    head = "text_decoder.cls.predictions."
    for part in ("dense", "LayerNorm"):
        for kind in ("weight", "bias"):
            state[f"{head}transform.{part}.{kind}"] = weights[f"decoder.{part}.{kind}"]
    state[head + "bias"] = state[head + "decoder.bias"] = weights["decoder.bias"]
    state[head + "decoder.weight"] = weights["text_encoder.embeddings.word_embeddings.weight"]
    model = BlipForConditionalGeneration(config(shape))
    model.load_state_dict(state, strict=True)
    return model.eval()


def write_words(folder: Path, vocabulary: Path, shape: Shape):
    """Tokenizer and preprocessor files, in the layout of the Hub's BLIP folders."""
    shutil.copyfile(vocabulary, folder / "vocab.txt")
    special = {f"{k}_token": f"[{k.upper()}]" for k in ("cls", "pad", "sep", "unk")}
    tokenizer = {"do_lower_case": True, "tokenizer_class": "BertTokenizer", "model_max_length": shape.positions}
    picture = {
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [MEAN] * 3,
        "image_std": [STD] * 3,
        "image_processor_type": "BlipImageProcessor",
        "processor_class": "BlipProcessor",
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"height": shape.size, "width": shape.size},
    }
    files = {
        "special_tokens_map.json": special,
        "tokenizer_config.json": tokenizer | special,
        "preprocessor_config.json": picture,
    }
    for name, value in files.items():
        (folder / name).write_text(json.dumps(value, indent=2) + "\n")


def export(shape: Shape, weights: dict, vocabulary: Path, out: Path):
    """Writes out/retrieval and out/captioning; each is built aside and swapped in whole."""
    weights = {k: v.detach().float().cpu() for k, v in weights.items()}
    for name, build in (("retrieval", retrieval), ("captioning", captioning)):
        aside, target, old = (out / (name + suffix) for suffix in (".part", "", ".old"))
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        build(shape, weights).to(torch.float16).save_pretrained(aside)
        (aside / "model.safetensors").chmod(0o644)  # safetensors leaves it readable to its owner only
        write_words(aside, vocabulary, shape)
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            target.rename(old)
        aside.rename(target)
        shutil.rmtree(old, ignore_errors=True)
