"""Compiles the kernels of a simulated run by NVRTC, without a GPU: which it refuses, and how long the rest take.

    python3 examples/cuda/compile.py SOURCES [--cuda FOLDER] [--arch sm_90a] [--jobs 2] [--every 1]

FOLDER has lib/ (or lib64/) and include/: CUDA's toolkit, or site-packages/nvidia/cu13 after
`pip install nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cuda-crt nvidia-cuda-cccl`. Exit code 1: a kernel was refused.
"""

import argparse
import ctypes
import glob
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

NVRTC = None


def library(cuda: Path) -> str:
    found = [p for sub in ("lib", "lib64") for p in glob.glob(str(cuda / sub / "libnvrtc.so*"))]
    if not found:
        sys.exit(f"{cuda}: no libnvrtc.so in lib or lib64; name a folder of CUDA with --cuda")
    return sorted(found, key=len)[0]


def compile_one(task: tuple[str, str, str, str]) -> tuple[str, float, str]:
    """The source's name, the seconds that it took, and what NVRTC says against it."""
    global NVRTC
    path, lib, include, arch = task
    if NVRTC is None:
        for builtins in glob.glob(os.path.join(os.path.dirname(lib), "libnvrtc-builtins.so*")):
            ctypes.CDLL(builtins, mode=ctypes.RTLD_GLOBAL)
        NVRTC = ctypes.CDLL(lib)
    program = ctypes.c_void_p()
    NVRTC.nvrtcCreateProgram(ctypes.byref(program), Path(path).read_bytes(), None, 0, None, None)
    # The options that cubecl-cuda gives.
    options = [f"--gpu-architecture={arch}", f"--include-path={include}", "-lineinfo", f"--include-path={include}/cccl"]
    array = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    begun = time.perf_counter()
    failed = NVRTC.nvrtcCompileProgram(program, len(options), array)
    seconds = time.perf_counter() - begun
    said = ""
    if failed:
        size = ctypes.c_size_t()
        NVRTC.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        NVRTC.nvrtcGetProgramLog(program, log)
        said = log.value.decode(errors="replace") or f"error {failed}"
    NVRTC.nvrtcDestroyProgram(ctypes.byref(program))
    return path, seconds, said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", type=Path)
    parser.add_argument("--cuda", type=Path, default=Path(os.environ.get("CUDA_PATH", "/usr/local/cuda")))
    parser.add_argument("--arch", default="sm_90a")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--every", type=int, default=1, help="take every so many-th source")
    args = parser.parse_args()

    # The same source comes once for every time that it was asked for.
    unique = {path.read_bytes(): str(path) for path in sorted(args.sources.glob("*.cu"), reverse=True)}
    paths = sorted(unique.values())[:: args.every]
    if not paths:
        sys.exit(f"{args.sources}: no *.cu there")
    lib, include = library(args.cuda), str(args.cuda / "include")
    tasks = [(path, lib, include, args.arch) for path in paths]
    with ProcessPoolExecutor(args.jobs) as pool:
        done = list(pool.map(compile_one, tasks))
    seconds = sorted(seconds for _, seconds, _ in done)
    refused = [(path, said) for path, _, said in done if said]
    for path, said in refused[:10]:
        print(f"refused: {path}\n{said}")
    print(f"{len(done)} kernels by {os.path.basename(lib)} for {args.arch}: {len(refused)} refused")
    print(f"{sum(seconds):.0f} s of one core: median {seconds[len(seconds) // 2]:.2f} s, longest {seconds[-1]:.2f} s")
    sys.exit(1 if refused else 0)


if __name__ == "__main__":
    main()
