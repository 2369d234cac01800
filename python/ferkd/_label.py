"""Labels images with a PyTorch model."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
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
        model: Gives logits (N, outputs) of pictures (N, 3, side, side). It is put into evaluation mode.
        images: Class folders, one flat folder, or tar archives of either.
        out: The store's folder.
        transform: Makes a tensor (3, H, W) of a PIL picture that is one region, cropped, resized to `side` x `side` by
            Pillow and mirrored. Without it the core cuts, resizes and normalises (no Pillow is needed).
        classes: The model's classes in the order of its outputs: a list, a file with one a line, or "imagenet".
        device: Where the model runs; where its parameters are, if left out.
        batch: Regions that go through the model at once.
        ahead: Images that are cut while the model works.
        progress: Called with the images that are labelled and all images.
        **settings: Those of `StoreWriter`. What a timm model says of its input (side, interpolation, mean, std) and
            its name are taken from it where they are not given, and so is the checksum of the weights.

    Returns:
        The store.

    Raises:
        ValueError: Settings, classes or a store that do not go together; logits that are not finite.
        OSError: Another writer, or the system refused.
    """
    import torch

    if batch < 1 or ahead < 1:
        raise ValueError("batch, ahead: invalid value: expected at least 1")
    place = torch.device(device) if device is not None else _device_of(model)
    model = model.to(place).eval()
    settings = {**_described(model), **settings}
    with StoreWriter(out, images, classes, **settings) as writer, ThreadPoolExecutor(1) as cutter:
        total, missing = len(writer), writer.missing

        def cut(image: int) -> torch.Tensor:
            if transform is None:
                return torch.from_numpy(writer.pixels(image))
            return _transformed(writer, image, settings, transform)

        waiting = [cutter.submit(cut, image) for image in missing[:ahead]]
        for number, image in enumerate(missing):
            pixels = waiting.pop(0).result()
            if number + ahead < len(missing):
                waiting.append(cutter.submit(cut, missing[number + ahead]))
            with torch.inference_mode():
                parts = [model(part.to(place)).float().cpu() for part in pixels.split(batch)]
            writer.add(image, torch.cat(parts).numpy())
            if progress is not None:
                progress(total - len(missing) + number + 1, total)
    return Store(out)


def _device_of(model: torch.nn.Module) -> torch.device:
    import torch

    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


def _described(model: torch.nn.Module) -> dict[str, Any]:
    """What a model says of itself: timm's models carry their input's side, filter, mean and std."""
    said: Any = getattr(model, "pretrained_cfg", None) or getattr(model, "default_cfg", None) or {}
    found: dict[str, Any] = {
        "teacher": said.get("architecture") or type(model).__name__,
        "sha256": weights_sha256(model),
    }
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
    for name, tensor in model.state_dict().items():
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
