"""Decodes the labels of a store's first shard: python3 read_store.py STORE (default codec, K of 2 or more)."""

import json
import sys

import numpy as np

store = sys.argv[1]
manifest = json.load(open(f"{store}/manifest.json", encoding="utf-8"))
kept = manifest["label"]
if kept["codec"] == "full":
    sys.exit("a store of full labels: the field `p` of each record holds all probabilities")
labels = np.load(f"{store}/labels-00000.npy", mmap_mode="r")  # records of shape (images, regions)
tail = (labels["tail"] / 255) ** 2 / np.arange(2, kept["k"] + 1)
first = 1 - (labels["q1"] / 65535) ** 2 if manifest["format"] > 1 else labels["p1"] / 65535
top = np.minimum.accumulate(np.concatenate([first[..., None], tail], axis=-1), axis=-1)
rest = (1 - top.sum(axis=-1)) / (kept["classes"] - kept["k"])  # of each class that is not listed

names = open(f"{store}/names-00000.txt", encoding="utf-8", newline="\n").read().split("\n")[:-1]
for name, classes, p, other in zip(names, labels["class"][:, 0], top[:, 0], rest[:, 0]):
    pairs = {kept["class_names"][c]: round(float(q), 6) for c, q in zip(classes, p)}
    print(json.dumps({"image": name, "region": 0, "top": pairs, "each_other": round(float(other), 9)}))
