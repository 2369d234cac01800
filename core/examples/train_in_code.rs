//! The training loop from Rust: one student, step by step, with your own code between the steps.
//!
//! `cargo run --release -p ferkd --example train_in_code -- ferkd-demo/train.toml`, after `ferkd demo`.

use ferkd::train::{Budget, Session, SessionEvent, TrainConfig, Trainer, read_layer, resolve};

fn main() -> ferkd::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "ferkd-demo/train.toml".into());
    let config: TrainConfig = resolve(&[read_layer(path.as_ref())?])?;
    let config = TrainConfig { log_every: 20, ..config };
    let mut session = Session::new(Trainer::new(config)?, "students");

    // Each call does one small piece of work: a step, or some pictures of an evaluation.
    loop {
        match pollster::block_on(session.next(Budget::default()))? {
            SessionEvent::Metrics(m) => {
                println!("step {}: loss {:.3}, learning rate {:.2e}", m.step, m.loss, m.lr);
                if m.step >= 200 {
                    session.request_evaluation();
                }
            }
            SessionEvent::Evaluation { found, .. } => {
                println!("{:.1} % of the validation images are right", 100.0 * found.report.top1);
                if session.trainer().step() >= 200 {
                    return Ok(());
                }
            }
            SessionEvent::Done { .. } => return Ok(()),
            _ => {}
        }
    }
}
