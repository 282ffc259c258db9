"""Random BLIP captioning and answering models whose texts are of several lengths and differ by picture."""

import copy
import sys
import pathlib

import torch
from transformers import BlipConfig, BlipForConditionalGeneration, BlipForQuestionAnswering
from transformers.models.blip.modeling_blip_text import BlipTextLMHeadModel

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "parity"))

import weights  # noqa: E402

TEXT = {"hidden_size": 128, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}


def config(vocabulary, special, width, size, **vision):
    ids = {"bos_token_id": special["dec"], "sep_token_id": special["sep"], "pad_token_id": special["pad"]}
    small = {"hidden_size": width, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": width // 64}
    return BlipConfig(
        text_config={"vocab_size": vocabulary, "max_position_embeddings": 32, **ids, **TEXT},
        vision_config={**small, "image_size": size, "patch_size": 8, **vision},
        attn_implementation="eager",
    )


# Residual streams large enough that pictures give different texts; the search for a seed does the rest.
GAINS = weights.Gains(vision_residual=0.3, embedding=0.5, hidden_mean=-0.5, hidden_out=2.0)
HEAD = 0.35


def draw(cls, cfg, drawn, tied):
    """A model of class cls; drawn are its seed and what the end token's logit gains."""
    seed, end = drawn
    model = cls(cfg).eval()
    if cls is BlipForQuestionAnswering and cfg.vision_config.hidden_size != cfg.text_config.hidden_size:
        narrow = copy.deepcopy(cfg.text_config)
        narrow.encoder_hidden_size = cfg.text_config.hidden_size
        model.text_decoder = BlipTextLMHeadModel(narrow).eval()
    if not tied:
        untie(model.text_decoder)
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            weight.copy_(tensor(name, weight.shape, rng))
        # An untied head has this bias beside predictions.bias, which it then does not read.
        model.text_decoder.cls.predictions.decoder.bias[cfg.text_config.sep_token_id] += end
    return model


def untie(decoder):
    head = decoder.cls.predictions.decoder
    head.weight = torch.nn.Parameter(torch.empty_like(head.weight))
    decoder.config.tie_word_embeddings = False


def tensor(name, shape, rng):
    if name.endswith("decoder.weight"):
        return HEAD * torch.randn(shape, generator=rng)
    if name.endswith(("predictions.bias", "decoder.bias")):
        return 0.5 * torch.randn(shape, generator=rng)
    return weights.tensor(name, shape, rng, GAINS)
