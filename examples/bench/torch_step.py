"""Yardstick of `ferkd bench step`: PyTorch on the same device, the same step without data.

torchvision's network, a soft label of five classes and a remainder, SGD with momentum and weight decay, on tensors
that are there already. On a GPU: channels last, cuDNN's own search, bf16 autocast with `--precision bf16`.

    pip install torch torchvision
    ferkd bench step --yardstick "python3 examples/bench/torch_step.py --threads 2"
    ferkd bench step --arch resnet50 --side 224 --batch 256 --precision bf16 --device cuda:0 --yardstick \\
        "python3 examples/bench/torch_step.py --arch resnet50 --side 224 --batch 256 --precision bf16 --device cuda"
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


def network(name):
    """torchvision's network; timm's for vision transformers."""
    if name.startswith("vit-"):
        import timm

        return timm.create_model({"vit-ti16": "deit_tiny_patch16_224", "vit-s16": "deit_small_patch16_224"}[name])
    return torchvision.models.get_model(name, weights=None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="resnet18")
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--warmup", type=int, default=1, help="steps before the clock starts")
    parser.add_argument("--seconds", type=float, default=2.0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.backends.cudnn.benchmark = True
    # As burn multiplies f32 on CUDA: by TF32.
    torch.set_float32_matmul_precision("high")
    on_gpu = args.device != "cpu"
    layout = torch.channels_last if on_gpu else torch.contiguous_format
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(args.batch, 3, args.side, args.side, generator=generator)
    images = images.to(args.device, memory_format=layout)
    labels = soft_labels(args.batch, 1000, generator).to(args.device)
    model = network(args.arch).train().to(args.device, memory_format=layout)
    optimizer = torch.optim.SGD(model.parameters(), 0.003, momentum=0.9, weight_decay=1e-4)
    forward = torch.compile(model) if args.compile else model
    wait = torch.cuda.synchronize if on_gpu else (lambda: None)

    def step():
        with torch.autocast(images.device.type, torch.bfloat16, enabled=args.precision == "bf16"):
            logits = forward(images)
        loss = -(labels * logits.float().log_softmax(1)).sum(1).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    for _ in range(args.warmup):
        step()
    wait()
    done, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < args.seconds:
        step()
        done += 1
        if done % 16 == 0:
            wait()
    wait()
    elapsed = time.perf_counter() - begun
    where = f"{args.device}, {args.precision}{', compiled' if args.compile else ''}"
    print(f"PyTorch {torch.__version__}, {where}, {args.threads} threads: {done / elapsed:.4f} steps/s")
    if on_gpu:
        peak = torch.cuda.max_memory_allocated() / 1e9
        print(f"{done / elapsed * args.batch:.0f} regions/s, {peak:.2f} GB at most")


if __name__ == "__main__":
    main()
