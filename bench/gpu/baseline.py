"""What transformers computes and how long it takes, for bench/gpu.

    baseline.py checkpoint OUT [--tiny]     a BLIP-base retrieval model with random weights, as a Hugging Face folder
    baseline.py reference CHECKPOINT OUT    float32 results on this device, TF32 off, as raw files
    baseline.py time CHECKPOINT [--quick]   float16 on this device, JSON on standard output

Timed is transformers' own code with what a careful user adds to it: patch states kept, float16, inference mode. The
states lie on the device already ("resident"), or come from ordinary host memory for each call, as int8 states come to
Sightline ("host"). BLIP in transformers has no fused attention (5.17 and 5.23: _supports_sdpa is False).
"""

import argparse
import json
import pathlib
import sys
import time

import numpy
import torch
import transformers
from transformers import BlipForImageTextRetrieval

PICTURES = 8
LENGTHS = (8, 16, 35)
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def vocabulary(words):
    special = {0: "[PAD]", 1: "[UNK]", 2: "[CLS]", 3: "[SEP]", 4: "[MASK]"}
    return "".join(special.get(i, f"word{i}") + "\n" for i in range(words))


def checkpoint(out, tiny):
    sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "encoder/testdata/parity"))
    import weights  # noqa: PLC0415

    words = 30522
    special = {"dec": words, "enc": words + 1, "sep": 3, "pad": 0}
    vision, text = {"image_size": 384}, {"num_attention_heads": 12}
    if tiny:
        size = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 256}
        vision, text = {"image_size": 96, **size}, dict(size)
    config = weights.config(words + 2, special, vision, text, 256)
    # Unlike the models of the parity tests these need not show a wrong eps.
    model = weights.draw(config, 7, weights.Gains(vision_residual=1, embedding=1))
    model.save_pretrained(out)
    (out / "vocab.txt").write_text(vocabulary(words))
    (out / "preprocessor_config.json").write_text(json.dumps({"size": vision["image_size"]}))


def load(path, dtype):
    return BlipForImageTextRetrieval.from_pretrained(path, dtype=dtype).to(DEVICE).eval()


def ids(model, length, first):
    """[CLS] or [ENC], words, [SEP]."""
    words = [10 + 7 * i for i in range(length - 2)]
    return torch.tensor([[first, *words, 3]], device=DEVICE)


def match(model, tokens, states):
    """Logits [B,2] of texts [B,L] and patch states [B,N,D]."""
    hidden = model.text_encoder(
        input_ids=tokens,
        attention_mask=torch.ones_like(tokens),
        encoder_hidden_states=states,
        encoder_attention_mask=torch.ones(states.shape[:2], dtype=torch.long, device=states.device),
        return_dict=True,
    ).last_hidden_state
    return model.itm_head(hidden[:, 0, :])


def text(model, tokens):
    hidden = model.text_encoder(input_ids=tokens, attention_mask=torch.ones_like(tokens), return_dict=True).last_hidden_state
    return torch.nn.functional.normalize(model.text_proj(hidden[:, 0, :]), dim=-1)


def see(model, pixels):
    states = model.vision_model(pixel_values=pixels)[0]
    return torch.nn.functional.normalize(model.vision_proj(states[:, 0, :]), dim=-1), states


def write(path, values):
    numpy.ascontiguousarray(values.cpu().numpy()).tofile(path)


def relative(got, want):
    return float((got.float() - want).norm() / want.norm())


def reference(path, out):
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    out.mkdir(parents=True, exist_ok=True)
    exact, half = load(path, torch.float32), load(path, torch.float16 if DEVICE == "cuda" else torch.bfloat16)
    side, enc = exact.config.vision_config.image_size, exact.config.text_config.vocab_size - 1
    pixels = torch.randn(PICTURES, 3, side, side, generator=torch.Generator().manual_seed(1)).to(DEVICE)
    embedding, states = see(exact, pixels)
    e16, s16 = see(half, pixels.to(half.dtype))
    for name, values in {"pixels": pixels, "embedding": embedding, "states": states}.items():
        write(out / f"{name}.f32", values)
    drift = {"picture embedding": relative(e16, embedding), "patch states": relative(s16, states)}
    for n in LENGTHS:
        itc, itm = ids(exact, n, 2), ids(exact, n, enc).repeat(PICTURES, 1)
        write(out / f"ids_{n}.i64", itc)
        embedded, logits = text(exact, itc), match(exact, itm, states)
        write(out / f"text_{n}.f32", embedded)
        write(out / f"logits_{n}.f32", logits)
        write(out / f"logits_{n}_0.f32", logits[:1])
        drift[f"text embedding L={n}"] = relative(text(half, itc), embedded)
        drift[f"match logits L={n}"] = relative(match(half, itm, s16), logits)
    print(json.dumps({"relative difference of transformers' own " + str(half.dtype): drift}, indent=1))


