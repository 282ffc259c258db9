"""Writes the decoder fixtures: small random BLIP captioning and answering models and what transformers writes with them.

    python generate.py          all models, into this folder
    python generate.py NAME     one of them

See README.md for what each file is.
"""

import collections
import copy
import pathlib
import sys

import numpy as np
import safetensors.torch
import torch
from PIL import Image
from transformers import BlipForConditionalGeneration, BlipForQuestionAnswering

import models  # puts ../parity on the path
import shared
import layouts
import pictures
import vocab

HERE = pathlib.Path(__file__).resolve().parent
PICTURES = 12
QUESTIONS = ["what colour is the shoe?", "is it a cat", "Where is the woman sitting: on the beach (or in the house)?", "how many?"]
PROMPT = "a picture of "
DEFAULTS = {
    "num_beams": 1, "min_length": 0, "max_length": 20, "repetition_penalty": 1.0, "length_penalty": 1.0, "early_stopping": False,
}  # fmt: skip


def see(size):
    """Names and pixel values [P,3,S,S] of pictures that have the model's size already."""
    folder = HERE / f"pictures-{size}"
    folder.mkdir(exist_ok=True)
    names, values = [], []
    for i in range(PICTURES):
        path = folder / f"p{i:02}.png"
        if not path.exists():
            Image.fromarray(pictures.waves(size, size, 100 + i)).save(path, optimize=True)
        rgb = np.asarray(Image.open(path)).astype(np.float64) / 255
        normal = (rgb - np.array(layouts.MEAN)) / np.array(layouts.STD)
        names.append(f"{folder.name}/{path.name}")
        values.append(torch.tensor(normal.transpose(2, 0, 1), dtype=torch.float32))
    return names, torch.stack(values)


def caption(model, pixels, prompt, options):
    """The ids that generate returns for each picture alone. prompt starts with the begin token."""
    made = []
    for p in pixels:
        ids = torch.tensor([[*prompt, 0]])  # generate drops the last token, which a processor has set to [SEP]
        made.append(model.generate(pixel_values=p[None], input_ids=ids, **options)[0].tolist())
    return made


def answer(model, pixels, questions, options):
    made = []
    for p, q in zip(pixels, questions, strict=True):
        made.append(model.generate(pixel_values=p[None], input_ids=torch.tensor([q]), **options)[0].tolist())
    return made


def same(single, double, name):
    assert single == double, f"{name}: float32 and float64 write different texts: draw another model"
    return single


@torch.no_grad()
def caption_steps(model, pixels, texts):
    """Logits after every token of the texts, for each of four pictures."""
    steps = []
    for i in range(4):
        states = model.vision_model(pixel_values=pixels[i : i + 1]).last_hidden_state
        ids = texts[i][:6]
        out = model.text_decoder(input_ids=torch.tensor([ids]), encoder_hidden_states=states, is_decoder=True)
        steps.append({"picture": i, "ids": ids, "logits": out.logits[0]})
    return steps


@torch.no_grad()
def answer_steps(model, pixels, questions, texts, first):
    steps = []
    for i in range(4):
        states = model.vision_model(pixel_values=pixels[i : i + 1]).last_hidden_state
        q = i % len(questions)
        asked = [first[1], *questions[q][1:]]
        coded = model.text_encoder(input_ids=torch.tensor([asked]), encoder_hidden_states=states).last_hidden_state
        ids = texts[i][:6]
        out = model.text_decoder(input_ids=torch.tensor([ids]), encoder_hidden_states=coded, is_decoder=True)
        steps.append({"picture": i, "question": q, "first": first[0], "ids": ids, "logits": out.logits[0]})
    return steps


CAPTIONS = {
    "greedy": {},
    "greedy cut short": {"max_length": 5},
    "greedy, prompt": {"prompt": True},
    "greedy, repetition penalty": {"repetition_penalty": 1.3, "prompt": True},
    "beam": {"num_beams": 3},
    "beam, prompt, as BLIP": {"num_beams": 3, "min_length": 5, "prompt": True},
    "beam, min length": {"num_beams": 3, "min_length": 9, "max_length": 16},
    "beam, repetition penalty": {"num_beams": 3, "repetition_penalty": 1.1, "prompt": True},
    "beam of five, length penalty": {"num_beams": 5, "length_penalty": 2.0, "max_length": 12},
    "beam, short texts": {"num_beams": 3, "length_penalty": -1.0},
    "beam, early stopping": {"num_beams": 4, "early_stopping": True},
}

ANSWERS = {
    "greedy": {"first": "cls"},
    "beam": {"first": "cls", "num_beams": 3},
    "beam, as BLIP": {"first": "enc", "num_beams": 3, "min_length": 1, "max_length": 10},
    "greedy, min length": {"first": "enc", "min_length": 6, "max_length": 12},
}


