//! What a trainer hands out to be kept, and takes up again: weights, average, optimizer.

use super::Trainer;
use crate::ema::Ema;
use ferkd_method::error::Result;
use ferkd_nn::weights::StateDict;

impl Trainer {
    /// The weights to use: the student's, or its average's where one is kept.
    ///
    /// # Errors
    /// A device that cannot be read from.
    pub fn weights(&self) -> Result<StateDict> {
        let mut dict = StateDict::of(self.ema.as_ref().map_or(self.student(), Ema::model))?;
        self.card.put(&mut dict);
        Ok(dict)
    }

    /// Everything that going on exactly takes: student, average, optimizer.
    ///
    /// # Errors
    /// A device that cannot be read from.
    pub fn state(&self) -> Result<StateDict> {
        let mut dict = StateDict::of(self.student())?;
        dict.absorb("optimizer.", self.group.primary().optimizer.state()?);
        if let Some(ema) = &self.ema {
            dict.absorb("ema.", StateDict::of(ema.model())?);
        }
        self.card.put(&mut dict);
        Ok(dict)
    }

    /// Takes up a state, `step` steps into the run; `origin` is what errors call it.
    ///
    /// # Errors
    /// The state of another student, optimizer or average.
    pub fn restore(&mut self, mut dict: StateDict, step: u64, origin: &str) -> Result<()> {
        let optimizer = dict.split_off("optimizer.");
        let average = dict.split_off("ema.");
        for replica in self.group.replicas_mut() {
            let state = (step > 0).then(|| optimizer.clone());
            replica.restore(&self.config, &dict, state, origin)?;
        }
        if let Some(decay) = self.config.ema {
            self.ema = Some(Ema::new(decay, &self.card.spec, &average, &self.group.primary().device)?);
        }
        if let Some(features) = &mut self.features {
            features.clear();
        }
        self.step = step;
        Ok(())
    }
}
