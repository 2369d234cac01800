"""Labels images with a PyTorch model."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from ferkd._native import Store, StoreWriter

if TYPE_CHECKING:
    import torch


def label(
    model: torch.nn.Module,
    images: Union[str, os.PathLike[str]],
    out: Union[str, os.PathLike[str]],
    transform: Optional[Callable[[Any], torch.Tensor]] = None,
    *,
    classes: Union[str, os.PathLike[str], Iterable[str]] = "imagenet",
    device: Union[str, torch.device, None] = None,
    batch: int = 64,
    ahead: int = 2,
    progress: Optional[Callable[[int, int], None]] = None,
    **settings: Any,
) -> Store:
    """Labels every region of every image with a PyTorch model, into a label store.

    Interrupted at any moment, the same call goes on where it stopped, shard by shard.

    Args:
        model: Gives logits (N, outputs) of pictures (N, 3, side, side), or something that has them as `logits`, as
            transformers' models do. It works in evaluation mode, in the type of its parameters, and is left as it was.
        images: Class folders, one flat folder, or tar archives of either.
        out: The store's folder.
        transform: Makes a tensor (3, H, W) of a PIL picture that is one region, cropped, resized to `side` x `side` by
            Pillow and mirrored. Without it the core cuts, resizes and normalises (no Pillow is needed).
        classes: The model's classes in the order of its outputs: a list, a file with one a line, or "imagenet".
        device: Where the model runs; where its parameters are, if left out.
        batch: Regions that go through the model at once, of as many images of a shard as fit.
        ahead: Images beyond these that are cut while the model works.
        progress: Called with the images that are labelled and all images.
        **settings: Those of `StoreWriter`. What a timm model says of its input (side, interpolation, mean, std) and
            its name are taken from it where they are not given, and so is the checksum of the weights. Of a model that
            says nothing a warning names what is assumed.

    Returns:
        The store.

    Raises:
        TypeError: A model that gives something else than logits.
        ValueError: Settings, classes or a store that do not go together; logits that are not finite.
        OSError: Another writer, or the system refused.
    """
    import torch

    if batch < 1 or ahead < 1:
        raise ValueError("batch, ahead: invalid value: expected at least 1")
    at, dtype = _place_of(model)
    if device is not None:
        at = torch.device(device)
        model = model.to(at)
    settings = {**_described(model, settings, transform is None), **settings}
    with _evaluating(model), StoreWriter(out, images, classes, **settings) as writer, ThreadPoolExecutor(1) as cutter:
        total, missing = len(writer), writer.missing
        groups = _groups(missing, max(1, batch // writer.regions_per_image), writer.shard_images)
        ahead += len(groups[0]) if groups else 0

        def cut(image: int) -> torch.Tensor:
            if transform is None:
                return torch.from_numpy(writer.pixels(image))
            return _transformed(writer, image, settings, transform)

        waiting = [cutter.submit(cut, image) for image in missing[:ahead]]
        upcoming, done = iter(missing[ahead:]), total - len(missing)
        for group in groups:
            cuts = [waiting.pop(0).result() for _ in group]
            waiting += [cutter.submit(cut, image) for image in islice(upcoming, len(group))]
            with torch.inference_mode():
                parts = [_logits(model(part.to(at, dtype))) for part in torch.cat(cuts).split(batch)]
            for image, logits in zip(group, torch.cat(parts).split([len(pixels) for pixels in cuts])):
                writer.add(image, logits.numpy())
                done += 1
                if progress is not None:
                    progress(done, total)
    return Store(out)


def _groups(images: list[int], most: int, shard_images: int) -> list[list[int]]:
    """Images that go through the model together: neighbours of a shard.

    A run that goes on begins with whole shards, and so has the same ones.
    """
    groups: list[list[int]] = []
    for image in images:
        if not groups or image % shard_images % most == 0:
            groups.append([])
        groups[-1].append(image)
    return groups


def _place_of(model: torch.nn.Module) -> tuple[torch.device, torch.dtype]:
    """Where a model's parameters are, and of which type they are."""
    import torch

    tensors = [*model.parameters(), *model.buffers()]
    floats = [tensor.dtype for tensor in tensors if tensor.is_floating_point()]
    return tensors[0].device if tensors else torch.device("cpu"), floats[0] if floats else torch.float32


@contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode; each module has its own mode back afterwards."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _logits(output: Any) -> torch.Tensor:
    """A model's answer, on the CPU in float32."""
    import torch

    found = getattr(output, "logits", output)
    if not isinstance(found, torch.Tensor) or found.ndim != 2:
        what = f"a tensor of shape {tuple(found.shape)}" if isinstance(found, torch.Tensor) else type(output).__name__
        raise TypeError(f"invalid answer of the model, {what}: expected logits (N, outputs) (wrap the model)")
    return found.float().cpu()


def _unwrapped(model: torch.nn.Module) -> torch.nn.Module:
    """The model that `torch.compile`, `DataParallel` or `DistributedDataParallel` was given."""
    import torch

    parallel = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)
    while True:
        inner = model.module if isinstance(model, parallel) else getattr(model, "_orig_mod", None)
        if not isinstance(inner, torch.nn.Module):
            return model
        model = inner


def _described(model: torch.nn.Module, given: dict[str, Any], cut_by_core: bool) -> dict[str, Any]:
    """What a model says of itself: timm's models carry their input's side, filter, mean and std."""
    model = _unwrapped(model)
    said: Any = getattr(model, "pretrained_cfg", None) or getattr(model, "default_cfg", None) or {}
    found: dict[str, Any] = {
        "teacher": said.get("architecture") or type(model).__name__,
        "sha256": weights_sha256(model),
    }
    needed = ("side", "interpolation", "mean", "std") if cut_by_core else ("side", "interpolation")
    assumed = [name for name in needed if name not in given]
    if not said and assumed:
        known = "side 224, bicubic, ImageNet's mean and std" if cut_by_core else "side 224, bicubic"
        warnings.warn(
            f"{type(model).__name__} does not say what it was trained with: {known} are assumed "
            f"where {', '.join(assumed)} are not given",
            stacklevel=3,
        )
    if said.get("input_size"):
        found["side"] = int(said["input_size"][-1])
    if said.get("interpolation") in ("bilinear", "bicubic"):
        found["interpolation"] = said["interpolation"]
    for name in ("mean", "std"):
        if said.get(name):
            found[name] = [float(value) for value in said[name]]
    return found


def weights_sha256(model: torch.nn.Module) -> str:
    """SHA-256 of a model's weights: name, type, shape and bytes of each tensor of its state, in order.

    The same weights have the same checksum on every device.
    """
    import torch

    digest = hashlib.sha256()
    for name, tensor in _unwrapped(model).state_dict().items():
        # What a module keeps beside its tensors is no weight.
        if not isinstance(tensor, torch.Tensor):
            continue
        tensor = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _transformed(
    writer: StoreWriter, image: int, settings: dict[str, Any], transform: Callable[[Any], torch.Tensor]
) -> torch.Tensor:
    """Regions of an image, cut by Pillow: a tensor (M, 3, H, W)."""
    import torch

    from ferkd._pillow import cut, opened

    picture = opened(writer.image_bytes(image), settings.get("orientation", "apply"))
    side, filter = settings.get("side", 224), settings.get("interpolation", "bicubic")
    boxes, flips = writer.boxes(image)
    regions = [cut(picture, box, flip, side, filter) for box, flip in zip(boxes.tolist(), flips.tolist())]
    return torch.stack([transform(region) for region in regions])
