//! `ferkd train`.

use std::path::{Path, PathBuf};

use ferkd_data::config::read_layer;
use ferkd_data::events::{Event, warn};
use ferkd_method::{Error, ErrorKind, Result};
use ferkd_nn::device::is_only_cpu;
use ferkd_nn::memory::{MemoryEstimate, Moment};
use ferkd_train::image_check::ImageCheck;
use ferkd_train::parallel::processes;
use ferkd_train::run::{check_folder, holds_run};
use ferkd_train::tensorboard::Board;
use ferkd_train::{Processes, TrainConfig, TrainSummary, Trainer, train, train_together};

use crate::cli::notices::Notices;
use crate::cli::output::{Output, percent};
use crate::cli::overrides::Overrides;
use crate::cli::stop::STOP;
use crate::cli::terminal::{Terminal, duration};

/// Train one student under one supervision.
///
/// Settings come from TOML files, then from flags; an unknown key is refused. The run folder keeps
/// the resolved settings, metrics, checkpoints, a summary and a report. Ctrl-C writes a checkpoint;
/// --resume goes on exactly.
///
/// Several devices share every step with --device cuda:0-3; several processes, on one machine or many,
/// where mpirun or srun starts them (a build with `--features mpi`): --device then names the devices of
/// each machine, which its processes divide among them. A step is that of one device with the same
/// batch, up to rounding (batch norms apart). The first process alone needs the run folder;
/// docs/parallel.md says more.
///
/// Before the first step it is checked that images, classes, labels and weights belong together, and
/// that validation images can be evaluated on; --dry-run does the same. --skip-bad leaves out images
/// that cannot be decoded. --resume takes the settings that the run was begun with where they are left
/// out, and the same images, store and weights at another place, too.
///
/// Example: ferkd train --images photos --store photos-labels --arch resnet18 --side 64 --run runs/first
/// By 8 processes: mpirun -n 8 ferkd train ... --device cuda:0-7, or srun --mpi=pmix ferkd train ...
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    run: RunArgs,
}

// What every command that trains asks for; a doc comment would become the text of `--help`.
#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    /// Folder of the run.
    #[arg(long)]
    pub(super) run: PathBuf,
    /// TOML file with settings; flags win over it. Can be given several times.
    #[arg(long = "config", value_name = "CONFIG")]
    files: Vec<PathBuf>,
    /// Go on with the run that is there.
    #[arg(long)]
    pub(super) resume: bool,
    /// Write TensorBoard's event files into the run's folder, too: `tensorboard --logdir RUN` shows them.
    #[arg(long)]
    pub(super) tensorboard: bool,
    /// Say what would be done, and stop.
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    settings: Overrides<TrainConfig>,
}

impl RunArgs {
    /// Whether the thread that calls it computes all of a step: where nothing else, a device or another thread, is waited
    /// for.
    pub(super) fn computes(&self) -> bool {
        // What is wrong with the settings is said later.
        let config = self.begun_with().and_then(|layers| self.config(layers));
        config.is_ok_and(|config| is_only_cpu(&config.device))
    }

    /// The settings: `layers`, then the files, then the flags.
    pub(super) fn config(&self, layers: Vec<(String, toml::Table)>) -> Result<TrainConfig> {
        self.settings.resolve_over(layers, &self.files)
    }

    /// The settings of the run that is gone on with; none where it is not there.
    fn begun_with(&self) -> Result<Vec<(String, toml::Table)>> {
        let file = self.run.join("config.toml");
        if self.resume && file.exists() { Ok(vec![read_layer(&file)?]) } else { Ok(Vec::new()) }
    }
}

impl Args {
    /// Whether the thread that calls it computes all of a step.
    pub fn computes(&self) -> bool {
        self.run.computes()
    }

    pub fn run(self) -> Result<Output> {
        let RunArgs { run, resume, .. } = &self.run;
        let config = self.run.config(self.run.begun_with()?)?;
        let launched = Processes::launched()?;
        let leads = launched.as_ref().is_none_or(Processes::leads);
        if self.run.dry_run {
            // Processes that compute nothing together end one by one.
            return if leads { dry_run(config, run, *resume) } else { Ok(Output::silent()) };
        }
        let mut terminal = Terminal::new();
        let mut notices = Notices::default();
        // The first process alone needs the folder.
        let mut board = Board::new(run, self.run.tensorboard && leads);
        let listen = &mut |event: &Event| {
            for event in std::iter::once(event).chain(&board.hear(event)) {
                notices.hear(event);
                terminal.hear(event);
            }
        };
        let Some(all) = launched else {
            let summary = train(&config, run, *resume, &STOP, listen)?;
            return report(run, &summary).map(|output| notices.put(output));
        };
        if leads {
            let summary = train_together(&config, run, *resume, all, &STOP, listen)?;
            return report(run, &summary).map(|output| notices.put(output));
        }
        // The first process speaks for all, unless this one fails.
        let name = all.to_string();
        match train_together(&config, run, *resume, all, &STOP, &mut |_| ()) {
            Ok(_) => Ok(Output::silent()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                // Where not all have stopped, before the first step.
                processes::abort(130);
                // A launcher that sees a code may end the first one before it has said what it is.
                Ok(Output::silent())
            }
            // What names a process is said by all.
            Err(error) if error.subject().starts_with("rank ") => Err(error),
            Err(error) => {
                let subject = format!("{name}: {}", error.subject());
                Err(error.about(subject))
            }
        }
    }
}

