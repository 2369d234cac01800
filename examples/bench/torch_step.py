"""Yardstick of `ferkd bench step`: PyTorch on the CPU, the same step without data.

torchvision's network, 64 x 64 pixels, a soft label of five classes and a remainder, SGD with momentum and weight
decay, on tensors that are there already.

    pip install torch torchvision
    ferkd bench step --yardstick "python3 examples/bench/torch_step.py --threads 2"
"""

import argparse
import time

import torch
import torchvision


def soft_labels(batch, classes, generator):
    """Dense labels: five classes hold most of the probability, the others share the rest."""
    top = torch.rand(batch, 5, generator=generator).softmax(1) * 0.9
    labels = ((1 - top.sum(1, keepdim=True)) / (classes - 5)).expand(batch, classes).clone()
    listed = torch.stack([torch.randperm(classes, generator=generator)[:5] for _ in range(batch)])
    return labels.scatter_(1, listed, top)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="resnet18")
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2.0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(args.batch, 3, args.side, args.side, generator=generator)
    labels = soft_labels(args.batch, 1000, generator)
    model = torchvision.models.get_model(args.arch, weights=None).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.003, momentum=0.9, weight_decay=1e-4)

    def step():
        loss = -(labels * model(images).log_softmax(1)).sum(1).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    step()
    done, begun = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begun) < args.seconds:
        step()
        done += 1
    print(f"PyTorch {torch.__version__}, {args.threads} threads: {done / elapsed:.4f} steps/s")


if __name__ == "__main__":
    main()
