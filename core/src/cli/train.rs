//! `ferkd train`.

use std::path::{Path, PathBuf};

use ferkd::Result;
use ferkd::events::Event;
use ferkd::memory::{MemoryEstimate, Moment};
use ferkd::train::{Meeting, Node, TrainConfig, TrainSummary, Trainer, train, train_together};

use crate::cli::overrides::Overrides;
use crate::cli::terminal::{Terminal, duration};
use crate::cli::{Output, STOP, percent};

/// Train one student under one supervision.
///
/// Settings come from TOML files, then from flags; an unknown key is refused. The run folder keeps
/// the resolved settings, metrics, checkpoints, a summary and a report. Ctrl-C writes a checkpoint;
/// --resume goes on exactly.
///
/// Several devices share every step with --device cuda:0-3; several machines by the same command on
/// each, with --node 1/4 ... --node 4/4 and --meet, an address of the first. A step is that of one
/// device with the same batch, up to rounding (batch norms apart). The first machine alone needs the
/// run folder; docs/parallel.md says more.
///
/// Example: ferkd train --images photos --store photos-labels --arch resnet18 --side 64 --run runs/first
/// On two machines: ferkd train ... --node 1/2 --meet gpu1:4477, and ferkd train ... --node 2/2 --meet gpu1:4477
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Folder of the run.
    #[arg(long)]
    run: PathBuf,
    /// TOML file with settings; flags win over it. Can be given several times.
    #[arg(long)]
    config: Vec<PathBuf>,
    /// Go on with the run that is there.
    #[arg(long)]
    resume: bool,
    /// Say what would be done, and stop.
    #[arg(long)]
    dry_run: bool,
    /// Which of several processes that train together this is: 2/4 for the second of four. The first
    /// writes the run folder.
    #[arg(long, value_name = "I/N", requires = "meet")]
    node: Option<Node>,
    /// Where they meet: an address of node 1 and a free port there, the same on every node.
    #[arg(long, value_name = "HOST:PORT", requires = "node")]
    meet: Option<String>,
    #[command(flatten)]
    settings: Overrides<TrainConfig>,
}

impl Args {
    pub fn run(self) -> Result<Output> {
        let config = self.settings.resolve(&self.config)?;
        if self.dry_run {
            return dry_run(config);
        }
        let mut terminal = Terminal::new();
        let listen = &mut |event: &Event| terminal.hear(event);
        let (Some(node), Some(address)) = (self.node, self.meet) else {
            let summary = train(&config, &self.run, self.resume, &STOP, listen)?;
            return report(&self.run, &summary);
        };
        let meeting = Meeting::new(node, &address)?;
        let summary = train_together(&config, &self.run, self.resume, meeting, &STOP, listen)?;
        if node.leads() {
            return report(&self.run, &summary);
        }
        let text = format!(
            "node {node}: {} steps in {}, training loss {:.4}; node 1 has the run",
            summary.steps,
            duration(summary.time_s),
            summary.train_loss
        );
        Output::new(text, &summary)
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
    Output::new(text, summary)
}

/// What a run would do.
pub(super) fn dry_run(config: TrainConfig) -> Result<Output> {
    let trainer = Trainer::new(config)?;
    let config = toml::to_string(trainer.config()).unwrap_or_default();
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
    text += &memory_table(&memory);
    let json = serde_json::json!({
        "config": trainer.config(),
        "images": trainer.batcher().images.len(),
        "classes": trainer.card().classes.len(),
        "steps": trainer.steps(),
        "parameters": parameters,
        "macs_per_image": macs,
        "memory": memory,
    });
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
