//! The training loop from Rust: one student, step by step, with your own code between the steps.
//!
//! `cargo run --release -p ferkd --example train_in_code -- ferkd-demo/train.toml`, after `ferkd demo`.

use ferkd::config::{read_layer, resolve};
use ferkd::train::{TrainConfig, Trainer};

fn main() -> ferkd::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "ferkd-demo/train.toml".into());
    let config: TrainConfig = resolve(&[read_layer(path.as_ref())?])?;
    let mut trainer = Trainer::new(config)?;

    let mut order = None;
    for step in 0..200 {
        // A batch is a pure function of the settings and the step.
        let Some(batch) = trainer.batcher().batch(step, &mut order)? else { break };
        let output = trainer.advance(&batch)?;
        if step % 20 == 0 {
            // Reading a loss back waits for the device: not at every step.
            println!(
                "step {step}: loss {:.3}, learning rate {:.2e}",
                output.loss.into_scalar::<f32>(),
                output.lr
            );
        }
    }
    let result = trainer.evaluate()?;
    println!("{:.1} % of the validation images are right", 100.0 * result.top1);
    Ok(())
}
