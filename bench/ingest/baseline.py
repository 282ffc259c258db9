"""The same pictures through Hugging Face transformers, for bench/ingest.

    baseline.py probe                                    versions, as JSON
    baseline.py time CHECKPOINT PICTURES [--dtype bfloat16] [--workers N] [--batch N]

Reads every picture of a folder from disk, prepares it with the checkpoint's own image processor and runs the vision
tower and its projection: embeddings and patch states, as an import has them, which are then dropped. Model and
processor are loaded and one batch is run before the clock starts. With --workers, files are read and prepared by
processes of their own, ahead of the model.
"""

import argparse
import json
import pathlib
import sys
import time


def probe():
    import PIL
    import torch
    import transformers
    from transformers import BlipForImageTextRetrieval, BlipImageProcessor  # noqa: F401

    versions = {"python": sys.version.split()[0], "torch": torch.__version__, "transformers": transformers.__version__, "pillow": PIL.__version__}
    try:
        import torchvision
    except ImportError:
        return versions
    return {**versions, "torchvision": torchvision.__version__}


class Pictures:
    """A map-style dataset of prepared batches."""

    def __init__(self, folder, processor, batch):
        files = sorted(p for p in folder.rglob("*") if p.suffix in (".png", ".jpg"))
        self.batches = [files[i : i + batch] for i in range(0, len(files), batch)]
        self.count, self.processor = len(files), processor

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, i):
        from PIL import Image

        images = [Image.open(path).convert("RGB") for path in self.batches[i]]
        return self.processor(images=images, return_tensors="pt")["pixel_values"]


def timed(a):
    import torch
    import transformers
    from transformers import AutoImageProcessor, BlipForImageTextRetrieval

    transformers.logging.set_verbosity_error()
    processor = AutoImageProcessor.from_pretrained(a.checkpoint)
    model = BlipForImageTextRetrieval.from_pretrained(a.checkpoint, dtype=torch.float32).eval()
    pictures = Pictures(a.pictures, processor, a.batch)
    half = a.dtype == "bfloat16"

    def see(pixels):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            states = model.vision_model(pixel_values=pixels)[0]
            return torch.nn.functional.normalize(model.vision_proj(states[:, 0, :]), dim=-1), states

    with torch.inference_mode():
        see(pictures[0])
        load = torch.utils.data.DataLoader(pictures, batch_size=None, num_workers=a.workers)
        begin, cpu, seen = time.perf_counter(), time.process_time(), 0
        for pixels in load:
            embedding, states = see(pixels)
            seen += len(states)
        seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    if seen != pictures.count or not torch.isfinite(embedding.float()).all():
        sys.exit(f"{seen} of {pictures.count} pictures, or an embedding that is no number")
    return {"pictures": seen, "seconds": seconds, "cpu_seconds": cpu, "threads": torch.get_num_threads(), "processor": type(processor).__name__}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("probe", "time"))
    parser.add_argument("checkpoint", nargs="?", type=pathlib.Path)
    parser.add_argument("pictures", nargs="?", type=pathlib.Path)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--batch", type=int, default=8)
    a = parser.parse_args()
    print(json.dumps(probe() if a.command == "probe" else timed(a)))


if __name__ == "__main__":
    main()
