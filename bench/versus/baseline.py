"""What a user of Hugging Face transformers would run instead, for bench/versus.

    baseline.py probe                       versions, as JSON
    baseline.py serve CHECKPOINT INPUTS     a worker: one request a line on standard input, one answer a line

A request is {"job", "way", "batch", "texts": [[id, ...], ...], "seconds"}. The answer is {"ms": [...]}, each run of one
turn, or {"logits": [[no, match], ...]}, or {"error"}. The first turn of a job runs it once before the clock starts. INPUTS
has pixels.f32 and, as JPEG files, the same number of pictures.

Ways: "fp32" is the model as it is loaded. "bf16" runs it under torch.autocast, "bf16 weights" converts it. "int8" has its
Linears quantised by torch (dynamic, per tensor of activations), "compiled" and "bf16 compiled" its text encoder by
torch.compile.
"""

import argparse
import contextlib
import copy
import json
import os
import pathlib
import sys
import time


def probe():
    import torch
    import transformers
    from transformers import BlipForImageTextRetrieval  # noqa: F401

    versions = {"python": sys.version.split()[0], "torch": torch.__version__, "transformers": transformers.__version__}
    for name, package in (("pillow", "PIL"), ("torchvision", "torchvision")):
        with contextlib.suppress(ImportError):
            versions[name] = __import__(package).__version__
    return versions