/// How a run ended, for people and for programs.
pub(super) fn report(run: &Path, summary: &TrainSummary) -> Result<Output> {
    let mut text = format!("{}: {} steps in {}", run.display(), summary.steps, duration(summary.time_s));
    text += &format!(", training loss {:.4}", summary.train_loss);
    if let (Some(top1), Some(top5)) = (summary.accuracy, summary.top5) {
        text += &format!("\ntop-1 {}, top-5 {}", percent(top1), percent(top5));
    }
    if let Some(best) = summary.best_accuracy {
        text += &format!(" (best top-1 {})", percent(best));
    }
    if summary.fallbacks > 0 {
        text += &format!(
            "\n{} times an image had no region that survived mining; one was kept",
            summary.fallbacks
        );
    }
    if summary.skipped_images > 0 {
        text += &format!("\n{} images cannot be decoded and were left out", summary.skipped_images);
    }
    if summary.skipped_val_images > 0 {
        text += &format!("\n{} validation images were left out", summary.skipped_val_images);
    }
    Output::new(text, summary)
}

/// What a run would do. Whatever can be known to be wrong is found as in a run; nothing is written.
pub(super) fn dry_run(config: TrainConfig, run: &Path, resume: bool) -> Result<Output> {
    // Before all images are looked at.
    holds_run(run, resume)?;
    let mut terminal = Terminal::new();
    let listen = &mut |event: &Event| terminal.hear(event);
    let trainer = Trainer::open(config, ImageCheck { folder: None, validates: true, stop: &STOP, listen })?;
    warn(trainer.warnings(), &mut |event| Terminal::new().hear(event));
    let config = toml::to_string(trainer.config())
        .map_err(|e| Error::usage("configuration", format!("it cannot be written as TOML: {e}")))?;
    let parameters = trainer.parameters();
    let macs = trainer.student().macs(trainer.card().side as usize);
    let memory = trainer.memory();
    let mut text = format!(
        "{config}\n# {} images, {} classes, {} steps, {parameters} parameters, {:.3} G multiply-adds an image\n",
        trainer.batcher().images.len(),
        trainer.card().classes.len(),
        trainer.steps(),
        macs as f64 / 1e9,
    );
    trainer.notices().iter().for_each(|notice| text += &format!("# {notice}\n"));
    let validation = trainer.validation().map(|set| set.images().len());
    text += &match validation {
        Some(count) => format!("# {count} images to validate on\n"),
        None => "# no images to validate on\n".into(),
    };
    if trainer.left_out() > 0 {
        text += &format!("# {} images that cannot be decoded are left out\n", trainer.left_out());
    }
    text += &memory_table(&memory);
    let mut json = serde_json::json!({
        "config": trainer.config(),
        "images": trainer.batcher().images.len(),
        "validation_images": validation,
        "skipped_images": trainer.left_out(),
        "classes": trainer.card().classes.len(),
        "steps": trainer.steps(),
        "parameters": parameters,
        "macs_per_image": macs,
        "memory": memory,
        "warnings": trainer.warnings(),
        "notices": trainer.notices(),
    });
    let steps = trainer.steps();
    let done = check_folder(trainer, run, resume)?;
    json["steps_done"] = done.into();
    if resume {
        text += &format!("# {done} of {steps} steps are done\n");
    }
    Output::new(text, &json)
}

/// The memory of a step, as comments of a TOML file.
fn memory_table(memory: &MemoryEstimate) -> String {
    let when = match memory.peak {
        Moment::Backward => "in the forward and backward pass",
        Moment::Update => "when weights are updated",
        Moment::Average => "when the average is updated",
    };
    let parts = [
        ("weights", memory.weights_bytes),
        ("gradients", memory.gradients_bytes),
        ("optimizer", memory.optimizer_bytes),
        ("average", memory.average_bytes),
        ("teacher", memory.teacher_bytes),
        ("batch", memory.batch_bytes),
        ("activations", memory.activations_bytes),
        ("workspace", memory.workspace_bytes),
        ("total", memory.total_bytes),
        ("batches on the host", memory.host_bytes),
    ];
    let mut text = format!("# memory of a step at its peak, {when}, estimated:\n");
    for (name, bytes) in parts.into_iter().filter(|(_, bytes)| *bytes > 0) {
        text += &format!("# {name:<20} {:>10.1} MB\n", bytes as f64 / 1e6);
    }
    text
}
