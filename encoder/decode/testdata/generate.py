"""Writes cases.jsonl and kept.jsonl: what transformers' generate makes of a toy language model's logits.

    python generate.py          in an environment with torch and transformers

The model has 48 tokens. Its logits are a hash of the prompt's first token, the last two tokens and the position, and
are exact in float32, so that the test in Go computes the same ones. The end token, 3, grows likelier with the length.
Each line of cases.jsonl is one call: options, prompts, and for each prompt its sequences (padding cut off) with, for
beams, their scores. kept.jsonl has the tokens that the sampling warpers keep, with their probabilities.
"""

import itertools
import json
import pathlib

import numpy as np
import torch
import transformers
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.generation.logits_process import (
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers.modeling_outputs import CausalLMOutput

WORDS, END, PAD = 48, 3, 0
HERE = pathlib.Path(__file__).parent


def mix(z):
    """splitmix64's finaliser."""
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def logits(first, before, last, position):
    """float32 [48]: a 20-bit hash in [0, 8), and for the end token a term that grows."""
    key = ((first * 64 + before) * 64 + last) * 64 + position
    with np.errstate(over="ignore"):
        h = mix(np.uint64(key) * np.uint64(WORDS) + np.arange(WORDS, dtype=np.uint64))
    out = (h >> np.uint64(44)).astype(np.float32) * np.float32(8 / 2**20)
    out[END] += np.float32(0.25 * (position - 6))
    return out


class ToyConfig(PretrainedConfig):
    model_type = "toy"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.vocab_size, self.num_hidden_layers, self.hidden_size, self.num_attention_heads = WORDS, 1, 8, 1


class Toy(PreTrainedModel, GenerationMixin):
    config_class = ToyConfig

    def __init__(self, config):
        super().__init__(config)
        self.dummy = torch.nn.Parameter(torch.zeros(1))

    def prepare_inputs_for_generation(self, input_ids, **_):
        return {"input_ids": input_ids}

    def forward(self, input_ids, **_):
        rows = [logits(int(r[0]), int(r[-2]) if len(r) > 1 else 0, int(r[-1]), len(r)) for r in input_ids]
        return CausalLMOutput(logits=torch.from_numpy(np.stack(rows))[:, None, :])


def run(model, options, prompts):
    """One call of generate; ids behind the end token are padding and cut off."""
    beams, returns = options.get("num_beams", 1), options.get("num_return_sequences", 1)
    out = model.generate(
        torch.tensor(prompts), do_sample=False, use_cache=False, eos_token_id=END, pad_token_id=PAD,
        return_dict_in_generate=True, output_scores=True, **options,
    )
    sequences = []
    for row in out.sequences.tolist():
        behind = row[len(prompts[0]) :]
        if END in behind:  # not by padding, which is a word of this language too
            behind = behind[: behind.index(END) + 1]
        sequences.append(row[: len(prompts[0])] + behind)
    case = {"options": options, "prompts": prompts, "sequences": [sequences[i : i + returns] for i in range(0, len(sequences), returns)]}
    if beams > 1:
        scores = [round(s, 6) for s in out.sequences_scores.tolist()]
        case["scores"] = [scores[i : i + returns] for i in range(0, len(scores), returns)]
    return case


def option_sets():
    for n, least, penalty in itertools.product((6, 12, 20), (0, 8), (1.0, 1.3, 0.8)):
        yield {"max_length": n, "min_length": min(least, n), "repetition_penalty": penalty}
    lengths = (-1.0, 0.0, 0.6, 1.0, 2.0)
    for beams, length, early in itertools.product((2, 3, 5), lengths, (False, True, "never")):
        yield {"num_beams": beams, "max_length": 14, "length_penalty": length, "early_stopping": early, "num_return_sequences": beams}
    for beams, n, least, penalty in itertools.product((2, 3, 4), (5, 9, 18), (0, 7), (1.0, 1.1, 1.5)):
        yield {"num_beams": beams, "max_length": n, "min_length": min(least, n), "repetition_penalty": penalty}
    for early in (False, True, "never"):
        yield {"num_beams": 8, "max_length": 24, "early_stopping": early, "length_penalty": 1.4, "min_length": 6, "repetition_penalty": 1.2, "num_return_sequences": 3}


def calls(model):
    prompts = [[[4], [5], [6]], [[7, 11, 12]], [[8, 3, 9, 9], [10, 20, 30, 40]]]
    for i, options in enumerate(option_sets()):
        for j, given in enumerate(prompts):
            if len(given[0]) < options["max_length"] and (i + j) % 2 == 0 or j == 0:
                shifted = [[(p[0] + i) % WORDS, *p[1:]] for p in given]
                yield run(model, options, shifted)


def kept():
    """The distribution that sampling draws from, for logits of key 1, 2, 3, …"""
    for key, (temperature, k, p) in enumerate(itertools.product((0.5, 1.0, 2.0), (0, 1, 5, 20), (0.1, 0.5, 0.9, 1.0)), 1):
        warpers = LogitsProcessorList()
        if temperature != 1:
            warpers.append(TemperatureLogitsWarper(temperature))
        if k:
            warpers.append(TopKLogitsWarper(k))
        if p < 1:
            warpers.append(TopPLogitsWarper(p))
        scores = warpers(torch.zeros(1, 1, dtype=torch.long), torch.from_numpy(logits(key, 1, 2, 5))[None])
        probabilities = scores.softmax(dim=-1)[0]
        ids = sorted(torch.nonzero(probabilities)[:, 0].tolist(), key=lambda i: -probabilities[i])
        yield {
            "key": key, "temperature": temperature, "top_k": k, "top_p": p,
            "ids": ids, "probabilities": [round(probabilities[i].item(), 7) for i in ids],
        }


def write(name, lines):
    with open(HERE / name, "w") as f:
        for line in lines:
            f.write(json.dumps(line, separators=(",", ":")) + "\n")


def main():
    transformers.logging.set_verbosity_error()
    model = Toy(ToyConfig()).eval()
    write("cases.jsonl", [{"transformers": transformers.__version__, "torch": torch.__version__}, *calls(model)])
    write("kept.jsonl", kept())


if __name__ == "__main__":
    main()
