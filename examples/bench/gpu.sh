#!/bin/sh
# What is to be shown and measured on a GPU, in one go and in a given time: first that it computes what the CPU does,
# then how fast, with PyTorch on the same device turn by turn. What is worth most comes first.
#
#   examples/bench/gpu.sh [OUT]                   # on the machine with the GPU
#   examples/bench/gpu.sh --prepare CUDA [OUT]    # before, without a GPU: compiles the kernels into OUT/cache
#   examples/bench/gpu.sh --list                  # the parts, in order
#
# LIMIT is the time for everything, 660 seconds by default: a part that does not fit any more is left out, one that runs
# into the end is stopped, and what is there is kept and listed. ONLY="PART ..." runs these parts, SKIP="PART ..." leaves
# some out. FERKD names the program (`cargo build --release --features cuda`), OPERATIONS the operations' tests (the
# binary that `cargo test --release -p ferkd-nn --features cuda,flex --lib --no-run` names), PYTHON an interpreter with
# numpy, torch and torchvision; DEVICE, TURNS, SECONDS_A_TURN and BATCH say what is run. cuDNN comes from PyTorch where
# it is not installed otherwise.
#
# Compiling and tuning take most of a first run. --prepare has NVRTC compile for sm_90a what the parts launch, on a fake
# driver (examples/cuda), which takes many minutes of CPU and no GPU; CUDA is a folder with lib/ and include/, as
# site-packages/nvidia/cu13 after `pip install nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cuda-crt nvidia-cuda-cccl`.
# Kernels are kept by compute capability, so that OUT/cache serves an H100 and an H200; what is tuned is not in it.
set -u
here=$(cd "$(dirname "$0")" && pwd)
prepare=''
list=''
case ${1:-} in
--prepare) prepare=$(cd "${2:?--prepare takes a folder of CUDA}" && pwd) && shift 2 ;;
--list) list=yes && shift ;;
--*) sed -n '5,7s/^# //p' "$0" >&2 && exit 2 ;;
esac
out=${1:-gpu-bench}
ferkd=${FERKD:-ferkd}
device=${DEVICE:-cuda:0}
python=${PYTHON:-python3}
turns=${TURNS:-2}
seconds=${SECONDS_A_TURN:-3}
batch=${BATCH:-256}
limit=${LIMIT:-660}
[ -n "$list" ] || mkdir -p "$out"
begin=$(date +%s)
failed=''
left_out=''
export XDG_CACHE_HOME="${XDG_CACHE_HOME:-$out/cache}"
case $XDG_CACHE_HOME in /*) ;; *) XDG_CACHE_HOME=$PWD/$XDG_CACHE_HOME ;; esac

# part NAME MOST COMMAND...: runs it for MOST seconds at most, keeps what it says, notes whether it failed.
part() {
    name=$1 most=$2
    shift 2
    [ -z "$list" ] || { echo "$name (at most $most s)" && return; }
    case " ${ONLY:-$name} " in *" $name "*) ;; *) return ;; esac
    case " ${SKIP:-} " in *" $name "*) return ;; esac
    left=$((limit - ($(date +%s) - begin)))
    # A quarter of its time may do where kernels are kept.
    [ "$left" -ge $((most / 4)) ] || { left_out="$left_out $name" && return; }
    [ "$left" -ge "$most" ] || most=$left
    echo "== $name: $*"
    part_begin=$(date +%s)
    # Functions are run by a shell of their own, which `timeout` can stop.
    if timeout --kill-after 5 "$most" sh -c "$functions"'"$@"' part "$@" >"$out/$name.txt" 2>&1; then
        said='done'
    else
        said=FAILED
        failed="$failed $name"
    fi
    tail -n 32 "$out/$name.txt"
    echo "== $name: $said after $(($(date +%s) - part_begin)) s"
}

# What parts run, as text. Values come from the environment.
export here out ferkd device python turns seconds
# shellcheck disable=SC2016 # expanded by the shell that runs them
functions='
facts() {
    nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv || true
    "$python" -c "import torch; print(\"PyTorch\", torch.__version__, \"CUDA\", torch.version.cuda)"
    "$ferkd" --version
}
# The same labels of a teacher on the CPU and on the device.
labels() {
    for on in flex "$device"; do
        "$ferkd" label "$here/../../assets/photos" --teacher efficientnet-lite0 --regions 32 --device "$on" \
            --out "$out/labels-${on%%:*}" || return
    done
    "$python" "$here/same_labels.py" "$out/labels-flex" "$out/labels-${device%%:*}"
}
# The same steps on the CPU and on the device.
losses() { # ARCH PRECISION WITHIN
    [ -d "$out/scenes" ] || "$ferkd" demo --scenes 2 --out "$out/scenes" || return
    for on in flex "$device"; do
        "$ferkd" train --images "$out/scenes" --images-per-class 8 --supervision hard --arch "$1" --precision "$2" \
            --side 64 --batch 16 --regions-per-step 4 --epochs 8 --log-every 1 --eval-every 8 --warmup-epochs 0 \
            --device "$on" --run "$out/run-$1-$2-${on%%:*}" || return
    done
    "$python" "$here/same_losses.py" "$out/run-$1-$2-flex" "$out/run-$1-$2-${device%%:*}" --within "$3"
}
torch_line() { echo "$python $here/torch_step.py --device ${device%%:*} --seconds $seconds --warmup 15 $*"; }
step() { # ARCH SIDE BATCH PRECISION [yardstick]
    "$ferkd" bench step --arch "$1" --side "$2" --batch "$3" --precision "$4" --device "$device" \
        --repetitions "$turns" --seconds "$seconds" \
        ${5:+--yardstick "$(torch_line --arch "$1" --side "$2" --batch "$3" --precision "$4")"}
}
compiled() { $(torch_line --arch "$1" --side "$2" --batch "$3" --precision "$4" --compile); }
teacher() { "$ferkd" bench teacher --batch "$1" --device "$device" --repetitions "$turns" --seconds "$seconds"; }
# Labelling, mining, calibration, training and evaluation of five students.
loop() { "$ferkd" demo --scenes 2 --device "$device" --out "$out/demo"; }
'

# Compiles into OUT/cache what the parts below launch: a fake driver launches nothing, a real NVRTC compiles.
if [ -n "$prepare" ]; then
    mkdir -p "$out/fake"
    cc -O2 -shared -fPIC -o "$out/fake/libcuda.so" "$here/../cuda/fake_driver.c" "$here/../cuda/fake_cudnn.c" || exit 1
    ln -sf libcuda.so "$out/fake/libcudnn.so"
    LD_LIBRARY_PATH=$(cd "$out/fake" && pwd):$prepare/lib:$prepare/lib64
    CUDA_PATH=$prepare
    export LD_LIBRARY_PATH CUDA_PATH
    limit=${LIMIT:-36000} turns=1 seconds=1
    part prepare-resnet50 7200 step resnet50 224 "$batch" bf16
    part prepare-vit-s16 7200 step vit-s16 224 "$batch" bf16
    part prepare-resnet50-f32 7200 step resnet50 224 "$batch" f32
    part prepare-teacher 7200 teacher "$batch"
    echo "kernels are in $XDG_CACHE_HOME"
    [ -z "$failed" ] || { echo "failed:$failed" && exit 1; }
    exit
fi

if [ -z "$list" ]; then
    # PyTorch brings cuDNN along: the very one that it computes with.
    pip_cudnn=$("$python" -c 'import glob, nvidia; print(":".join(d for p in nvidia.__path__ for d in sorted(glob.glob(p + "/c*/lib"))))' 2>/dev/null)
    export LD_LIBRARY_PATH="${pip_cudnn:+$pip_cudnn:}${LD_LIBRARY_PATH:-}"
    rm -rf "$out/scenes" "$out/demo" "$out"/labels-* "$out"/run-*
