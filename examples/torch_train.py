"""Trains torchvision's ResNet-18 from a label store: python3 torch_train.py IMAGES STORE [--epochs 100].

IMAGES is what was labelled, with val/ beside train/. Several GPUs: torchrun --nproc-per-node 4 torch_train.py ...
"""

import argparse
import os

import torch
import torchvision.transforms as T
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.models import resnet18

import ferkd
from ferkd.torch import Dataset, soft_cross_entropy

parser = argparse.ArgumentParser()
parser.add_argument("images")
parser.add_argument("store")
for name, default in [("epochs", 100), ("batch", 1024), ("side", 224), ("workers", 8)]:
    parser.add_argument(f"--{name}", type=int, default=default)
args = parser.parse_args()
if "RANK" in os.environ:
    torch.distributed.init_process_group()
    torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
device = "cuda" if torch.cuda.is_available() else "cpu"

data = Dataset(args.store, args.images, supervision="ferkd+selfmix", epochs=args.epochs, batch=args.batch,
               side=args.side, mix_on="device")  # fmt: skip
print(data.batches, "thresholds:", data.batches.thresholds, *data.batches.warnings, sep="\n")
model = resnet18(num_classes=data.num_classes).to(device)
trained = torch.nn.parallel.DistributedDataParallel(model) if data.world_size > 1 else model
optimizer = torch.optim.SGD(trained.parameters(), 0.1 * args.batch / 1024, momentum=0.9, weight_decay=1e-4)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(data))
for batch in DataLoader(data, batch_size=None, num_workers=args.workers, pin_memory=device == "cuda"):
    batch = batch.to(device).mixed()
    with torch.autocast(device, torch.bfloat16):
        logits = trained(batch.pixels)
    losses = soft_cross_entropy(logits, batch.targets, data.temperature, reduction="sum")
    optimizer.zero_grad()
    (losses * data.world_size / batch.total).backward()  # DDP averages over ranks
    optimizer.step()
    schedule.step()
    if batch.step % 20 == 0 and data.rank == 0:
        print(f"step {batch.step}/{len(data)}, loss {losses.item() / len(logits):.4f}")

view = T.Compose([T.Resize(args.side * 256 // 224), T.CenterCrop(args.side), T.ToTensor(),
                  T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])  # fmt: skip
val = ImageFolder(os.path.join(args.images, "val"), view)
of_folder = torch.tensor([ferkd.Store(args.store).classes.index(name) for name in val.classes])
right = 0
model.eval()
with torch.inference_mode():
    for pixels, folder in DataLoader(val, 256, num_workers=args.workers):
        right += (model(pixels.to(device)).argmax(1).cpu() == of_folder[folder]).sum().item()
print(f"top-1 {right / len(val):.4f}")
