//! Losses that are still on the device, for reading one waits for all work before it.

use burn::tensor::Tensor;

use crate::progress::Progress;
use ferkd_method::error::{Error, Result};

/// The losses of the steps since they were last read, in the order of these.
#[derive(Default)]
pub struct UnreadLosses(Vec<(u64, f64, Tensor<1>)>);

impl UnreadLosses {
    /// A step's loss, in nats: shape (1), with the step's number and learning rate.
    pub fn push(&mut self, step: u64, lr: f64, loss: Tensor<1>) {
        self.0.push((step, lr, loss));
    }

    /// All of them: shape (N); none where there are none.
    pub fn all(&self) -> Option<Tensor<1>> {
        let losses: Vec<Tensor<1>> = self.0.iter().map(|(_, _, loss)| loss.clone()).collect();
        (!losses.is_empty()).then(|| Tensor::cat(losses, 0))
    }

    /// Takes up their values, in nats; `origin` is what errors call the run.
    ///
    /// # Errors
    /// A loss that is not finite; another number of them.
    pub fn note(&mut self, values: &[f32], progress: &mut Progress, origin: &str) -> Result<()> {
        if values.len() != self.0.len() {
            let problem = format!("{} losses are unread, not {}", self.0.len(), values.len());
            return Err(Error::mismatch(origin, problem));
        }
        for ((step, lr, _), &loss) in self.0.drain(..).zip(values) {
            progress.note_loss(loss, step, lr, origin)?;
        }
        Ok(())
    }
}
