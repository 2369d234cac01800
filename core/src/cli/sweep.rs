//! `ferkd sweep`.

use std::path::{Path, PathBuf};

use ferkd_data::config::read_layer;
use ferkd_method::{Error, Result};
use ferkd_train::sweep::markdown::markdown;
use ferkd_train::sweep::{SweepConfig, SweepPlan, look, look_ahead, sweep};

use crate::cli::output::Output;
use crate::cli::stop::STOP;
use crate::cli::terminal::{Terminal, duration};

/// Compare arms: a grid of settings, budgets and seeds -> one table.
///
/// Labels the images once, trains every arm with every budget and seed (each an ordinary run
/// folder), and writes results.csv, summary.csv with differences paired by seed, and report.html.
/// Interrupted at any moment, the same command goes on where it stopped; finished runs are never
/// done again.
///
/// Example: ferkd sweep --config configs/sweep-demo.toml --images scenes --out sweep
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_help = format!("Keys of the file:\n{}", ferkd_train::sweep::config::keys()))]
pub struct Args {
    /// TOML file of the sweep. Can be given several times: later ones win, key by key.
    #[arg(long, required = true)]
    config: Vec<PathBuf>,
    /// Folder of the store, the runs and the tables.
    #[arg(long)]
    out: PathBuf,
    /// Images to train on, with val/ beside train/; wins over the file's.
    #[arg(long)]
    images: Option<PathBuf>,
    /// Runs at a time; wins over the file's. Results do not depend on it.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Write TensorBoard's event files into the folders of the runs that are done now, too:
    /// `tensorboard --logdir OUT/runs` shows them all.
    #[arg(long)]
    tensorboard: bool,
    /// Say what would be done, look at images, labels and settings as the sweep would, and stop.
    #[arg(long)]
    dry_run: bool,
    /// Start nothing; print the tables of the runs that are finished, as Markdown.
    #[arg(long, conflicts_with_all = ["dry_run", "tensorboard"])]
    tables: bool,
}

impl Args {
    pub fn run(self) -> Result<Output> {
        let layers = self.config.iter().map(|path| read_layer(path)).collect::<Result<Vec<_>>>()?;
        let mut plan = SweepConfig::from_layers(&layers)?.plan(self.images)?;
        plan.jobs = self.jobs.unwrap_or(plan.jobs);
        plan.tensorboard = self.tensorboard;
        if plan.jobs > 1024 {
            return Err(Error::usage("jobs", format!("{} runs at a time are too many", plan.jobs)));
        }
        if self.dry_run {
            return dry_run(&plan, &self.out);
        }
        if self.tables {
            let analysis = look(&plan, &self.out)?;
            return Output::new(markdown(&analysis), &analysis);
        }
        let mut terminal = Terminal::new();
        let summary = sweep(&plan, &self.out, &STOP, &mut |e| terminal.hear(e))?;
        let text = format!(
            "{}: {} runs of {} arms, {} of them now, in {}\n{}",
            self.out.display(),
            summary.runs,
            summary.arms,
            summary.runs_now,
            duration(summary.time_s),
            summary.files.join("\n")
        );
        Output::new(text, &summary)
    }
}

fn dry_run(plan: &SweepPlan, out: &Path) -> Result<Output> {
    let mut terminal = Terminal::new();
    let found = look_ahead(plan, out, &STOP, &mut |event| terminal.hear(event))?;
    let mut text = format!(
        "{} runs: {} arms x {} budgets x {} seeds; {} regions of each image\n",
        plan.runs(),
        plan.arms.len(),
        plan.epochs.len(),
        plan.seeds.len(),
        plan.label.regions
    );
    for arm in &plan.arms {
        text += &format!("  {:<32} against {}\n", arm.name, plan.arms[arm.baseline].name);
    }
    let labels = if found.labels_first { "; they are labelled first" } else { "" };
    text += &format!("{} images to train on{labels}\n", found.images);
    text += &format!("{} images to validate on\n", found.validation_images);
    text += &format!("{} runs are done\n", found.runs_done);
    found.warnings.iter().for_each(|warning| text += &format!("warning: {warning}\n"));
    let names: Vec<&str> = plan.arms.iter().map(|arm| arm.name.as_str()).collect();
    let json = serde_json::json!({
        "runs": plan.runs(), "arms": names, "epochs": plan.epochs, "seeds": plan.seeds,
        "regions_per_image": plan.label.regions, "found": found,
    });
    Output::new(text, &json)
}
