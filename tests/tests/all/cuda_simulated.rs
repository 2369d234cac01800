//! `examples/cuda`: the fakes for driver, NVRTC and cuDNN build and answer, and a journal is read as it was written.
//!
//! Skipped, aloud, where there is no `cc` or no `python3`; `FERKD_PYTHON` names another interpreter.

use std::path::PathBuf;
use std::process::{Command, Output};

use ferkd_skip::not_installed;
use ferkd_tests::repository;

fn example(name: &str) -> PathBuf {
    repository("examples/cuda").join(name)
}

/// What a program did; `None`, said aloud, where there is no such program.
fn run(command: &mut Command) -> Option<Output> {
    let done = command.output();
    done.map_err(|e| {
        not_installed(format_args!("{} cannot be started: {e}", command.get_program().display()));
    })
    .ok()
}

fn python() -> Command {
    Command::new(std::env::var("FERKD_PYTHON").unwrap_or_else(|_| "python3".into()))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Asks both fakes as the program does: memory and back, a launch that fits and one that does not, a source.
const QUESTIONS: &str = r#"
import ctypes, sys
cuda, nvrtc = (ctypes.CDLL(f"{sys.argv[1]}/{name}") for name in ("libcuda.so", "libnvrtc.so"))
at, module, kernel = ctypes.c_uint64(), ctypes.c_void_p(), ctypes.c_void_p()
assert cuda.cuMemAlloc_v2(ctypes.byref(at), ctypes.c_size_t(1 << 20)) == 0
size, back = ctypes.c_size_t(5), ctypes.create_string_buffer(5)
assert cuda.cuMemcpyHtoDAsync_v2(at, b"ferkd", size, None) == 0
assert cuda.cuMemcpyDtoHAsync_v2(back, at, size, None) == 0
assert back.raw == b"ferkd"
assert cuda.cuMemAlloc_v2(ctypes.byref(at), ctypes.c_size_t(80 << 30)) != 0, "more than it has"
assert cuda.cuModuleLoadData(ctypes.byref(module), b"ptx") == 0
assert cuda.cuModuleGetFunction(ctypes.byref(kernel), module, b"kernel_binop_c_f32_n_4_0123abcd") == 0
launch = lambda y: cuda.cuLaunchKernel(kernel, 8, y, 1, 32, 8, 1, 0, None, None, None)
print(launch(1), launch(70000))
program = ctypes.c_void_p()
assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), b"__global__ void k() {}", None, 0, None, None) == 0
assert nvrtc.nvrtcCompileProgram(program, 0, None) == 0

# Two pictures of one pixel and two channels, summed up by a convolution with one output.
def filled(kind, *attributes):
    made = ctypes.c_void_p()
    assert cuda.cudnnBackendCreateDescriptor(kind, ctypes.byref(made)) == 0
    for name, type, values in attributes:
        size = ctypes.c_int64(len(values))
        assert cuda.cudnnBackendSetAttribute(made, name, type, size, values) == 0
    return made

def made(kind, *attributes):
    done = filled(kind, *attributes)
    assert cuda.cudnnBackendFinalize(done) == 0
    return done

whole = lambda *values: (ctypes.c_int64 * len(values))(*values)
parts = lambda *values: (ctypes.c_void_p * len(values))(*values)
tensor = lambda uid, shape: made(17, (906, 3, whole(uid)), (901, 1, (ctypes.c_int * 1)(0)), (902, 3, whole(*shape)),
    (903, 3, whole(shape[1] * shape[2] * shape[3], 1, shape[3] * shape[1], shape[1])), (900, 3, whole(4)))
