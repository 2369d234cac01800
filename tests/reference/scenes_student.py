"""Three arms of configs/sweep-scenes.toml once more, by a student in PyTorch that shares no code with the program.

It reads the store's labels by numpy and its regions by the package `ferkd`; order, crops, mining, calibration, network,
optimizer, loss and evaluation are written anew after docs/method.md. Its draws differ, so that accuracies are to lie
within the seeds' spread of the program's, no nearer.

    ferkd demo --scenes 1 --out scenes
    ferkd label scenes --teacher digits --regions 16 --temperature 2 --out store
    pip install torch pillow ./python
    python3 tests/reference/scenes_student.py store scenes --epochs 48 --seeds 10
"""

import argparse
import json
import math
import pathlib

import ferkd
import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

SIDE, IMAGES, PER_IMAGE, PEAK, WARMUP = 16, 32, 2, 3.2e-2, 4
MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


class Block(torch.nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = conv(inputs, outputs, 3, stride)
        self.second = conv(outputs, outputs, 3, 1)
        same = stride == 1 and inputs == outputs
        self.shortcut = torch.nn.Identity() if same else conv(inputs, outputs, 1, stride)

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


def conv(inputs, outputs, kernel, stride):
    layer = torch.nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    torch.nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return torch.nn.Sequential(layer, torch.nn.BatchNorm2d(outputs))


def resnet8(width, classes):
    return torch.nn.Sequential(
        conv(3, width, 3, 1),
        torch.nn.ReLU(),
        Block(width, width, 1),
        Block(width, 2 * width, 2),
        Block(2 * width, 4 * width, 2),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4 * width, classes),
    )


def stored_labels(store):
    """Dense labels of all regions, float64 (images, M, C): marginal smoothing, as docs/label-store.md has it."""
    manifest = json.loads((store / "manifest.json").read_text("utf-8"))
    kept = manifest["label"]
    dense = []
    for shard in sorted(store.glob("labels-*.npy")):
        records = np.load(shard)
        tail = (records["tail"] / 255) ** 2 / np.arange(2, kept["k"] + 1)
        first = 1 - (records["q1"] / 65535) ** 2
        top = np.minimum.accumulate(np.concatenate([first[..., None], tail], axis=-1), axis=-1)
        rest = (1 - top.sum(axis=-1, keepdims=True)) / (kept["classes"] - kept["k"])
        labels = np.repeat(rest, kept["classes"], axis=-1)
        np.put_along_axis(labels, records["class"].astype(int), top, axis=-1)
        dense.append(labels)
    return np.concatenate(dense), kept["temperature"]


def pixels(picture):
    return ((np.asarray(picture, np.float32) / 255 - MEAN) / STD).transpose(2, 0, 1)


def crops(images, boxes, flips):
    """Every region once: float32 (images, M, 3, side, side)."""
    out = np.empty((len(images), boxes.shape[1], 3, SIDE, SIDE), np.float32)
    for i, image in enumerate(images):
        for r, (top, left, height, width) in enumerate(boxes[i]):
            cut = image.crop((left, top, left + width, top + height)).resize((SIDE, SIDE), Image.BILINEAR)
            out[i, r] = pixels(cut)[:, :, ::-1] if flips[i, r] else pixels(cut)
    return out


def held_out(folder):
    """Short side to round(side * 256 / 224), centre side."""
    pictures, truths = [], []
    for truth, of_class in enumerate(sorted(folder.iterdir())):
        for path in sorted(of_class.iterdir()):
            image = Image.open(path).convert("RGB")
            short = round(SIDE * 256 / 224)
            image = image.resize((short, short), Image.BILINEAR)  # scenes are square
            start = (short - SIDE) // 2
            pictures.append(pixels(image.crop((start, start, start + SIDE, start + SIDE))))
            truths.append(truth)
    return torch.tensor(np.stack(pictures)), torch.tensor(truths)


