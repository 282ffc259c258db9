"""Writes the parity fixtures: small random BLIP models and what transformers computes with them.

    python generate.py              the three small models, into this folder
    python generate.py --base DIR   one random BLIP-base at full size, as DIR (safetensors) and DIR-bin (pickle)

See README.md for what each file is.
"""

import argparse
import json
import pathlib
import platform
import time

import numpy as np
import PIL
import safetensors
import tokenizers
import torch
import transformers

import attention
import checks
import layouts
import mutations
import pictures
import reference
import vocab
import weights

HERE = pathlib.Path(__file__).resolve().parent
STATE_PICTURES = 2


def specials(tokens):
    """Ids of the special tokens; [DEC] and [ENC] follow the vocabulary when it lacks them."""
    ids = {name: tokens.index(f"[{name.upper()}]") for name in ("pad", "unk", "cls", "sep", "mask")}
    for i, name in enumerate(("dec", "enc")):
        token = f"[{name.upper()}]"
        ids[name] = tokens.index(token) if token in tokens else len(tokens) + i
    return ids


def plain(value):
    """Tensors as lists; a float32 as the shortest decimal that reads back as the same float32."""
    if isinstance(value, torch.Tensor):
        return plain(value.tolist() if value.dtype == torch.float64 else value.numpy())
    if isinstance(value, np.ndarray):
        return [plain(v) for v in value]
    if isinstance(value, np.float32):
        return float(str(value))
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list) else value


def write_expected(path, value):
    """One key a line, so that a difference can be read."""
    lines = [f"{json.dumps(k)}: {json.dumps(plain(v), ensure_ascii=False)}" for k, v in value.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def versions():
    modules = (transformers, torch, tokenizers, safetensors, PIL, np)
    return {"python": platform.python_version()} | {m.__name__: m.__version__ for m in modules}


def limits(model, tokens, clean):
    cfg = model.config
    return {
        "versions": versions(),
        "image_size": cfg.vision_config.image_size,
        "vision_eps": cfg.vision_config.layer_norm_eps,
        "vision_heads": cfg.vision_config.num_attention_heads,
        "text_heads": cfg.text_config.num_attention_heads,
        "max_tokens": min(35, cfg.text_config.max_position_embeddings),
        "clean": clean,
        "special": specials(tokens),
    }


def expected(model, tokens, texts, files, **options):
    """The contents of expected.json. files are (name, pixels [1,3,S,S]) pairs."""
    out = limits(model, tokens, options.get("clean", False))
    cleaned = [vocab.clean_caption(t) if out["clean"] else t for t in texts]
    coded = [layouts.encode(tokens, t, out["max_tokens"]) for t in cleaned]
    ids, pixels = [c[0] for c in coded], torch.cat([p for _, p in files])
    names = [name for name, _ in files]
    out |= {"pictures": names, "pixels": [pixel_file(n) for n in names]}
    out |= {"texts": texts, "cleaned": cleaned, "ids": ids, "cut": [c[1] for c in coded]}
    single = reference.answers(model, ids, pixels, out["special"])
    double = reference.answers(reference.in_double(model), ids, pixels.double(), out["special"])
    out |= single
    out["states"] = reference.states(model, pixels[:STATE_PICTURES], names[:STATE_PICTURES])
    out["float64"] = {k: double[k] for k in ("cosines", "itm_enc", "itm_cls")}
    out["rounding"] = {k: float((single[k].double() - double[k]).abs().max()) for k in single}
    out["padding"] = float((single["itm_enc"] - single["itm_enc_padded"]).abs().max())
    if "extra" in options:
        out["mutations"] = mutations.table(model, ids, pixels, out["special"], options["extra"])
    return out


def report(name, out):
    spread = {k: (float(out[k].min()), float(out[k].max())) for k in ("itm_enc", "cosines")}
    rounding = {k: f"{v:.1e}" for k, v in out["rounding"].items()}
    print(name, "spread", spread, "rounding", rounding, f"padding {out['padding']:.1e}")
    for row, delta in out.get("mutations", {}).items():
        print(f"    {row:32} logit {delta['logit']:.2e}  cosine {delta['cosine']:.2e}")


def see(folder, size, names):
    """(name, pixels) of every picture; writes the pixels that the processor saw into folder/pixels."""
    seen = []
    for name in names:
        seen.append((name, pictures.pixels(HERE / "pictures" / name, size, folder / pixel_file(name))))
    return seen


def pixel_file(name):
    return f"pixels/{name.replace('.', '_')}.png"


def text_config(positions, **more):
    small = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 2}
    return small | {"max_position_embeddings": positions} | more