class Meter:
    def __init__(self, quick):
        self.budget, self.least = (0, 2) if quick else (0.5, 10)
        self.records = []

    def measure(self, record, work):
        for _ in range(3):
            work()
        self.wait()
        times, begin = [], time.perf_counter()
        while len(times) < self.least or time.perf_counter() - begin < self.budget:
            at = time.perf_counter()
            work()
            self.wait()
            times.append(time.perf_counter() - at)
        total = time.perf_counter() - begin
        times.sort()
        p50, p95 = (times[int(share * (len(times) - 1))] * 1e3 for share in (0.5, 0.95))
        rate = len(times) * record["batch"] / total
        self.records.append({**record, "runs": len(times), "p50_ms": p50, "p95_ms": p95, "per_second": rate})

    @staticmethod
    def wait():
        if DEVICE == "cuda":
            torch.cuda.synchronize()


def timings(path, quick, short):
    dtype = torch.float16 if DEVICE == "cuda" else torch.bfloat16
    model, meter = load(path, dtype), Meter(quick)
    time_vision(model, meter, () if short else (1,) if quick else (1, 8, 32))
    for n in () if short else (8, 16):
        for batch in (1, 32):
            tokens = ids(model, n, 2).repeat(batch, 1)
            meter.measure({"pass": "text", "length": n, "batch": batch}, lambda tokens=tokens: text(model, tokens).cpu())
    for n in LENGTHS:
        for batch in (4,) if quick else (32, 128) if short else (32, 64, 128):
            time_match(model, meter, n, batch)
    card = torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu"
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    print(json.dumps({"device": card, "dtype": str(dtype), **versions, "records": meter.records}, indent=1))


def time_vision(model, meter, batches):
    side = model.config.vision_config.image_size
    for batch in batches:
        host = torch.randn(batch, 3, side, side)
        near = host.to(DEVICE, model.dtype)
        meter.measure({"pass": "vision resident", "batch": batch}, lambda near=near: see(model, near))

        def whole(host=host):
            embedding, states = see(model, host.to(DEVICE).to(model.dtype))
            return embedding.float().cpu(), states.float().cpu()

        meter.measure({"pass": "vision host", "batch": batch}, whole)


def time_match(model, meter, length, batch):
    v = model.config.vision_config
    tokens = ids(model, length, model.config.text_config.vocab_size - 1).repeat(batch, 1)
    host = torch.randn(batch, (v.image_size // v.patch_size) ** 2 + 1, v.hidden_size).to(model.dtype)
    near = host.to(DEVICE)
    record = {"length": length, "batch": batch}
    meter.measure({"pass": "match resident", **record}, lambda: match(model, tokens, near).cpu())
    meter.measure({"pass": "match host", **record}, lambda: match(model, tokens, host.to(DEVICE)).cpu())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("checkpoint", "reference", "time"))
    parser.add_argument("paths", nargs="+", type=pathlib.Path)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--quick", action="store_true", help="few runs, one batch")
    parser.add_argument("--short", action="store_true", help="match only, of fewer batches")
    a = parser.parse_args()
    transformers.logging.set_verbosity_error()
    with torch.inference_mode():
        if a.command == "reference":
            reference(a.paths[0], a.paths[1])
        elif a.command == "time":
            timings(a.paths[0], a.quick, a.short)
    if a.command == "checkpoint":
        checkpoint(a.paths[0], a.tiny)


if __name__ == "__main__":
    main()
