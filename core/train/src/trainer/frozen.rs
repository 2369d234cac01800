//! A trainer of the last layer alone, on features that are computed once.

use std::sync::Arc;

use super::Trainer;
use crate::eval::{EvalPass, Evaluated};
use crate::features::RegionFeatures;
use ferkd_data::batches::batch::Batcher;
use ferkd_method::error::Result;

#[cfg(all(test, feature = "flex"))]
mod tests;

impl Trainer {
    /// Whether features are kept: on one device of one process. Several would each have to compute all of them.
    pub(super) fn keeps_features(&self) -> bool {
        self.features.is_some() && self.is_alone() && self.replicas() == 1
    }

    /// The features to train on, where they are kept.
    pub(crate) fn kept(&self) -> Option<&RegionFeatures> {
        self.features.as_ref().filter(|_| self.keeps_features()).map(|features| &features.training)
    }

    /// Regions whose features are computed and kept before the next step, and those in all; none where the next step may
    /// be taken.
    pub fn features_due(&self) -> Option<(usize, usize)> {
        let kept = self.kept().filter(|kept| !kept.is_whole() && self.step() < self.steps())?;
        Some((kept.done(), kept.total()))
    }

    /// Computes features of some regions more.
    ///
    /// # Errors
    /// An image that cannot be decoded, a device that cannot be read from.
    pub(crate) async fn add_features(&mut self) -> Result<()> {
        let primary = self.group.primary();
        let device = primary.device.clone().inner();
        match (&mut self.features, primary.frozen()) {
            (Some(features), Some(network)) => {
                features.training.advance(&self.batcher, network, &device).await
            }
            _ => Ok(()),
        }
    }

    /// What makes the batches of steps whose features are known: nothing is decoded.
    pub(super) fn batcher_without_pixels(&self) -> Option<Arc<Batcher>> {
        self.kept().filter(|kept| kept.is_whole())?;
        Some(Arc::new(Batcher { cuts: false, ..Batcher::clone(&self.batcher) }))
    }

    /// Goes on with an evaluation of the student, or of its average where one is kept, by at most so many pictures; what
    /// was found, once all were seen. Where the network is frozen, later evaluations take the features that the first one
    /// has found.
    ///
    /// # Errors
    /// No validation images; those of [`EvalPass::advance`] and [`EvalPass::finish`].
    pub async fn evaluate_slice(
        &mut self,
        evaluation: &mut Option<EvalPass>,
        most: usize,
    ) -> Result<Option<Box<Evaluated>>> {
        self.evaluate_pictures(evaluation.get_or_insert_default(), most).await?;
        let set = self.evaluated_on()?;
        let whole = evaluation.take_if(|pass| pass.done() >= set.len());
        whole.map(|pass| pass.finish(set, &self.card.classes).map(Box::new)).transpose()
    }

    async fn evaluate_pictures(&mut self, pass: &mut EvalPass, most: usize) -> Result<()> {
        self.evaluated_on()?;
        let model = match pass.model.take() {
            Some(model) => model,
            None => self.evaluated_model()?,
        };
        // An average's backbone is the frozen one only up to rounding.
        let keeps = self.keeps_features() && self.ema.is_none();
        let kept = self.features.as_mut().filter(|_| keeps).map(|features| &mut features.validation);
        let (set, device) = (self.validation.as_deref(), &self.group.primary().device);
        let done = match (set, kept) {
            (Some(set), Some(kept)) => {
                pass.advance_keeping(&model, &self.card.classes, set, device, most, kept).await
            }
            (Some(set), None) => pass.advance(&(&model, &self.card.classes), set, device, most).await,
            (None, _) => Ok(()),
        };
        pass.model = Some(model);
        done
    }
}