fi
# Stopped from outside: what is there is there.
trap 'echo "stopped; results so far are in $out"; exit 1' INT TERM

part facts 30 facts
[ -z "${OPERATIONS:-}" ] || part operations 120 "$OPERATIONS" models::ops --test-threads 1
part labels 90 labels
part losses-resnet8-f32 90 losses resnet8 f32 0.02
part losses-vit-f32 90 losses vit-ti16 f32 0.02
part losses-resnet8-bf16 60 losses resnet8 bf16 0.05
part step-resnet50-bf16 180 step resnet50 224 "$batch" bf16 yardstick
part torch-compiled-resnet50-bf16 120 compiled resnet50 224 "$batch" bf16
part step-vit-s16-bf16 180 step vit-s16 224 "$batch" bf16 yardstick
part teacher 90 teacher "$batch"
part loop 180 loop
part step-resnet50-f32 180 step resnet50 224 "$batch" f32 yardstick
# cuDNN's kernels by its heuristics above, the same in every run; here those that are the fastest.
export FERKD_CONVOLUTIONS=measured
part step-resnet50-bf16-measured 180 step resnet50 224 "$batch" bf16
# Last, for NVRTC takes half an hour with burn's candidates for a convolution: LIMIT=3600 ONLY=step-small-by-burn.
export FERKD_CONVOLUTIONS=burn
part step-small-by-burn 1800 step resnet18 64 32 f32
unset FERKD_CONVOLUTIONS
[ -z "$list" ] || exit 0

nvidia-smi --query-gpu=memory.used --format=csv 2>/dev/null
echo "results are in $out"
[ -z "$left_out" ] || echo "left out, for there was no time:$left_out"
[ -z "$failed" ] || { echo "failed:$failed" && exit 1; }
