"""Trains the demo's BLIP. See README.md; `python train.py --help` lists the options."""

import argparse
import json
import math
import os
import signal
import time
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

import checkpoint
from data import Data, Recipe
from evaluate import Exam
from export import export
from losses import Draw, losses
from model import Blip, Shape

CLIP = 1.0  # gradient norm
BETAS = (0.9, 0.98)
WEIGHT_DECAY = 0.05
STATE = "state.pt"
LOSSES = ("itc", "itm", "lm", "ground")


def arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", type=Path, required=True, help="folder rendered with --split train --packed")
    p.add_argument("--val", type=Path, required=True, help="folder rendered with --split val --packed")
    p.add_argument("--out", type=Path, required=True, help="checkpoint, log and exports; a checkpoint there is resumed")
    p.add_argument("--processes", type=int, default=2, help="on a CPU: processes of one thread; with CUDA always 1")
    p.add_argument("--steps", type=int, default=3500, help="length of the schedule; may be raised on resuming")
    p.add_argument("--until", help="stop with a checkpoint at this UTC time, HH:MM")
    p.add_argument("--rate", type=float, default=2e-3, help="learning rate")
    p.add_argument("--adamw", action="store_true", help="AdamW for all weights")
    p.add_argument("--warm", type=int, default=100, help="steps of warm-up")
    p.add_argument("--cool", type=float, default=0.33, help="last share of the steps, in which the rate falls to 0")
    p.add_argument("--ease", type=int, default=600, help="steps until ITM's negatives are fully hard")
    p.add_argument("--lm", type=float, default=1.0, help="weight of the caption loss")
    p.add_argument("--ground", type=float, default=1.0, help="weight of the loss that says what stands where")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--float32", action="store_true", help="no bfloat16")
    p.add_argument("--save", type=float, default=3, help="minutes between checkpoints")
    p.add_argument("--examine", type=float, default=8, help="minutes between evaluations and exports")
    for kind in (Recipe, Shape):
        for f in fields(kind):
            if f.name not in ("vocabulary", "attributes"):
                p.add_argument("--" + f.name.replace("_", "-"), type=f.type, default=f.default)
    return p.parse_args()


def pick(kind, a, **more):
    """The dataclass kind, filled from the arguments of the same names."""
    return kind(**{f.name: getattr(a, f.name) for f in fields(kind) if hasattr(a, f.name) and f.name not in more}, **more)


def rate(step: int, a) -> float:
    """Warm-up, constant, linear to 0: while it is constant a run can be lengthened without having been wasted."""
    left = (a.steps - step) / max(1, a.steps * a.cool)
    return a.rate * min(1, (step + 1) / a.warm) * max(0.0, min(1.0, left))


