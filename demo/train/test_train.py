"""Tests of the training code on a small made-up data set: python -m unittest -v, in this folder."""

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
import torch

import checkpoint
import train
from data import Data, Recipe, augment
from export import export
from losses import contrastive, hard, inside, weigh
from matching import BESIDE, INSIDE, LEFT_OF, ON, OPEN, matches, matches_own
from model import Blip, Shape
from parity import differences
from records import build, records, specs

VECTOR = Path(__file__).parent.parent / "catalogue" / "testdata" / "matches.jsonl"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[DEC]", "[ENC]", "left", "of"] + [f"w{i}" for i in range(20)]


def shown(*objects, relations=()):
    """A record of objects given as (type, colour)."""
    return {"o": [[t, c, 0, 1, -1, -1] for t, c in objects], "r": list(relations)}


def said(*groups, relations=()):
    """A spec of groups given as (count, type, colour)."""
    return {"g": [[n, t, c, OPEN, OPEN, OPEN, OPEN] for n, t, c in groups], "r": list(relations)}


def write_lines(path: Path, values):
    path.write_text("".join(json.dumps(v) + "\n" for v in values))


def made_up(folder: Path, pictures=24, side=16):
    """Pictures of two halves in the shades of their types; captions name the left one and the right one."""
    rng = np.random.default_rng(0)
    types = np.array([rng.permutation(10)[:2] for _ in range(pictures)])
    types[1::2] = types[::2, ::-1]  # every second picture is the exchange of the one before
    pixels = np.zeros((pictures, side, side, 3), np.uint8)
    pixels[:, :, : side // 2], pixels[:, :, side // 2 :] = (types[:, None, None, i, None] * 25 for i in (0, 1))
    (folder / "pictures.u8").write_bytes(pixels.tobytes())
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    shows, says = [], []
    for i, (a, b) in enumerate(types.tolist()):
        record = shown((a, 0), (b, 0), relations=[[LEFT_OF, 0, 1]])
        boxes = [[0, 0, side // 2, side], [side // 2, 0, side, side]]
        shows.append({"id": f"p{i}", "family": i // 2, "record": record, "boxes": boxes})
        claim = lambda x, y: {
            "ids": [8 + x, 6, 7, 8 + y],
            "spec": said((0, x, OPEN), (0, y, OPEN), relations=[[LEFT_OF, 0, 1]]),
        }
        caption = {"kind": "relation", **claim(a, b), "neg": [{"kind": "left_right", **claim(b, a)}]}
        says.append({"id": f"p{i}", "captions": [caption]})
    write_lines(folder / "records.jsonl", shows)
    write_lines(folder / "captions.jsonl", says)


def options(folder: Path, steps: int, *more):
    """Arguments of a tiny run in folder."""
    argv = ["train", f"--data={folder}", f"--val={folder}", f"--out={folder / 'out'}", f"--steps={steps}"]
    argv += ["--processes=1", "--size=16", "--patch=8", "--vision-width=64", "--vision-layers=1", "--text-width=64"]
    argv += ["--text-layers=1", "--embedding=16", "--pictures=8", "--positions=8", "--float32", *more]
    with mock.patch("sys.argv", argv):
        return train.arguments()


class Matching(unittest.TestCase):
    def test_rule(self):
        row = shown((1, 5), (2, 6), relations=[[LEFT_OF, 0, 1]])
        three = shown((1, 5), (1, 5), (2, 6), relations=[[LEFT_OF, 0, 1], [LEFT_OF, 0, 2], [LEFT_OF, 1, 2]])
        pile = shown((1, 5), (2, 6), relations=[[ON, 0, 1]])
        left, beside = [[LEFT_OF, 0, 1]], [[BESIDE, 0, 1]]
        cases = [
            ("all named", said((0, 2, 6)), row, True),
            ("colour open", said((0, 2, OPEN)), row, True),
            ("colour of the other", said((0, 1, 6)), row, False),
            ("exchanged colours", said((0, 1, 6), (0, 2, 5)), row, False),
            ("left of", said((0, 1, 5), (0, 2, 6), relations=left), row, True),
            ("left of, exchanged", said((0, 2, 6), (0, 1, 5), relations=left), row, False),
            ("beside, said in reverse", said((0, 2, 6), (0, 1, 5), relations=beside), row, True),
            ("beside, but on", said((0, 1, 5), (0, 2, 6), relations=beside), pile, False),
            ("on", said((0, 1, 5), (0, 2, 6), relations=[[ON, 0, 1]]), pile, True),
            ("inside, but on", said((0, 1, 5), (0, 2, 6), relations=[[INSIDE, 0, 1]]), pile, False),
            ("two of them", said((2, 1, 5), (1, 2, OPEN)), three, True),
            ("two, but three are asked", said((3, 1, 5)), three, False),
            ("one, but two are there", said((1, 1, 5)), three, False),
        ]
        for name, spec, record, want in cases:
            with self.subTest(name):
                self.assertEqual(matches(specs([spec]), records([record]))[0, 0], want)
        every = matches(specs([c[1] for c in cases]), records([c[2] for c in cases]))
        self.assertEqual(every.diagonal().tolist(), [c[3] for c in cases])

    def test_catalogue_agrees(self):
        """The vector that the generator's own tests use: {"spec", "record", "match"} a line."""
        pairs = [json.loads(line) for line in VECTOR.read_text().splitlines()]
        found = matches_own(specs([p["spec"] for p in pairs]), records([p["record"] for p in pairs]))
        self.assertEqual(found.tolist(), [p["match"] for p in pairs])
        self.assertTrue(found.any() and not found.all())


class Reading(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        made_up(self.folder)

    def change(self, edit):
        path = self.folder / "captions.jsonl"
        captions = [json.loads(line) for line in path.read_text().splitlines()]
        edit(captions)
        write_lines(path, captions)

    def test_families_are_exchanges(self):
        pack = build(self.folder)
        self.assertEqual(np.bincount(pack.family).tolist(), [2] * 12)
        self.assertEqual((pack.side, pack.kinds), (16, ["left_right"]))

    def test_refuses_what_would_teach_the_opposite(self):
        def false_caption(c):
            c[3]["captions"][0]["spec"] = c[3]["captions"][0]["neg"][0]["spec"]

        def true_negative(c):
            c[3]["captions"][0]["neg"][0]["spec"] = c[3]["captions"][0]["spec"]

        for edit, message in ((false_caption, "false of their own"), (true_negative, "are true"), (lambda c: c[3].update(captions=[]), "no caption")):
            with self.subTest(message):
                made_up(self.folder)
                self.change(edit)
                with self.assertRaisesRegex(ValueError, message):
                    build(self.folder)


class Losses(unittest.TestCase):
    def test_hard_never_draws_a_true_column(self):
        generator = torch.Generator().manual_seed(0)
        true = torch.rand(50, 20, generator=generator) < 0.5
        true[:, 0] = False
        similarity = torch.randn(50, 20, generator=generator) + 50 * true
        for _ in range(20):
            for hardness in (0.0, 1.0):
                drawn = hard(similarity, true, generator, hardness)
                self.assertFalse(true[torch.arange(50), drawn].any())

    def test_second_true_picture_is_no_error(self):
        similarity = torch.tensor([[6.0, 9.0, 0.0], [9.0, 6.0, 0.0], [0.0, 0.0, 9.0]])
        alone, both = torch.eye(3, dtype=torch.bool), similarity > 1
        self.assertGreater(contrastive(similarity, alone), contrastive(similarity, both))

    def test_box_covers_its_patches(self):
        weight = inside(torch.tensor([[[0.25, 0.5, 0.75, 0.75], [0.0, 0.0, 0.125, 0.125], [0.0, 0.0, 0.0, 0.0]]]), 4)
        want = torch.zeros(3, 16)
        want[0, 9:11], want[1, 0] = 0.5, 1  # a box that is not there weighs nothing
        self.assertTrue(torch.allclose(weight[0], want))

    def test_unusable_rows_weigh_nothing(self):
        logits = torch.tensor([[0.0, 5.0], [0.0, 9.0], [9.0, 0.0]])
        kinds = {"true": 1, "exchange": 1, "text": 1}
        with_it, _ = weigh(logits, torch.ones(3), kinds)
        without, _ = weigh(logits, torch.tensor([1.0, 0.0, 1.0]), kinds)
        self.assertGreater(with_it, 1)
        self.assertLess(without, 0.1)


class Training(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        made_up(self.folder)
        (self.folder / "out").mkdir()
        torch.set_num_threads(1)

    def run_to(self, steps, *more):
        run = train.Run(options(self.folder, 40, *more), 0)
        with contextlib.redirect_stdout(io.StringIO()):
            while run.step < steps:
                run.once()
                run.step % 10 or run.report()
        return run

    def test_batch_depends_on_seed_step_and_process_only(self):
        data, recipe = Data(self.folder), Recipe(pictures=8)
        first, again, other = (data.batch(0, 3, p, recipe) for p in (0, 0, 1))
        self.assertTrue(torch.equal(first.pixels, again.pixels) and torch.equal(first.texts, again.texts))
        self.assertFalse(torch.equal(first.pixels, other.pixels))

    def test_captions_are_true_and_negatives_false(self):
        batch = Data(self.folder).batch(0, 0, 0, Recipe(pictures=8, captions=2))
        self.assertTrue(batch.true[torch.arange(16), torch.arange(16) % 8].all())
        self.assertTrue((batch.negatives[batch.false] != batch.texts[:8].repeat(2, 1)[batch.false]).any(1).all())

    def test_no_mirror(self):
        ramp = np.broadcast_to(np.arange(16, dtype=np.uint8)[None, None, :, None] * 9, (2, 16, 16, 3))
        for seed in range(30):
            moved, _ = augment(ramp, np.zeros((2, 1, 4)), np.random.default_rng(seed))
            self.assertTrue((moved[..., -1] > moved[..., 0]).all())

    def test_boxes_move_with_the_pixels(self):
        dot = np.zeros((2, 16, 16, 3), np.uint8)
        dot[:, 8:12, 4:8] = 255
        boxes = np.tile([4, 8, 8, 12], (2, 1, 1))
        for seed in range(30):
            moved, to = augment(dot, boxes, np.random.default_rng(seed))
            left, top, right, bottom = (to[0, 0] * 16).round().int().tolist()
            lit = moved[0, 0] > 0
            self.assertEqual((lit.sum().item(), lit[top:bottom, left:right].sum().item()), (16, 16))

    def test_resumed_run_equals_uninterrupted_one(self):
        whole = self.run_to(6).model.state_dict()
        self.run_to(3).save()
        resumed = self.run_to(6)
        for name, value in resumed.model.state_dict().items():
            self.assertTrue(torch.equal(value, whole[name]), name)

    def test_learns_left_and_right(self):
        run = self.run_to(500, "--rate=3e-3", "--warm=10", "--cool=0.4", "--ease=50", "--steps=500")
        marks = train.Exam(run.data)(run.model.eval())
        self.assertGreater(marks["left_right_itm"], 0.9)
        lines = [json.loads(line) for line in (self.folder / "out" / "log.jsonl").read_text().splitlines()]
        self.assertLess(lines[-1]["itm"], lines[0]["itm"])

    def test_broken_write_leaves_the_last_checkpoint(self):
        path = self.folder / "state.pt"
        checkpoint.save(path, {"step": 1})
        with mock.patch("torch.save", side_effect=OSError("disk full")), self.assertRaises(OSError):
            checkpoint.save(path, {"step": 2})
        self.assertEqual(checkpoint.load(path), {"step": 1})

    def test_export_equals_transformers(self):
        shape = Shape(vocabulary=len(WORDS), size=32, patch=8, vision_layers=2, text_layers=2, positions=16)
        torch.manual_seed(1)
        weights = Blip(shape).state_dict()
        export(shape, weights, self.folder / "vocab.txt", self.folder)
        for name, difference in differences(self.folder, shape, weights).items():
            self.assertLess(difference, 1e-4, name)


if __name__ == "__main__":
    unittest.main()
