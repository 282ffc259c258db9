"""Writes cider.json: what pycocoevalcap's Cider makes of some captions of the demo's language.

    pip install numpy && pip install --no-deps pycocoevalcap && python cider.py
"""

import json
import pathlib
import random

from pycocoevalcap.cider.cider_scorer import CiderScorer

WORDS = "a red blue green striped dotted mug bowl table handle rim with and on two small".split()


def text(draw):
    return " ".join(draw.choice(WORDS) for _ in range(draw.randint(1, 9)))


def case(seed):
    draw = random.Random(seed)
    references = [[text(draw) for _ in range(draw.randint(1, 5))] for _ in range(draw.randint(3, 12))]
    candidates = []
    for r in references:
        own = draw.choice(r).split()
        for _ in range(draw.randint(0, 3)):
            own[draw.randrange(len(own))] = draw.choice(WORDS)
        candidates.append(" ".join(own[: draw.randint(1, len(own))]))
    scorer = CiderScorer(n=4, sigma=6.0)
    for c, r in zip(candidates, references):
        scorer += (c, r)
    _, scores = scorer.compute_score()
    return {"candidates": candidates, "references": references, "scores": [round(float(s), 9) for s in scores]}


lines = [json.dumps(case(seed)) for seed in range(8)]
(pathlib.Path(__file__).parent / "cider.json").write_text("[" + ",\n".join(lines) + "]\n")