def vision_config(width, image, patch, **more):
    small = {"hidden_size": width, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": width // 64}
    return small | {"image_size": image, "patch_size": patch} | more


def small_hf_safetensors(names):
    folder = fresh("hf-safetensors")
    tokens = vocab.plain()
    cfg = weights.config(len(tokens) + 2, specials(tokens), vision_config(128, 64, 16), text_config(40), 32)
    model = weights.draw(cfg, 11, weights.Gains())
    layouts.save_hf_safetensors(model, folder, tokens, 64)
    checks.hf(folder, model)
    finish(folder, expected(model, tokens, vocab.TEXTS, see(folder, 64, names), extra={}))


def small_hf_bin(names):
    folder = fresh("hf-sparse-bin")
    tokens = vocab.gapped(("[DEC]", "[ENC]"))
    cfg = weights.config(len(tokens), specials(tokens), vision_config(192, 64, 8), text_config(24), 64)
    model = weights.draw(cfg, 12, weights.Gains())
    halve(model)
    layouts.save_hf_bin(model, folder, tokens, 64)
    checks.hf(folder, model)
    finish(folder, expected(model.float(), tokens, vocab.TEXTS, see(folder, 64, names), extra={}))


def halve(model):
    """Half the size on disk: the vision tower in float16, the text tower in bfloat16, norms and heads in float32."""
    model.vision_model.half()
    model.text_encoder.bfloat16()
    for name, module in model.named_modules():
        if "norm" in name.lower():
            module.float()


def small_original(names):
    folder = fresh("original-pth")
    tokens = vocab.gapped()
    args = (len(tokens) + 2, specials(tokens))
    stored = weights.draw(weights.config(*args, vision_config(128, 64, 8), text_config(64), 32), 13, weights.Gains())
    layouts.save_original(stored, folder, tokens)
    checks.original(folder, stored)
    used = weights.config(*args, vision_config(128, 96, 8, layer_norm_eps=1e-6), text_config(64), 32)
    model, embedding = enlarge(stored, used)
    extra = mutations.positions(12, embedding)
    finish(folder, expected(model, tokens, vocab.TEXTS, see(folder, 96, names), clean=True, extra=extra))


def enlarge(stored, cfg):
    """The stored weights in a model for larger pictures; also returns the stored position embedding."""
    model = transformers.BlipForImageTextRetrieval(cfg).eval()
    state = stored.state_dict()
    name = "vision_model.embeddings.position_embedding"
    embedding, size = state[name], cfg.vision_config.image_size
    patches = torch.empty(1, (size // cfg.vision_config.patch_size) ** 2 + 1, embedding.shape[2])
    with torch.no_grad():
        state[name] = stored.vision_model.embeddings.interpolate_pos_encoding(patches, size, size)
    model.load_state_dict(state)
    return model, embedding


def fresh(name):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    return folder


def finish(folder, out):
    report(folder.name, out)
    write_expected(folder / "expected.json", out)


def base(folder):
    """BLIP-base as published: ViT-B/16 at 384 px, 12 text layers, 30,524 tokens."""
    names = pictures.write_all(HERE / "pictures")
    names = [n for n in names if n in ("rgb.png", "exif6.jpg")]
    tokens = vocab.base()
    cfg = weights.config(len(tokens) + 2, specials(tokens), {}, {"num_attention_heads": 12}, 256)
    model = weights.draw(cfg, 14, BASE_GAINS)
    binary = folder.with_name(folder.name + "-bin")
    for each in (folder, binary):
        each.mkdir(parents=True, exist_ok=True)
    layouts.save_hf_safetensors(model, folder, tokens, 384)
    layouts.write_vocabulary(folder / "vocab.txt", tokens)
    layouts.save_hf_bin(model, binary, tokens, 384)
    checks.hf(binary, model)
    started = time.monotonic()
    out = expected(model, tokens, vocab.BASE_TEXTS, see(folder, 384, names))
    print(f"references took {time.monotonic() - started:.0f} s")
    finish(folder, out)
    see(binary, 384, names)
    write_expected(binary / "expected.json", out)


# Small biases and sharp attention, so that twelve layers do not make all pictures alike.
BASE_GAINS = weights.Gains(
    vision_residual=0.3,
    embedding=0.04,
    query_key=2.0,
    query_key_bias=0.2,
    value_bias=0.1,
    hidden=1.0,
    hidden_bias=0.3,
    hidden_mean=0.0,
    hidden_out=1.2,
    norm=0.1,
    head=3.0,
)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=pathlib.Path, metavar="DIR", help="write a full-size random model instead")
    options = parser.parse_args()
    if options.base:
        base(options.base)
        return
    names = pictures.write_all(HERE / "pictures")
    for make in (small_hf_safetensors, small_hf_bin, small_original):
        make(names)
    attention.write_all()


if __name__ == "__main__":
    main()