def kinds(confidence, quantiles=(0.02, 0.15, 0.98)):
    """0 discarded, 1 context, 2 important, 3 trivial: float64 (images, M) to int."""
    ordered = np.sort(confidence, axis=None)
    low, mid, high = (ordered[max(math.ceil(round(q * ordered.size, 6)), 1) - 1] for q in quantiles)
    return np.where(confidence < low, 0, np.where(confidence < mid, 1, np.where(confidence <= high, 2, 3)))


def softened(truth, classes, temperature, epsilon=0.1):
    p = np.full(classes, epsilon / (classes - 1))
    p[truth] = 1 - epsilon
    q = p ** (1 / temperature)
    return q / q.sum()


def arm(name, labels, truths, temperature):
    """Labels that a student learns from, which regions it may see, and its temperature."""
    everything = np.ones(labels.shape[:2], bool)
    if name == "hard":
        return np.broadcast_to(np.eye(labels.shape[2])[truths][:, None], labels.shape), everything, 1.0
    if name == "fkd":
        return labels, everything, temperature
    kind = kinds(labels.max(axis=2))
    adapted = labels.copy()
    for image, truth in enumerate(truths):
        adapted[image, kind[image] == 1] = softened(truth, labels.shape[2], temperature)
    seen = (kind == 1) | (kind == 2)
    seen[~seen.any(axis=1)] = True
    return adapted, seen, temperature


def train(name, data, epochs, seed):
    labels, truths, temperature, pictures, val = data
    labels, seen, temperature = arm(name, labels, truths, temperature)
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    model = resnet8(8, labels.shape[2])
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=PEAK, eps=1e-8)
    a_pass = math.ceil(len(pictures) / IMAGES)
    steps, warm = epochs // PER_IMAGE * a_pass, WARMUP // PER_IMAGE * a_pass
    for step in range(steps):
        if step % a_pass == 0:
            order = random.permutation(len(pictures))
        images = order[step % a_pass * IMAGES :][:IMAGES]
        # Without replacement where there are enough.
        chosen = [random.permutation(np.flatnonzero(seen[i]))[:PER_IMAGE] for i in images]
        chosen = [np.resize(regions, PER_IMAGE) for regions in chosen]
        rows, regions = np.repeat(images, PER_IMAGE), np.concatenate(chosen)
        x = torch.tensor(pictures[rows, regions])
        y = torch.tensor(labels[rows, regions], dtype=torch.float32)
        rate = step / warm if step < warm else (1 + math.cos(math.pi * (step - warm) / (steps - warm))) / 2
        for group in optimizer.param_groups:
            group["lr"] = PEAK * rate
        loss = -(y * F.log_softmax(model(x) / temperature, 1)).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        return (model(val[0]).argmax(1) == val[1]).float().mean().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=pathlib.Path)
    parser.add_argument("images", type=pathlib.Path)
    parser.add_argument("--epochs", type=int, default=48)
    parser.add_argument("--seeds", type=int, default=10)
    args = parser.parse_args()
    torch.set_num_threads(1)
    labels, temperature = stored_labels(args.store)
    store = ferkd.Store(args.store)
    entries = [store.image(i) for i in range(len(store))]
    truths = np.array([entry["class"] for entry in entries])
    boxes, flips = zip(*(store.regions(i) for i in range(len(store))))
    images = [Image.open(args.images / "train" / entry["name"]).convert("RGB") for entry in entries]
    pictures = crops(images, np.stack(boxes), np.stack(flips))
    data = labels, truths, temperature, pictures, held_out(args.images / "val")
    for name in ["hard", "fkd", "ferkd"]:
        found = [100 * train(name, data, args.epochs, seed) for seed in range(args.seeds)]
        spread = np.std(found, ddof=1) if len(found) > 1 else 0.0
        print(f"{name:<6} {np.mean(found):.1f} +- {spread:.1f}  ({' '.join(f'{a:.1f}' for a in found)})", flush=True)


if __name__ == "__main__":
    main()
