#!/bin/sh
# What is to be shown and measured on a GPU, in one go: first that it computes what the CPU does, then how fast, with
# PyTorch on the same device turn by turn.
#
#   examples/bench/gpu.sh [OUT]
#
# Set FERKD, DEVICE, PYTHON, TURNS, SECONDS_A_TURN or BATCH to change what it runs with. cuDNN comes from PyTorch where
# it is not installed otherwise. A program that knows CUDA takes `cargo build --release --features cuda`; Python needs
# numpy, torch and torchvision. A part that fails is named at the end and does not keep the others from running. Each
# part's first run compiles and tunes kernels, for many minutes; they are kept in ~/.cache/cubecl, so that a second run
# of the script measures at once.
set -u
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-gpu-bench}
ferkd=${FERKD:-ferkd}
device=${DEVICE:-cuda:0}
python=${PYTHON:-python3}
turns=${TURNS:-3}
seconds=${SECONDS_A_TURN:-5}
batch=${BATCH:-256}
mkdir -p "$out"
failed=''
# PyTorch brings cuDNN along: the very one that it computes with.
pip_cudnn=$("$python" -c 'import glob, nvidia; print(":".join(d for p in nvidia.__path__ for d in sorted(glob.glob(p + "/c*/lib"))))' 2>/dev/null)
LD_LIBRARY_PATH=${pip_cudnn:+$pip_cudnn:}${LD_LIBRARY_PATH:-}
export LD_LIBRARY_PATH

# part NAME COMMAND...: runs it, keeps what it says, notes whether it failed.
part() {
    name=$1
    shift
    echo "== $name: $*"
    begun=$(date +%s)
    if "$@" >"$out/$name.txt" 2>&1; then said=done; else said=FAILED; failed="$failed $name"; fi
    tail -n 32 "$out/$name.txt"
    echo "== $name: $said after $(($(date +%s) - begun)) s"
}

facts() {
    nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv || true
    "$python" -c 'import torch; print("PyTorch", torch.__version__, "CUDA", torch.version.cuda)'
    "$ferkd" --version
}

# The same teacher's labels on the CPU and on the device.
label() {
    "$ferkd" label "$here/../../assets/photos" --teacher efficientnet-lite0 --regions 32 --device "$1" \
        --out "$out/labels-$2"
}

# The same steps on the CPU and on the device: a network with batch norm, and a transformer without.
train() {
    "$ferkd" train --images "$out/scenes" --images-per-class 8 --supervision hard --arch "$3" --side 64 --batch 16 \
        --regions-per-step 4 --epochs 8 --log-every 1 --eval-every 8 --warmup-epochs 0 --device "$1" --run "$out/run-$3-$2"
}

torch_line() { echo "$python $here/torch_step.py --device ${device%%:*} --seconds $seconds --warmup 15 $*"; }

step() { # ARCH SIDE BATCH PRECISION; FERKD_CONVOLUTIONS chooses the convolution backend
    "$ferkd" bench step --arch "$1" --side "$2" --batch "$3" --precision "$4" --device "$device" \
        --repetitions "$turns" --seconds "$seconds" \
        --yardstick "$(torch_line --arch "$1" --side "$2" --batch "$3" --precision "$4")"
}

rm -rf "$out/scenes" "$out"/labels-* "$out"/run-*
part facts facts
part scenes "$ferkd" demo --scenes 2 --out "$out/scenes"
part label-cpu label flex cpu
part label-device label "$device" device
part same-labels "$python" "$here/same_labels.py" "$out/labels-cpu" "$out/labels-device"
for arch in resnet18 vit-ti16; do
    part "train-cpu-$arch" train flex cpu "$arch"
    part "train-device-$arch" train "$device" device "$arch"
    part "same-losses-$arch" "$python" "$here/same_losses.py" "$out/run-$arch-cpu" "$out/run-$arch-device" --within 0.02
done
part step-small step resnet18 64 32 f32
part step-resnet50-f32 step resnet50 224 "$batch" f32
part step-resnet50-bf16 step resnet50 224 "$batch" bf16
# cuDNN's kernels by its heuristics, the same in every run; then those that are the fastest here.
export FERKD_CONVOLUTIONS=measured
part step-resnet50-bf16-measured step resnet50 224 "$batch" bf16
unset FERKD_CONVOLUTIONS
part step-vit-s16-bf16 step vit-s16 224 "$batch" bf16
part torch-compiled sh -c "$(torch_line --arch resnet50 --side 224 --batch "$batch" --precision bf16 --compile)"
part teacher "$ferkd" bench teacher --batch "$batch" --device "$device" --repetitions "$turns" --seconds "$seconds"
# Last, because burn's candidates for a convolution take NVRTC half an hour.
export FERKD_CONVOLUTIONS=burn
part step-small-by-burn step resnet18 64 32 f32
part step-resnet50-bf16-by-burn step resnet50 224 "$batch" bf16
unset FERKD_CONVOLUTIONS
nvidia-smi --query-gpu=memory.used --format=csv 2>/dev/null

echo "results are in $out"
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