class Baseline:
    def __init__(self, checkpoint, inputs):
        import torch
        import transformers

        transformers.logging.set_verbosity_error()
        self.torch, self.checkpoint, self.inputs = torch, checkpoint, inputs
        self.models = {"fp32": self.load(torch.float32)}
        side = self.models["fp32"].config.vision_config.image_size
        self.pixels = torch.from_file(str(inputs / "pixels.f32"), size=(inputs / "pixels.f32").stat().st_size // 4)
        self.pixels = self.pixels.reshape(-1, 3, side, side).clone()
        self.cached, self.warm, self.encoders = {}, set(), {}

    def load(self, dtype):
        from transformers import BlipForConditionalGeneration, BlipForImageTextRetrieval

        captions = self.checkpoint.name == "captioner"
        kind = BlipForConditionalGeneration if captions else BlipForImageTextRetrieval
        return kind.from_pretrained(self.checkpoint, dtype=dtype).eval()

    def model(self, way):
        """Weights of a way; bf16 and compiled ways share those that they start from."""
        kind = way if way in ("bf16 weights", "int8") else "fp32"
        if kind not in self.models and kind == "int8":
            quantize = self.torch.ao.quantization.quantize_dynamic
            self.models[kind] = quantize(copy.deepcopy(self.models["fp32"]), {self.torch.nn.Linear}, dtype=self.torch.qint8)
        elif kind not in self.models:
            self.models[kind] = self.load(self.torch.bfloat16)
        return self.models[kind]

    def encoder(self, way):
        """The text encoder of a way. Compiled for each shape on its first run."""
        if not way.endswith("compiled"):
            return self.model(way).text_encoder
        if way not in self.encoders:
            self.encoders[way] = self.torch.compile(self.model(way).text_encoder, dynamic=False)
        return self.encoders[way]

    def states(self, way, batch):
        """Patch states of that many pictures, kept from before the clock starts."""
        dtype = self.torch.bfloat16 if way.startswith("bf16") else self.torch.float32
        if (dtype, batch) not in self.cached:
            exact = self.models["fp32"].vision_model(pixel_values=self.pixels)[0].to(dtype)
            self.cached = {k: v for k, v in self.cached.items() if k[0] != dtype}  # the last batch of each dtype is kept
            self.cached[dtype, batch] = exact[self.torch.arange(batch) % len(exact)]
        return self.cached[dtype, batch]

    def tokens(self, texts, batch):
        ids = self.torch.tensor(texts)
        return ids if len(texts) == batch else ids.repeat(batch, 1)

    # Jobs: each returns what is run in a turn.

    def pair(self, r):
        """BlipForImageTextRetrieval as its documentation calls it: picture and text of every pair."""
        model, ids = self.model(r["way"]), self.tokens(r["texts"], r["batch"])
        pixels = self.pixels[self.torch.arange(r["batch"]) % len(self.pixels)].to(model.dtype)
        return lambda: model(input_ids=ids, pixel_values=pixels, attention_mask=self.torch.ones_like(ids), use_itm_head=True)[0]

    def match(self, r, states=None):
        """One text, many pictures whose states were kept: what is behind the vision tower in forward."""
        ids = self.tokens(r["texts"], r["batch"])
        states = self.states(r["way"], r["batch"]) if states is None else states
        encoder, head = self.encoder(r["way"]), self.model(r["way"]).itm_head

        def run():
            hidden = encoder(
                input_ids=ids,
                attention_mask=self.torch.ones_like(ids),
                encoder_hidden_states=states,
                encoder_attention_mask=self.torch.ones(states.shape[:2], dtype=self.torch.long),
            ).last_hidden_state
            return head(hidden[:, 0, :])

        return run

    def texts(self, r):
        """One picture whose states were kept, many texts: the states as a view, not a copy, of each."""
        return self.match(r, self.states(r["way"], 1).expand(r["batch"], -1, -1))

    def text(self, r):
        model, ids = self.model(r["way"]), self.torch.tensor(r["texts"])

        def run():
            hidden = model.text_encoder(input_ids=ids, attention_mask=self.torch.ones_like(ids)).last_hidden_state
            return self.torch.nn.functional.normalize(model.text_proj(hidden[:, 0, :]), dim=-1)

        return run

    def see(self, model, pixels):
        states = model.vision_model(pixel_values=pixels)[0]
        return self.torch.nn.functional.normalize(model.vision_proj(states[:, 0, :]), dim=-1), states

    def vision(self, r):
        model = self.model(r["way"])
        pixels = self.pixels[: r["batch"]].to(model.dtype)
        return lambda: self.see(model, pixels)[0]

    def picture(self, r):
        """From the bytes of JPEG files."""
        import io

        from PIL import Image
        from transformers import AutoImageProcessor

        model, processor = self.model(r["way"]), AutoImageProcessor.from_pretrained(self.checkpoint)
        files = [p.read_bytes() for p in sorted(self.inputs.glob("*.jpg"))[: r["batch"]]]

        def run():
            images = [Image.open(io.BytesIO(data)).convert("RGB") for data in files]
            return self.see(model, processor(images=images, return_tensors="pt")["pixel_values"].to(model.dtype))[0]

        return run

    def caption(self, r):
        """BlipForConditionalGeneration.generate as its documentation calls it, from pixels; 20 ids, as bench/versus/serve.go has it."""
        model, pixels = self.model(r["way"]), self.pixels[: r["batch"]]
        return lambda: model.generate(pixel_values=pixels, num_beams=r["beams"], min_length=20, max_length=20, do_sample=False)

    def write(self, r):
        """What is behind the vision tower in generate: patch states were kept."""
        model, states = self.model(r["way"]), self.states(r["way"], r["batch"])
        text = model.config.text_config
        begin = self.torch.full((r["batch"], 1), text.bos_token_id)
        return lambda: model.text_decoder.generate(
            input_ids=begin, eos_token_id=text.sep_token_id, pad_token_id=text.pad_token_id,
            encoder_hidden_states=states, encoder_attention_mask=self.torch.ones(states.shape[:2], dtype=self.torch.long),
            num_beams=r["beams"], min_length=20, max_length=20, do_sample=False,
        )  # fmt: skip

    def answer(self, r):
        torch, job = self.torch, r["job"]
        work = getattr(self, "match" if job == "logits" else job)(r)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=r["way"] in ("bf16", "bf16 compiled")):
            if job == "logits":
                return {"logits": work().float().tolist()}
            cell = json.dumps([r.get(k) for k in ("job", "way", "batch", "beams")] + [len(r["texts"] or []), len((r["texts"] or [[]])[0])])
            if cell not in self.warm:
                if not torch.isfinite(work().float()).all():
                    raise ValueError("a result is no number")
                self.warm.add(cell)
            times, begin = [], time.perf_counter()
            while not times or time.perf_counter() - begin < r["seconds"]:
                at = time.perf_counter()
                work()
                times.append(1e3 * (time.perf_counter() - at))
        return {"ms": times}


def serve(checkpoint, inputs, out):
    import torch

    with torch.inference_mode():
        baseline = Baseline(checkpoint, inputs)
        print(json.dumps({"capability": torch.backends.cpu.get_cpu_capability(), "threads": torch.get_num_threads()}), file=out, flush=True)
        for line in sys.stdin:
            try:
                answer = baseline.answer(json.loads(line))
            except Exception as e:  # the other ways go on
                answer = {"error": f"{type(e).__name__}: {e}".splitlines()[0][:300]}
            print(json.dumps(answer), file=out, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("probe", "serve"))
    parser.add_argument("checkpoint", nargs="?", type=pathlib.Path)
    parser.add_argument("inputs", nargs="?", type=pathlib.Path)
    a = parser.parse_args()
    # What libraries print must not stand between the answers.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if a.command == "probe":
        print(json.dumps(probe()), file=out, flush=True)
    else:
        serve(a.checkpoint, a.inputs, out)


if __name__ == "__main__":
    main()