def captioning(model, tokens, special, pixels):
    double = copy.deepcopy(model).double()
    begin = model.config.text_config.bos_token_id
    prompt = [begin, *layouts.encode(tokens, PROMPT, 30)[0][1:-1]]
    searches = []
    for name, case in CAPTIONS.items():
        options = DEFAULTS | {k: v for k, v in case.items() if k != "prompt"}
        start = prompt if case.get("prompt") else [begin]
        ids = same(caption(model, pixels, start, options), caption(double, pixels.double(), start, options), name)
        searches.append({"name": name, "options": options, "prompt": start, "ids": ids})
    return {"steps": caption_steps(model, pixels, searches[0]["ids"]), "generate": searches}


def answering(model, tokens, special, pixels, clean):
    double = copy.deepcopy(model).double()
    texts = [shared.clean_question(q) if clean else q for q in QUESTIONS]
    coded = [layouts.encode(tokens, t, 32)[0] for t in texts]
    asked = [i % len(QUESTIONS) for i in range(len(pixels))]
    searches = []
    for name, case in ANSWERS.items():
        options = DEFAULTS | {k: v for k, v in case.items() if k != "first"}
        rows = [[special[case["first"]], *coded[q][1:]] for q in asked]
        ids = same(answer(model, pixels, rows, options), answer(double, pixels.double(), rows, options), name)
        searches.append({"name": name, "options": options, "questions": asked, "first": case["first"], "ids": ids})
    steps = []
    for first in ("cls", "enc"):
        steps += answer_steps(model, pixels, coded, searches[0]["ids"], (first, special[first]))
    return {"questions": QUESTIONS, "question_ids": coded, "steps": steps, "generate": searches}


def expected(model, tokens, task, size, clean=False):
    special = shared.specials(tokens)
    names, pixels = see(size)
    cfg = model.config
    out = {
        "task": task,
        "versions": shared.versions(),
        "image_size": size,
        "vision_eps": cfg.vision_config.layer_norm_eps,
        "special": special,
        "clean": clean,
        "begin": cfg.text_config.bos_token_id,
        "end": cfg.text_config.sep_token_id,
        "pad": cfg.text_config.pad_token_id,
        "pictures": names,
    }
    made = captioning(model, tokens, special, pixels) if task == "captioning" else answering(model, tokens, special, pixels, clean)
    report(task, made["generate"])
    return out | made


def report(task, searches):
    for s in searches:
        lengths = sorted(map(len, s["ids"]))
        print(f"    {s['name']:30} {len(set(map(tuple, s['ids']))):2} texts, lengths {lengths}")


def halve(model):
    """Half the size on disk. The values that the reference computes with are those of the file."""
    return model.half().float()


def state_of(model, tied):
    state = {k: v.half() for k, v in model.state_dict().items()}
    drop = [f"text_decoder.cls.predictions.decoder.{part}" for part in ("weight", "bias")] if tied else []
    return {k: v.clone() for k, v in state.items() if k not in drop}


def fresh(name, tokens, size, file="vocab.txt"):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    if file == "vocab.txt":
        layouts.write_vocabulary(folder / file, tokens)
    return folder


def cg_tied():
    tokens = vocab.plain()
    cfg = models.config(len(tokens) + 2, shared.specials(tokens), 128, 32)
    model = halve(models.draw(BlipForConditionalGeneration, cfg, SEEDS["cg-tied"], tied=True))
    folder = fresh("cg-tied", tokens, 32)
    safetensors.torch.save_file(state_of(model, True), folder / "model.safetensors", {"format": "pt"})
    layouts.write_json(folder / "config.json", cfg.to_dict() | {"architectures": ["BlipForConditionalGeneration"]})
    layouts.write_json(folder / "generation_config.json", {"max_length": 24, "num_beams": 1, "transformers_version": "5.23.0"})
    layouts.write_preprocessor(folder / "preprocessor_config.json", {"height": 32, "width": 32})
    shared.loads(folder, model, {})
    shared.write_expected(folder / "expected.json", expected(model, tokens, "captioning", 32))


def cg_untied():
    tokens = vocab.gapped(("[DEC]", "[ENC]"))
    cfg = models.config(len(tokens), shared.specials(tokens), 192, 32)
    cfg.tie_word_embeddings = cfg.text_config.tie_word_embeddings = False
    model = halve(models.draw(BlipForConditionalGeneration, cfg, SEEDS["cg-untied"], tied=False))
    folder = fresh("cg-untied", tokens, 32)
    safetensors.torch.save_file(state_of(model, False), folder / "model.safetensors", {"format": "pt"})
    layouts.write_json(folder / "config.json", shared.sparse_config(cfg, "BlipForConditionalGeneration"))
    layouts.write_preprocessor(folder / "preprocessor_config.json", 32)
    shared.loads(folder, model, {"num_attention_heads": 2})
    shared.write_expected(folder / "expected.json", expected(model, tokens, "captioning", 32))