x, weight, y = tensor(1, [2, 2, 1, 1]), tensor(2, [1, 2, 1, 1]), tensor(3, [2, 1, 1, 1])
convolution = made(1, *((name, 3, whole(*at)) for name, at in [(102, (1, 1)), (103, (1, 1)), (104, (0, 0)), (105, (0, 0))]))
operation = made(10, *((name, 15, parts(part)) for name, part in [(702, convolution), (703, weight), (704, x), (705, y)]))
graph = made(15, (801, 15, parts(operation)))
heuristics, count = made(4, (201, 15, parts(graph))), ctypes.c_int64()
assert cuda.cudnnBackendGetAttribute(heuristics, 202, 15, ctypes.c_int64(0), ctypes.byref(count), None) == 0
config = filled(3)
assert cuda.cudnnBackendGetAttribute(heuristics, 202, 15, ctypes.c_int64(1), ctypes.byref(count), parts(config)) == 0
floats = lambda *values: (ctypes.c_float * len(values))(*values)
numbers = [floats(1, 2, 3, 4), floats(10, 1), floats(0, 0), floats(0)]
address = [ctypes.c_void_p(ctypes.addressof(values)) for values in numbers]
pack = made(16, (1000, 3, whole(1, 2, 3)), (1001, 6, parts(*address[:3])), (1003, 6, parts(address[3])))
handle = ctypes.c_void_p()
assert cuda.cudnnCreate(ctypes.byref(handle)) == 0 and cuda.cudnnSetStream(handle, None) != 0
assert cuda.cudnnBackendExecute(handle, made(5, (401, 15, parts(config))), pack) == 0
print(list(numbers[2]))
askew = filled(17, (903, 3, whole(2, 1, 1, 1)))
assert cuda.cudnnBackendSetAttribute(filled(10), 704, 15, ctypes.c_int64(1), parts(askew)) != 0, "it is not finished"
"#;

#[test]
fn the_fakes_answer_and_keep_a_journal() {
    let at = tempfile::tempdir().unwrap();
    let both = ["fake_driver.c", "fake_cudnn.c"].as_slice();
    for (sources, library) in [(both, "libcuda.so"), (&["fake_nvrtc.c"], "libnvrtc.so")] {
        let mut cc = Command::new("cc");
        cc.args(["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o"]).arg(at.path().join(library));
        let Some(built) = run(cc.args(sources.iter().map(|source| example(source)))) else { return };
        assert!(built.status.success(), "{}", text(&built.stderr));
    }
    let mut ask = python();
    ask.args(["-c", QUESTIONS]).arg(at.path());
    ask.env("STAND_IN_LOG", at.path().join("journal")).env("STAND_IN_SOURCES", at.path());
    let Some(done) = run(&mut ask) else { return };
    assert!(done.status.success(), "{}", text(&done.stderr));
    let answers = text(&done.stdout);
    assert_eq!(
        answers.trim(),
        "0 1\n[12.0, 34.0]",
        "one launch fits, the other does not; the convolution's numbers"
    );
    let journal = std::fs::read_to_string(at.path().join("journal")).unwrap();
    let said: Vec<&str> = journal.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(said, ["alloc", "h2d", "d2h", "module", "launch", "REFUSED", "launch"], "{journal}");
    assert_eq!(std::fs::read_to_string(at.path().join("00001.cu")).unwrap(), "__global__ void k() {}");
}

#[test]
fn launches_are_counted_step_by_step() {
    let at = tempfile::tempdir().unwrap();
    // Weights are larger than pictures; 20 launches tune; then five steps of a picture, a label and three launches.
    let mut journal =
        String::from("0.1 h2d 4000000\n0.1 h2d 4000000\n0.1 h2d 4000000\n0.1 alloc 9 2000000000\n");
    journal.push_str(&"0.2 launch 10 matmul_entry_lhs_f32_lhs_size_4_0123abcd 1 1 1 32 1 1 0\n".repeat(20));
    for _ in 0..5 {
        journal.push_str("1.0 copy2d 448 2000\n1.0 h2d 64\n");
        for kernel in
            ["elemwise_fuse_0123abcd", "elemwise_fuse_4567cdef", "reduce_kernel_in_f32_in_size_4_89abcdef"]
        {
            journal.push_str(&format!("1.1 launch 20 {kernel} 1 1 1 32 1 1 0\n"));
        }
    }
    let path = at.path().join("journal");
    std::fs::write(&path, journal).unwrap();
    let mut count = python();
    count.arg(example("launches.py")).arg(&path).args(["--steps", "3"]);
    let Some(done) = run(&mut count) else { return };
    let said = text(&done.stdout);
    assert!(said.starts_with("3 launches a step, 0.90 MB up, over the last 3 of 5 steps\n"), "{said}");
    assert!(said.contains("0 launches refused, 2.00 GB"), "{said}");
    assert!(said.contains("2.0  elemwise_fuse\n") && said.contains("1.0  reduce_kernel\n"), "{said}");
    assert!(!said.contains("matmul"), "{said}");
}
