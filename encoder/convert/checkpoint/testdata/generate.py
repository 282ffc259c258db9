"""Writes the small real checkpoints beside this file and expected.json.

Run it with PyTorch >= 2.1 and safetensors: python generate.py
The tests need neither: they read what is committed here.
"""

import json
import pathlib
from collections import OrderedDict

import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
expected = {}


def numbers(*shape, dtype=torch.float32, step=0.25):
    n = 1
    for s in shape:
        n *= s
    return ((torch.arange(n, dtype=torch.float32) - n // 2) * step).reshape(shape).to(dtype)


def note(file, tensors):
    expected[file] = {
        name: {
            "dtype": {
                torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
            }.get(t.dtype, str(t.dtype)),
            "shape": list(t.shape),
            "values": t.detach().to(torch.float32).flatten().tolist(),
        }
        for name, t in tensors.items()
    }


def save(file, obj, tensors, **kw):
    torch.save(obj, HERE / file, **kw)
    note(file, tensors)


half = torch.tensor([0.0, -0.0, 1.0, -2.5, 65504.0, 6.1035156e-05, 5.9604645e-08, -3.0517578e-05, 1 / 3], dtype=torch.float16)
plain = {
    "f32": numbers(3, 4),
    "f16": half,
    "bf16": numbers(2, 3, dtype=torch.bfloat16, step=1.5),
    "i64": torch.tensor([[0, 1, -7, 1 << 20]], dtype=torch.int64),
    "scalar": torch.tensor(0.07),
    "empty": torch.empty(0, 5),
}
save("plain.bin", plain, plain)
save("protocol4.bin", plain, plain, pickle_protocol=4)
save("protocol5.bin", plain, plain, pickle_protocol=5)

base = numbers(6, 5)
strided = {
    "base": base,                           # the shared storage itself
    "transposed": base.t(),
    "slice": base[1:5, 2:4],                # offset and gap
    "rows": base[2:4],                      # offset, no gap
    "column": base[:, 3],
    "permuted": numbers(2, 3, 4).permute(2, 0, 1),
    "expanded": torch.tensor([[1.0], [2.0]]).expand(2, 3),
    "half_transposed": numbers(2, 3, dtype=torch.float16).t(),
    "i64_step": torch.arange(10)[1::3],
}
save("strided.bin", strided, strided)


class Tied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(4, 3)
        self.head = torch.nn.Linear(3, 4)
        self.head.weight = self.embed.weight
        self.register_buffer("position_ids", torch.arange(5).expand((1, -1)))


torch.manual_seed(1)
model = Tied()
state = model.state_dict()
assert isinstance(state, OrderedDict) and state._metadata
save("tied_metadata.bin", state, state)
parameters = model.state_dict(keep_vars=True)
assert isinstance(parameters["head.weight"], torch.nn.Parameter)
save("parameters.bin", parameters, parameters)

optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
model.head(model.embed(torch.tensor([1, 2]))).sum().backward()
optimizer.step()
state = model.state_dict()
wrapper = {
    "model": state,
    "optimizer": optimizer.state_dict(),
    "config": {"image_size": 384, "vit": "base", "ckpt": None, "prompt": "a picture of ", "betas": (0.9, 0.999), "on": True, "ids": [1, 2, -3]},
    "epoch": 5,
    "big": 1 << 80,
}
save("training.pth", wrapper, state)
save("lightning.ckpt", {"state_dict": state, "epoch": 5, "loss": float("inf")}, state)

odd = {"f64": torch.ones(2, dtype=torch.float64), "bool": torch.tensor([True]), "u8": torch.ones(3, dtype=torch.uint8),
       "i8": torch.ones(3, dtype=torch.int8), "i16": torch.ones(3, dtype=torch.int16), "i32": torch.ones(3, dtype=torch.int32), "f32": torch.ones(1)}
save("other_types.bin", odd, odd)
save_file(odd, HERE / "other_types.safetensors")
note("other_types.safetensors", odd)

torch.serialization.set_crc32_options(False)
save("nocrc.bin", {"w": plain["f32"]}, {"w": plain["f32"]})
torch.serialization.set_crc32_options(True)

save_file(plain, HERE / "plain.safetensors", metadata={"format": "pt"})
note("plain.safetensors", plain)

torch.save({"w": plain["f32"]}, HERE / "legacy.pth", _use_new_zipfile_serialization=False)

(HERE / "expected.json").write_text(json.dumps(expected, separators=(",", ":")).replace("},", "},\n") + "\n")
