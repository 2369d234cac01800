//! Predicted and measured memory of a training step on the CPU: the table of docs/memory.md.
//!
//! `cargo run --release -p ferkd --example step_memory`, or with the settings of one step:
//! `... --example step_memory -- resnet50 64 32 precision=bf16 gradient-checkpointing=true`

mod counting;
mod measure;

use ferkd_data::config::{resolve, table};
use ferkd_method::{Error, Result};
use measure::{measure, settings};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const CHECKPOINTED: &str = "gradient-checkpointing=true";
const BF16: &str = "precision=bf16";

/// Architecture, batches and settings of the rows.
const ROWS: [(&str, &[usize], &[&str]); 10] = [
    ("resnet18", &[16, 64], &[]),
    ("resnet50", &[16, 64], &[]),
    ("efficientnet-lite0", &[16, 64], &[]),
    ("vit-ti16", &[16, 64], &[]),
    ("resnet18", &[64], &[CHECKPOINTED]),
    ("efficientnet-lite0", &[64], &[CHECKPOINTED]),
    ("vit-ti16", &[64], &[CHECKPOINTED]),
    ("resnet18", &[64], &[BF16]),
    ("vit-ti16", &[64], &[BF16]),
    ("resnet50", &[64], &[CHECKPOINTED]),
];

fn main() -> Result<()> {
    println!("| network | side | regions | settings | predicted | measured | ratio | activations kept |");
    println!("|---|---|---|---|---|---|---|---|");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => ROWS.iter().try_for_each(|(arch, batches, changes)| {
            batches.iter().try_for_each(|&batch| row(arch, 64, batch, changes.iter().copied()))
        }),
        [arch, side, batch, changes @ ..] => {
            let number = |text: &String| {
                text.parse().map_err(|_| Error::usage(text, "invalid value: expected a number"))
            };
            row(arch, number(side)?, number(batch)?, changes.iter().map(String::as_str))
        }
        _ => Err(Error::usage("arguments", "give ARCH SIDE BATCH [KEY=VALUE ...], or nothing")),
    }
}

/// Measures a step and prints a row.
fn row<'a>(arch: &str, side: usize, batch: usize, changes: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut settings = table(&settings(arch, side as u32, batch)?)?;
    let mut said = Vec::new();
    for change in changes {
        let (key, value) = change.split_once('=').unwrap_or((change, "true"));
        let value = value.parse().unwrap_or_else(|_| toml::Value::String(value.into()));
        settings.insert(key.into(), value);
        said.push(change);
    }
    let done = measure(resolve(&[("arguments".into(), settings)])?)?;
    let mb = |bytes: usize| format!("{:.1} MB", bytes as f64 / 1e6);
    println!(
        "| {arch} | {side} | {batch} | {} | {} | {} | {:.2} | {} |",
        said.join(", "),
        mb(done.predicted_bytes()),
        mb(done.peak_bytes),
        done.ratio(),
        mb(done.predicted.kept_bytes as usize),
    );
    Ok(())
}
