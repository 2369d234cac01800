"""Writes tests/data/torch/kinds.pth: a checkpoint as training programs keep it, with objects of every kind that
`torch.load(weights_only=True)` takes beside the weights, which are wrapped twice and partly of 64 bits.

    pip install torch numpy
    python tests/reference/torch_checkpoint.py

The committed file was made with torch 2.15.0 and NumPy 2.4.
"""

import collections
import pathlib

import torch

folder = pathlib.Path(__file__).parent.parent / "data" / "torch"
averaged = collections.OrderedDict(
    {
        "n_averaged": torch.tensor(3),
        "module.model.double": torch.tensor([0.5, 2.0], dtype=torch.float64),
        "module.model.norm.num_batches_tracked": torch.tensor(7),
        "module.model.weight": torch.nn.Parameter(torch.tensor([[1.0, -1.0]])),
    }
)
last = {name: torch.zeros_like(tensor) for name, tensor in averaged.items()}
harmless = {
    "epoch": 3,
    "device": torch.device("cuda", 1),
    "dtype": torch.bfloat16,
    "shape": torch.Size([1, 2]),
    "seen": collections.Counter("aab"),
    "names": {"a", "b"},
    "bytes": bytearray(b"ab"),
    "complex": 1 + 2j,
    "complex tensor": torch.tensor([1 + 2j]),
    "layout": torch.strided,
    "rng": torch.get_rng_state()[:8].clone(),
    "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
}
whole = {**harmless, "state_dict": last, "model_ema": averaged}
torch.save(whole, folder / "kinds.pth")
torch.load(folder / "kinds.pth", weights_only=True)
