//! `cargo xtask soft-cuda`: runs a command on the software CUDA device, and builds the program that can use one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use xtask::soft_cuda::{Absent, Device, Options};

use crate::steps::is_installed;
use crate::web::target_folder;

/// What is built, by cargo's name of the target and the name that it is kept by: the program, and the tests of
/// `core/nn`, among which are the operations'.
const KEPT: [(&str, &str); 2] = [("ferkd", "ferkd"), ("ferkd_nn", "operations")];

/// Two packages each time, so that both have one set of features, and dependencies are compiled once.
const PACKAGES: &str = "--locked --package ferkd --package ferkd-nn --features ferkd/cuda";

/// What is added for processes that share a step, each with a device of its own.
const MPI: &str = ",ferkd/mpi";

/// What is compiled for it, apart from everything else.
const PROFILE: &str = "unoptimised";

/// Whether its dependencies were compiled here before: then building it again takes a minute, else ten.
pub fn was_built() -> bool {
    target_folder().is_ok_and(|target| target.join(PROFILE).join("deps").exists())
}

/// Whether it is built with MPI: where MPI's compiler is, unless its dependencies were compiled without.
fn has_mpi(target: &Path) -> bool {
    let files = std::fs::read_dir(target.join(PROFILE).join("deps")).into_iter().flatten().flatten();
    let names: Vec<String> = files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    is_installed("mpicc") && mpi_fits(&names)
}

/// Whether nothing but MPI's own crates is compiled for it, where these files were compiled before. Its bindings are made
/// by a bindgen that turns features of clang-sys on, and clang-sys lies below what burn is made with: without them before,
/// all of that would be compiled again. `target/unoptimised` has to be removed first.
fn mpi_fits(compiled: &[String]) -> bool {
    let is_there = |name: &str| compiled.iter().any(|file| file.starts_with(name));
    is_there("libmpi-") || !is_there("libburn-")
}

/// Builds what runs on the device, and puts it beside the device, in `target/soft-cuda`; the program's path.
///
/// # Errors
/// It does not compile.
pub fn build() -> Result<PathBuf, String> {
    let target = target_folder()?;
    let folder = target.join("soft-cuda");
    let mpi = if has_mpi(&target) { MPI } else { "" };
    keep_built(&format!("build {PACKAGES}{mpi} --profile {PROFILE} --bin ferkd"), &folder)?;
    keep_built(&format!("test --no-run {PACKAGES}{mpi} --profile {PROFILE} --lib"), &folder)?;
    Ok(folder.join("ferkd"))
}

/// Runs cargo, and copies the programs that it made.
fn keep_built(line: &str, folder: &Path) -> Result<(), String> {
    println!("$ cargo {line}");
    let mut cargo = Command::new("cargo");
    cargo.args(line.split_whitespace()).arg("--message-format=json-render-diagnostics");
    let done = cargo.stderr(Stdio::inherit()).output();
    let done = done.map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !done.status.success() {
        return Err(format!("failed ({}): cargo {line}", done.status));
    }
    for message in String::from_utf8_lossy(&done.stdout).lines() {
        let message: serde_json::Value = serde_json::from_str(message).unwrap_or_default();
        let (target, built) = (&message["target"], message["executable"].as_str());
        let is_program = target["kind"][0] == "bin";
        let kept = KEPT.iter().find(|(name, _)| target["name"] == *name && is_program == (*name == "ferkd"));
        let (Some((_, name)), Some(built)) = (kept, built) else { continue };
        let (kept, aside) = (folder.join(name), folder.join(format!("{name}.new")));
        let copied = std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::copy(built, &aside))
            .and_then(|_| std::fs::rename(&aside, &kept));
        copied.map_err(|error| format!("{}: {error}", kept.display()))?;
    }
    Ok(())
}

/// Runs a command on the device: `[--arch 80|90] [--order forward|reverse|SEED] [--devices N] -- COMMAND`. `ferkd` alone
/// is the program with CUDA, which is built first.
///
/// # Errors
/// Wrong options, no device, or the command fails.
pub fn command(rest: &[&str]) -> Result<(), String> {
    let (options, words) = parse(rest)?;
    let Some((&program, arguments)) = words.split_first() else {
        return Err("no command: cargo xtask soft-cuda -- ferkd train --device cuda:0 ...".into());
    };
    let device = Device::build(Path::new("."), &target_folder()?).map_err(|absent| match absent {
        Absent::NotInstalled(what) => format!("{what} (apt-get install clang)"),
        Absent::Broken(what) => what,
    })?;
    let program = if program == "ferkd" { build()? } else { PathBuf::from(program) };
    let mut command = Command::new(&program);
    command.args(arguments).envs(device.variables(&options));
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{} failed ({status})", program.display())),
        Err(error) => Err(format!("{} cannot be started: {error}", program.display())),
    }
}

fn parse<'a>(rest: &'a [&'a str]) -> Result<(Options, &'a [&'a str]), String> {
    let mut options = Options::default();
    let mut rest = rest;
    loop {
        rest = match *rest {
            ["--", ref command @ ..] => return Ok((options, command)),
            ["--arch", arch @ ("80" | "90"), ref rest @ ..] => {
                options.architecture = if arch == "80" { 80 } else { 90 };
                rest
            }
            ["--order", order, ref rest @ ..] => {
                if !matches!(order, "forward" | "reverse") && order.parse::<u32>().is_err() {
                    return Err(format!(
                        "invalid order `{order}`: expected forward, reverse, or a number to draw by"
                    ));
                }
                options.order = order.to_owned();
                rest
            }
            ["--devices", count, ref rest @ ..] => {
                let number = count.parse().ok().filter(|count| (1..=8).contains(count));
                options.devices =
                    number.ok_or(format!("invalid number of devices `{count}`: expected 1 to 8"))?;
                rest
            }
            [other, ..] => {
                return Err(format!(
                    "invalid option `{other}`: expected --arch 80|90, --order, --devices, or -- COMMAND"
                ));
            }
            [] => return Ok((options, rest)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mpi_is_left_out_where_burn_would_be_compiled_again() {
        let fits = |names: &[&str]| mpi_fits(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        assert!(fits(&[]));
        assert!(!fits(&["libburn-8c98.rlib", "libmpi_sys-1.rlib"]));
        assert!(fits(&["libburn-8c98.rlib", "libmpi-304a.rlib"]));
    }

    #[test]
    fn options_come_before_the_command() {
        let (options, command) =
            parse(&["--arch", "90", "--order", "7", "--devices", "2", "--", "ferkd", "--help"]).unwrap();
        assert_eq!((options.architecture, options.order.as_str(), options.devices), (90, "7", 2));
        assert_eq!(command, ["ferkd", "--help"]);
        for (wrong, why) in [
            (["--arch", "75"], "--arch 80|90"),
            (["--devices", "0"], "1 to 8"),
            (["--order", "backward"], "forward, reverse"),
            (["ferkd", "x"], "-- COMMAND"),
        ] {
            let error = parse(&wrong).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
