"""Writes tests/data/torch: small files of torch.save and what they hold, for the reader of PyTorch files.

    pip install torch numpy safetensors
    python tests/reference/torch_files.py

The committed files were made with torch 2.5.1. Tensors are views of every kind: permuted, sliced, with an offset,
sharing numbers; `expected.safetensors` holds the same values contiguously, as f32.
"""

import collections
import pathlib

import torch
from safetensors.torch import save_file

folder = pathlib.Path(__file__).parent.parent / "data" / "torch"
folder.mkdir(parents=True, exist_ok=True)
torch.manual_seed(5)

base = torch.randn(4, 3, 3, 2)
weights = collections.OrderedDict(
    permuted=base.permute(3, 2, 0, 1),
    sliced=base[1:3, :, ::2],
    offset=base.flatten()[7:12],
    tied=base,
    scalar=torch.tensor(0.25),
    empty=torch.empty(0, 3),
    half=torch.randn(3, 2).half().t(),
    brain=torch.randn(5).bfloat16(),
    double=torch.randn(2, 2, dtype=torch.float64),
    parameter=torch.nn.Parameter(torch.randn(2, 3).t()),
)
expected = {name: tensor.detach().float().contiguous().clone() for name, tensor in weights.items()}
save_file(expected, folder / "expected.safetensors")

weights["num_batches_tracked"] = torch.tensor(7)
weights["mask"] = torch.tensor([True, False])
parallel = collections.OrderedDict((f"module.{name}", tensor) for name, tensor in weights.items())
checkpoint = {"epoch": 3, "lr": 0.1, "best": None, "names": ["a", "b"], "state_dict": parallel}

torch.save(weights, folder / "zip.pth")
torch.save(weights, folder / "legacy.pth", _use_new_zipfile_serialization=False)
torch.save({"model": weights}, folder / "zip-protocol4.pth", pickle_protocol=4)
torch.save(checkpoint, folder / "checkpoint.pth")
torch.save(checkpoint, folder / "checkpoint-legacy.pth", _use_new_zipfile_serialization=False)
