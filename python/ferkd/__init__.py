"""FerKD for PyTorch: distillation from pre-generated soft labels.

- `Store`: reads a label store, mines its regions, adapts their labels.
- `label`: labels images with a PyTorch model; `StoreWriter`: the same with any model.
- `Batches`: what `ferkd train` feeds its student with, step by step, as numpy arrays.
- `ferkd.torch`: the same for a `DataLoader`, SelfMix on the device, and the loss.
"""

from ferkd._label import label
from ferkd._native import Batches, Store, StoreWriter, __version__, set_threads
from ferkd._types import Batch, Labels, Mining, Regions, Targets

KINDS = ("discarded", "context", "important", "trivial")
"""Names of the kinds that `Mining.kinds` and `Regions.kinds` number."""

__all__ = [
    "KINDS",
    "Batch",
    "Batches",
    "Labels",
    "Mining",
    "Regions",
    "Store",
    "StoreWriter",
    "Targets",
    "__version__",
    "label",
    "set_threads",
]
