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


class Block(torch.nn.Module):
    """Two 3x3 convolutions and a shortcut, a projection where the shape changes."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = convolution(inputs, outputs, stride)
        self.second = convolution(outputs, outputs, 1)
        self.shortcut = None
        if stride != 1 or inputs != outputs:
            self.shortcut = torch.nn.Sequential(
                torch.nn.Conv2d(inputs, outputs, 1, stride, bias=False), torch.nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        y = self.second(self.first(x).relu_())
        return (y + (x if self.shortcut is None else self.shortcut(x))).relu_()


def convolution(inputs, outputs, stride):
    return torch.nn.Sequential(
        torch.nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), torch.nn.BatchNorm2d(outputs)
    )


def small_resnet(layers, width, classes=1000):
    """He et al. 2015, section 4.2, with projections as shortcuts: 6 n + 2 layers."""
    stages, inputs = [], width
    for stage, outputs in enumerate([width, 2 * width, 4 * width]):
        for block in range((layers - 2) // 6):
            stages.append(Block(inputs, outputs, 2 if stage > 0 and block == 0 else 1))
            inputs = outputs
    return torch.nn.Sequential(
        convolution(3, width, 1),
        torch.nn.ReLU(inplace=True),
        *stages,
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(inputs, classes),
    )


TIMM = {
    "vit-ti16": "deit_tiny_patch16_224",
    "vit-s16": "deit_small_patch16_224",
    "efficientnet-lite0": "tf_efficientnet_lite0",
}


def network(name, side, width):
    """The small ResNets; timm's vision transformers and EfficientNet-Lite; else torchvision's."""
    if name in ("resnet8", "resnet20"):
        return small_resnet(int(name.removeprefix("resnet")), width)
    if name in TIMM:
        import timm

        options = {"img_size": side} if name.startswith("vit-") else {}
        return timm.create_model(TIMM[name], **options)
    return torchvision.models.get_model(name, weights=None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="resnet18")
    parser.add_argument("--width", type=int, default=16, help="channels of a small ResNet's first stage")
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
    model = network(args.arch, args.side, args.width).train().to(args.device, memory_format=layout)
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
