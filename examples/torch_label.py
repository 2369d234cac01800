"""Labels images with a timm model: python3 torch_label.py IMAGES STORE [--model resnet50] [--regions 200].

Stopped at any moment, the same command goes on where it was. What the model's input looks like (side, filter, mean,
standard deviation) and its name are timm's; labels are over all of its classes, or those of the class folders.
"""

import argparse

import timm
import torch

import ferkd

parser = argparse.ArgumentParser()
parser.add_argument("images")
parser.add_argument("store")
parser.add_argument("--model", default="resnet50")
parser.add_argument("--weights", help="a checkpoint, instead of timm's own weights")
parser.add_argument("--random", action="store_true", help="random weights: to try whether it works")
parser.add_argument("--classes", default="imagenet", help="a file with the model's classes, one a line")
parser.add_argument("--regions", type=int, default=200)
parser.add_argument("--batch", type=int, default=256)
args = parser.parse_args()

own = args.weights or args.random
model = timm.create_model(args.model, pretrained=not own, checkpoint_path=args.weights or "")
device = "cuda" if torch.cuda.is_available() else "cpu"


def progress(done: int, total: int) -> None:
    """Says how far it is."""
    if done % 100 == 0 or done == total:
        print(f"{done}/{total} images", flush=True)


store = ferkd.label(model, args.images, args.store, classes=args.classes, regions=args.regions, batch=args.batch,
                    device=device, progress=progress)  # fmt: skip
mining = store.mine()
print(store, "thresholds:", mining.thresholds, *mining.warnings, sep="\n")
for kind, count in zip(ferkd.KINDS, mining.counts):
    print(f"{kind}: {count} regions")