def cg_bin():
    """The layout of the 2022 Hub files."""
    tokens = vocab.gapped()
    cfg = models.config(len(tokens) + 2, shared.specials(tokens), 128, 32)
    model = halve(models.draw(BlipForConditionalGeneration, cfg, SEEDS["cg-bin"], tied=True))
    folder = fresh("cg-bin", tokens, 32)
    state = collections.OrderedDict((k, v.half()) for k, v in model.state_dict().items())
    head = "text_decoder.cls.predictions.decoder.weight"
    state[head] = state[head].clone()
    state["text_decoder.bert.embeddings.position_ids"] = torch.arange(32).expand((1, -1))
    torch.save(state, folder / "pytorch_model.bin")
    old = {"max_length": 20, "min_length": 0, "num_beams": 1, "repetition_penalty": 1.0, "length_penalty": 1.0}
    text = cfg.text_config.to_dict() | old
    layouts.write_json(folder / "config.json", {"model_type": "blip", "text_config": text, "vision_config": cfg.vision_config.to_dict()})
    layouts.write_preprocessor(folder / "preprocessor_config.json", 32)
    shared.write_expected(folder / "expected.json", expected(model, tokens, "captioning", 32))


def vqa():
    tokens = vocab.plain()
    cfg = models.config(len(tokens) + 2, shared.specials(tokens), 128, 32)
    cfg.tie_word_embeddings = cfg.text_config.tie_word_embeddings = False
    model = halve(models.draw(BlipForQuestionAnswering, cfg, SEEDS["vqa"], tied=False))
    folder = fresh("vqa", tokens, 32, "tokenizer.json")
    layouts.write_tokenizer_json(folder / "tokenizer.json", tokens)
    safetensors.torch.save_file(state_of(model, False), folder / "model.safetensors", {"format": "pt"})
    layouts.write_json(folder / "config.json", cfg.to_dict() | {"architectures": ["BlipForQuestionAnswering"]})
    layouts.write_preprocessor(folder / "preprocessor_config.json", 32)
    shared.loads(folder, model, {})
    shared.write_expected(folder / "expected.json", expected(model, tokens, "answering", 32))


def original(cls, name, task, seed):
    """A .pth stored for 32 px and used at another size, with what a training leaves beside the weights."""
    tokens, size = vocab.gapped(), 48 if task == "captioning" else 32
    args = (len(tokens) + 2, shared.specials(tokens), 192)
    stored = halve(models.draw(cls, models.config(*args, 32), seed, tied=task == "captioning"))
    folder = fresh(name, tokens, size)
    state = collections.OrderedDict((layouts.original_name(k), v.half()) for k, v in stored.state_dict().items())
    for tower in {k.split("embeddings.")[0] for k in state if k.startswith("text_")} & {"text_encoder.", "text_decoder.bert."}:
        state[tower + "embeddings.position_ids"] = torch.arange(32).expand((1, -1))
    state["text_decoder_m.bert.embeddings.LayerNorm.weight"] = state["text_decoder.bert.embeddings.LayerNorm.weight"] + 1
    state["visual_encoder_m.norm.weight"] = state["visual_encoder.norm.weight"] + 1
    torch.save({"model": state, "config": {"image_size": 32, "vit": "base"}, "epoch": 1}, folder / "model.pth")
    layouts.write_json(folder / "med_config.json", layouts.original_config(stored.config))
    model = models.draw(cls, models.config(*args, size, layer_norm_eps=1e-6), seed, tied=task == "captioning")
    weights, position = stored.state_dict(), "vision_model.embeddings.position_embedding"
    if size != 32:
        cells = torch.empty(1, (size // 8) ** 2 + 1, 192)
        with torch.no_grad():
            weights[position] = stored.vision_model.embeddings.interpolate_pos_encoding(cells, size, size)
    model.load_state_dict(weights)
    shared.write_expected(folder / "expected.json", expected(model, tokens, task, size, clean=task == "answering"))


def caption_pth():
    original(BlipForConditionalGeneration, "caption-pth", "captioning", SEEDS["caption-pth"])


def vqa_pth():
    original(BlipForQuestionAnswering, "vqa-pth", "answering", SEEDS["vqa-pth"])


# (seed, what the end token's logit gains), found by trying: texts of several lengths that differ by picture.
SEEDS = {
    "cg-tied": (6, 8.0),
    "cg-untied": (7, 8.0),
    "cg-bin": (7, 11.0),
    "vqa": (6, 7.0),
    "caption-pth": (7, 15.0),
    "vqa-pth": (2, 11.0),
}
MAKERS = {
    "cg-tied": cg_tied, "cg-untied": cg_untied, "cg-bin": cg_bin, "vqa": vqa, "caption-pth": caption_pth, "vqa-pth": vqa_pth,
}  # fmt: skip


def main():
    torch.set_num_threads(1)  # such small products take longer on several
    for name in sys.argv[1:] or MAKERS:
        print(name)
        MAKERS[name]()


if __name__ == "__main__":
    main()
