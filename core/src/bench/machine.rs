//! The machine that figures were measured on.

use serde::Serialize;

/// What a figure depends on besides the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// Model of the processor, as the system calls it.
    pub cpu: String,
    /// Processors that the program may use.
    pub cores: usize,
    /// Operating system and architecture.
    pub system: String,
    /// Commit that the program was built from.
    pub commit: &'static str,
    /// Whether the program was built with optimisation.
    pub optimised: bool,
}

impl Machine {
    /// This machine.
    pub fn here() -> Self {
        let (system, arch) = (std::env::consts::OS, std::env::consts::ARCH);
        // Linux tells the model; elsewhere the architecture has to do.
        let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = told.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        Self {
            cpu: model.map_or_else(|| arch.to_owned(), |(_, name)| name.trim().to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            system: format!("{system} {arch}"),
            commit: ferkd_train::commit::commit(),
            optimised: !cfg!(debug_assertions),
        }
    }
}
