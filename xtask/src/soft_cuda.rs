//! The software CUDA device of `tests/soft-cuda`: its libraries, built where they are missing, and the environment in
//! which a program computes on it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the device is built from.
const SOURCES: &str = "tests/soft-cuda";
const CUDNN: &str = "examples/cuda/fake_cudnn.c";

/// How kernels are compiled: for any x86-64 processor with f16 conversions, so that what is kept can be used on another
/// machine; multiplications and additions are fused, as NVRTC does; misaligned addresses are reported with their line.
const KERNEL_FLAGS: &str = "-O1 -march=x86-64-v3 -ffp-contract=fast -std=c++17 -w -fno-strict-aliasing -fPIC -gline-tables-only \
                            -fsanitize=alignment";

/// What the device is to be, and how it is to behave; the variables that `tests/soft-cuda/README.md` lists may be set
/// beside these.
#[derive(Clone, Debug)]
pub struct Options {
    /// Compute capability: 80 (A100) or 90 (H100).
    pub architecture: u32,
    /// In which order threads, warps and blocks get their turn: `forward`, `reverse`, or a number to draw it from.
    pub order: String,
    /// So many devices of the kind.
    pub devices: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { architecture: 80, order: "forward".into(), devices: 1 }
    }
}

/// Why there is no device here.
#[derive(Debug)]
pub enum Absent {
    /// Something that is to be installed.
    NotInstalled(String),
    /// It does not build.
    Broken(String),
}

impl From<std::io::Error> for Absent {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

/// The device's libraries.
#[derive(Debug)]
pub struct Device {
    folder: PathBuf,
    /// Compiled kernels, which depend on less than the libraries do: on what a kernel sees, and on the compiler.
    kernels: PathBuf,
}

impl Device {
    /// Builds the libraries into `target/soft-cuda/HASH`, where they are not there yet.
    ///
    /// # Errors
    /// A machine that is not x86-64 with Linux; no clang++; sources that do not compile.
    pub fn build(repository: &Path, target: &Path) -> Result<Self, Absent> {
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            return Err(Absent::NotInstalled("the software CUDA device runs on x86-64 Linux alone".into()));
        }
        let version = Command::new("clang++").arg("--version").output();
        let version =
            version.map_err(|error| Absent::NotInstalled(format!("clang++ cannot be started: {error}")))?;
        let sources = repository.join(SOURCES);
        let mut hash = Hash::default();
        hash.add(&version.stdout);
        hash.add(KERNEL_FLAGS.as_bytes());
        for path in
            files(&sources.join("device"))?.iter().chain([&sources.join("abi.h"), &sources.join("nvrtc.cpp")])
        {
            hash.add(&fs::read(path)?);
        }
        let kernels = format!("kernels-{}", hash.name());
        hash.add(include_bytes!("soft_cuda.rs")); // how it is built
        for path in files(&sources)?.iter().chain([&repository.join(CUDNN)]) {
            if path.extension().is_none_or(|end| end != "md") {
                hash.add(&fs::read(path)?);
            }
        }
        let all = target.join("soft-cuda");
        fs::create_dir_all(&all)?;
        let device = Self { folder: all.join(hash.name()), kernels: all.join(kernels) };
        // Tests run side by side: one builds, the others wait.
        let lock = fs::File::create(all.join("lock"))?;
        lock.lock()?;
        let ready = device.folder.join("ready");
        if !ready.exists() {
            device.compile(repository, &sources)?;
            fs::write(ready, "")?;
        }
        Ok(device)
    }

    fn compile(&self, repository: &Path, sources: &Path) -> Result<(), Absent> {
        let at = |name: &str| self.folder.join(name);
        for folder in ["lib", "device", "cuda/include"] {
            fs::create_dir_all(at(folder))?;
        }
        fs::create_dir_all(&self.kernels)?;
        // The headers' copies do not change while kernels that were compiled with them are kept.
        fs::copy(sources.join("abi.h"), at("abi.h"))?;
        for header in files(&sources.join("device"))? {
            fs::copy(&header, at("device").join(header.file_name().unwrap_or_default()))?;
        }
        fs::write(at("cuda/include/cuda_bf16.h"), "")?; // looked for, and not read
        let clang = |program: &str, flags: &str, inputs: &[PathBuf], output: PathBuf| {
            let mut command = Command::new(program);
            command.args(flags.split_whitespace()).args(inputs).arg("-o").arg(&output);
            let done = command.output()?;
            if done.status.success() {
                return Ok(());
            }
            let said = String::from_utf8_lossy(&done.stderr);
            Err(Absent::Broken(format!("{} does not compile:\n{said}", output.display())))
        };
        let library = "-std=c++17 -O2 -g1 -fPIC -shared -Wall -Wextra -Wno-unused-parameter -Werror";
        let cudnn = at("cudnn.o");
        clang(
            "clang",
            "-O2 -march=x86-64-v3 -fPIC -Wall -Werror -c",
            &[repository.join(CUDNN)],
            cudnn.clone(),
        )?;
        let mut driver = files(&sources.join("driver"))?;
        driver.extend(files(&sources.join("nccl"))?);
        driver.retain(|path| path.extension().is_some_and(|end| end == "cpp"));
        driver.push(cudnn);
        clang("clang++", &format!("{library} -fvisibility=hidden -pthread"), &driver, at("lib/libcuda.so"))?;
        clang("clang++", library, &[sources.join("nvrtc.cpp")], at("lib/libnvrtc.so"))?;
        // One library by three names. A build that was interrupted may have left the others.
        for other in ["lib/libcudnn.so", "lib/libnccl.so"].map(at) {
            let _ = fs::remove_file(&other);
            fs::hard_link(at("lib/libcuda.so"), other)?;
        }
        let header = format!("{KERNEL_FLAGS} -x c++-header");
        clang("clang++", &header, &[at("device/device.hpp")], at("device.pch"))?;
        let mut checks = files(&sources.join("check"))?;
        checks.retain(|path| path.extension().is_some_and(|end| end == "cpp"));
        checks.extend([at("lib/libcuda.so"), at("lib/libnvrtc.so")]);
        clang("clang++", "-std=c++17 -O1 -Wall -Wextra -Werror", &checks, self.checks())
    }

    /// The environment in which a program finds this device and no other, and nothing that was kept of another.
    pub fn variables(&self, options: &Options) -> Vec<(&'static str, OsString)> {
        let at = |name: &str| self.folder.join(name).into_os_string();
        vec![
            ("LD_LIBRARY_PATH", at("lib")),
            ("CUDA_PATH", at("cuda")),
            // What CubeCL keeps names this device's kernels.
            ("XDG_CACHE_HOME", at(&format!("cache-{}", options.architecture))),
            ("CUBECL_AUTOTUNE_LEVEL", "0".into()),
            ("SOFT_CUDA_CACHE", self.kernels.clone().into_os_string()),
            ("SOFT_CUDA_HEADER", at("device.pch")),
            ("SOFT_CUDA_FLAGS", KERNEL_FLAGS.into()),
            ("SOFT_CUDA_ARCH", options.architecture.to_string().into()),
            ("SOFT_CUDA_ORDER", options.order.clone().into()),
            ("SOFT_CUDA_DEVICES", options.devices.to_string().into()),
        ]
    }

    /// The program that checks the device itself.
    pub fn checks(&self) -> PathBuf {
        self.folder.join("check")
    }
}

/// The files of a folder and of those in it, in order.
fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// FNV-1a of 64 bits: names a folder, and is no protection.
struct Hash(u64);

impl Default for Hash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn name(&self) -> String {
        format!("{:016x}", self.0)
    }
}