def optimizers(model, a):
    """Muon for the matrices of the layers; AdamW for the rest, without decay.

    The rest: embeddings, projections to ITC and ITM, biases, norms, the
    temperature. Muon's rate is scaled to the size of AdamW's updates.
    """
    matrices, rest = [], []
    for name, value in model.named_parameters():
        (matrices if value.ndim == 2 and (".layer" in name or name.startswith("decoder.")) else rest).append(value)
    if a.adamw:
        groups = [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": rest}]
        return [torch.optim.AdamW(groups, lr=a.rate, betas=BETAS, weight_decay=0.0, fused=True)]
    return [
        torch.optim.Muon(matrices, lr=a.rate, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=a.rate, betas=BETAS, weight_decay=0.0, fused=True),
    ]


class Run:
    """One process of a training run. Process 0 alone writes, examines and decides when to stop."""

    def __init__(self, a, process: int):
        self.a, self.process = a, process
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.data = Data(a.data)
        self.recipe = pick(Recipe, a)
        shape = pick(Shape, a, vocabulary=len((a.data / "vocab.txt").read_text().splitlines()))
        torch.manual_seed(a.seed)
        state = checkpoint.load(a.out / STATE, self.device) if (a.out / STATE).exists() else None
        self.model = Blip(Shape(**state["shape"]) if state else shape).to(self.device)
        self.optimizers = optimizers(self.model, a)
        self.average = checkpoint.Average(self.model)
        self.step, self.best = 0, -1.0
        if state:
            self._restore(state)
        self.exam = Exam(Data(a.val), self.device) if process == 0 else None
        self.stop = False
        self.seen = dict.fromkeys(LOSSES, 0.0)
        self.since = self.saved = self.examined = time.monotonic()
        self.counted = self.step

    def _restore(self, state):
        self.model.load_state_dict(state["model"])
        for optimizer, held in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(held)
        self.average.load_state_dict(state["average"])
        self.step, self.best = state["step"], state["best"]

    def save(self):
        checkpoint.save(self.a.out / STATE, {
            "shape": self.model.shape.dict(),
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "average": self.average.state_dict(),
            "step": self.step,
            "best": self.best,
        })
        self.saved = time.monotonic()

    def log(self, **entry):
        entry = {"step": self.step, "time": round(time.time())} | entry
        line = json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in entry.items()})
        print(line, flush=True)
        with open(self.a.out / "log.jsonl", "a") as f:
            f.write(line + "\n")

    def once(self):
        """One step of the optimizer."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate(self.step, self.a)
        batch = self.data.batch(self.a.seed, self.step, self.process, self.recipe).to(self.device)
        generator = torch.Generator(self.device).manual_seed(hash((self.a.seed, self.step, self.process)))
        draw = Draw(generator, min(1.0, self.step / max(1, self.a.ease)))
        with torch.autocast(self.device, torch.bfloat16, enabled=not self.a.float32):
            found = losses(self.model, batch, draw, with_lm=self.a.lm > 0)
        self.model.zero_grad(set_to_none=True)
        found.total(lm=self.a.lm, ground=self.a.ground).backward()
        self._share()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        for optimizer in self.optimizers:
            optimizer.step()
        self.average.update(self.model)
        self.step += 1
        self._count(found)

    def _share(self):
        """Averages the gradients over the processes, and carries process 0's wish to stop to all."""
        if not dist.is_initialized():
            return
        grads = [p.grad for p in self.model.parameters() if p.grad is not None]
        wish = torch.tensor([float(self.stop and self.process == 0)])
        flat = torch.cat([g.flatten() for g in grads] + [wish])
        dist.all_reduce(flat)
        self.stop = flat[-1].item() > 0
        at = 0
        for g in grads:
            g.copy_(flat[at : at + g.numel()].view_as(g) / dist.get_world_size())
            at += g.numel()

    def _count(self, found):
        values = {name: getattr(found, name).item() for name in LOSSES}
        values |= {"right_" + kind: share.item() for kind, share in found.right.items()}
        if not math.isfinite(sum(values.values())):
            raise FloatingPointError(f"step {self.step}: a loss is not finite: {values}")
        for name, value in values.items():
            self.seen[name] = self.seen.get(name, 0.0) + value

    def report(self):
        """Means since the last report, and samples per second of all processes."""
        steps, now = self.step - self.counted, time.monotonic()
        processes = dist.get_world_size() if dist.is_initialized() else 1
        speed = steps * self.recipe.pictures * processes / (now - self.since)
        means = {name: value / steps for name, value in self.seen.items()}
        self.log(**means, temperature=self.model.log_temperature.exp().item(), speed=round(speed, 1))
        self.seen, self.since, self.counted = dict.fromkeys(self.seen, 0.0), now, self.step

    def examine(self):
        """Scores the averaged weights, and exports them when they are the best so far or the schedule is over.

        The last weights are not chosen by their marks: near the end these differ by less than their noise.
        """
        started = time.monotonic()
        model = Blip(self.model.shape).to(self.device).eval()
        model.load_state_dict(self.average.weights)
        with torch.autocast(self.device, torch.bfloat16, enabled=not self.a.float32):
            marks = self.exam(model)
        self.log(**marks, seconds=round(time.monotonic() - started, 1))
        if marks["mark"] >= self.best or self.step >= self.a.steps:
            self.best = max(self.best, marks["mark"])
            export(self.model.shape, self.average.weights, self.a.data / "vocab.txt", self.a.out / "export")
        self.examined = time.monotonic()
        self.since += self.examined - started  # not training time

    def housekeeping(self):
        """What process 0 does between steps."""
        if self.step % 50 == 0:
            self.report()
        now = time.monotonic()
        if now - self.examined > 60 * self.a.examine:
            self.examine()
        if now - self.saved > 60 * self.a.save:
            self.save()

    def train(self, deadline: float):
        while self.step < self.a.steps and not self.stop:
            self.once()
            if self.process == 0:
                self.housekeeping()
                self.stop = self.stop or time.time() > deadline
        if self.process == 0:
            self.save()
            self.examine()
            self.save()


def work(process: int, a, processes: int, deadline: float):
    torch.set_num_threads(1 if processes > 1 else torch.get_num_threads())
    if processes > 1:
        store = f"file://{(a.out / 'meeting').resolve()}"
        dist.init_process_group(
            "gloo", init_method=store, rank=process, world_size=processes, timeout=timedelta(minutes=30)
        )
    run = Run(a, process)
    for s in (signal.SIGTERM, signal.SIGINT):
        signal.signal(s, lambda *_: setattr(run, "stop", True) if process == 0 else None)
    run.train(deadline)
    if processes > 1:
        dist.destroy_process_group()


def deadline(clock: str | None) -> float:
    """The next time it is clock o'clock UTC, in seconds since the epoch."""
    if clock is None:
        return math.inf
    hours, minutes = map(int, clock.split(":"))
    now = time.time()
    at = now - now % 86400 + 3600 * hours + 60 * minutes
    return at if at > now else at + 86400


def main():
    a = arguments()
    a.out.mkdir(parents=True, exist_ok=True)
    Data(a.data), Data(a.val)  # reads the captions once, before the processes start
    processes = 1 if torch.cuda.is_available() else a.processes
    end = deadline(a.until)
    if processes == 1:
        work(0, a, 1, end)
        return
    (a.out / "meeting").unlink(missing_ok=True)
    context = mp.start_processes(work, (a, processes, end), processes, join=False, start_method="spawn")
    for s in (signal.SIGTERM, signal.SIGINT):
        signal.signal(s, lambda *_: os.kill(context.pids()[0], signal.SIGTERM))
    while not context.join():
        pass


if __name__ == "__main__":
    main()
