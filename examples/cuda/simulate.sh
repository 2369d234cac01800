#!/bin/sh
# A training step on CUDA without a GPU: fakes take the place of the driver, of NVRTC and of cuDNN, so that the whole
# road is walked, every launch is checked against an H100's limits and counted, and every kernel's source is kept.
# FERKD_CONVOLUTIONS=burn leaves convolutions to burn, as where cuDNN is not installed.
#
#   examples/cuda/simulate.sh OUT [ARCH SIDE BATCH PRECISION]
#
# FERKD names a program built with `cargo build --release --features cuda`. The first run tunes (minutes) and keeps what
# it compiled, the second takes steps. Results mean nothing: nothing is computed. Then, with a folder of CUDA 12 or 13:
#
#   python3 examples/cuda/compile.py OUT/sources --cuda FOLDER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { sed -n '6p' "$0" | cut -c5- >&2; exit 2; }
mkdir -p "$1/lib" "$1/cuda/include" "$1/sources" "$1/home"
out=$(cd "$1" && pwd)
arch=${2:-resnet50}
side=${3:-224}
batch=${4:-256}
precision=${5:-bf16}
ferkd=$(command -v "${FERKD:-ferkd}") || { echo "no program ${FERKD:-ferkd}: build it, and name it in FERKD" >&2; exit 2; }

cc -O2 -shared -fPIC -o "$out/lib/libcuda.so" "$here/fake_driver.c" "$here/fake_cudnn.c"
ln -sf libcuda.so "$out/lib/libcudnn.so"
cc -O2 -shared -fPIC -o "$out/lib/libnvrtc.so" "$here/fake_nvrtc.c"
: >"$out/cuda/include/cuda_bf16.h"
# Neither this machine's GPU nor what it has tuned for it is touched.
export LD_LIBRARY_PATH="$out/lib" CUDA_PATH="$out/cuda" HOME="$out/home" XDG_CACHE_HOME="$out/home/.cache"

run() { # NAME SECONDS
    STAND_IN_LOG="$out/$1.log" "$ferkd" bench step --arch "$arch" --side "$side" --batch "$batch" \
        --precision "$precision" --device cuda:0 --repetitions 1 --seconds "$2" >"$out/$1.txt" 2>&1 ||
        { tail -n 20 "$out/$1.txt" >&2; exit 1; }
}
STAND_IN_SOURCES="$out/sources" run tuning 1
run steps 20
python3 "$here/launches.py" "$out/steps.log"
