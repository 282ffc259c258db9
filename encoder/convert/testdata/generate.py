"""Writes positions.json: position embeddings interpolated by torch, as BLIP's
loader does (models/vit.py, interpolate_pos_embed), but in double precision:
torch's own float32 is off by up to 4e-6 on values of size 1.

    pip install torch==2.15.0 && python generate.py
"""

import json
import pathlib

import torch

torch.manual_seed(0)
cases = []
for source, target, width in [(4, 6, 3), (8, 12, 2), (14, 24, 1), (6, 4, 3), (24, 14, 1), (3, 1, 2), (1, 3, 2), (5, 5, 2)]:
    grid = torch.randn(1, source, source, width)
    wanted = torch.nn.functional.interpolate(
        grid.double().permute(0, 3, 1, 2), size=(target, target), mode="bicubic", align_corners=False
    ).permute(0, 2, 3, 1)
    cls = torch.randn(width)
    cases.append(
        {
            "from": source,
            "to": target,
            "width": width,
            "input": torch.cat([cls, grid.flatten()]).tolist(),
            "output": torch.cat([cls, wanted.float().flatten()]).tolist(),
        }
    )
pathlib.Path(__file__).with_name("positions.json").write_text(json.dumps(cases) + "\n")
