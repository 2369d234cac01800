//! Where the teacher is right: a monotone fit over the confidence, and the `mid` that it gives.

use ferkd_method::Result;
use ferkd_method::mining::{Confidence, RightCounts, RightFit};

use super::question::Question;
use crate::dataset::DataSet;
use crate::labels::walk::{LabelsKey, Walk};

/// The fit of a data set, or of one of its classes, and how far it is counted.
#[derive(Default)]
pub(crate) struct RightStudy {
    of: Option<(LabelsKey, Confidence, Option<u32>)>,
    counts: RightCounts,
    /// How far the regions are counted.
    pub walk: Walk,
    /// Why they cannot be.
    pub error: Option<String>,
    /// The share of regions that the teacher names rightly, by confidence; none where no image has a class.
    pub fit: Option<RightFit>,
    /// What `auto` takes for mid, once all regions are counted: where the teacher begins to be right in one half of them;
    /// none where it never is.
    pub auto: Option<f32>,
}

impl RightStudy {
    /// Forgets what was found in other labels; goes on for a slice of time where it is watched.
    pub fn advance(&mut self, question: &Question<'_>, is_watched: bool) {
        let Some(set) = question.set() else { return };
        let which = question.experiment.settings.confidence;
        let key = (question.key(), which, question.class);
        if self.of != Some(key) {
            *self = Self { of: Some(key), walk: Walk::over(set), ..Self::default() };
        }
        if !is_watched || self.walk.is_done() || self.error.is_some() {
            return;
        }
        self.error = self.look(set, which, question.class).err().map(|error| error.to_string());
    }

    fn look(&mut self, set: &DataSet, which: Confidence, only: Option<u32>) -> Result<()> {
        let (counts, mut unreadable) = (&mut self.counts, None);
        self.walk.advance(set, &mut |_, class, _, label| {
            let Some(truth) = class.filter(|class| only.is_none_or(|only| only == *class)) else { return };
            match which.of(label, Some(truth)) {
                Ok(c) => counts.add(c, label.prediction() == Some(truth)),
                Err(error) => unreadable = Some(error),
            }
        })?;
        if let Some(error) = unreadable {
            return Err(error);
        }
        self.fit = self.counts.fit().ok();
        if self.walk.is_done() {
            self.auto = self.fit.as_ref().and_then(|fit| fit.crossing(0.5));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panes::testing::scenes;
    use crate::study::Watched;
    use ferkd_method::mining::{QUANTILES, Rule, Threshold};

    #[test]
    fn it_finds_the_mid_that_the_program_finds() {
        let mut state = scenes();
        let mut expected = RightCounts::default();
        let set = state.set().unwrap();
        set.walk(0..set.len(), &mut |_, class, _, label| {
            expected.add(Confidence::Max.of(label, class).unwrap(), label.prediction() == class);
        })
        .unwrap();
        let expected = expected.fit().unwrap();
        let rule = Rule::of([None, Some(Threshold::Auto), None], QUANTILES.into()).unwrap();
        let by_rule = set.store().unwrap().kinds(&rule, Confidence::Max).unwrap().0.mid;
        state.study.watched = vec![Watched::Right];
        while !state.study.right.walk.is_done() {
            state.refresh();
        }
        let found = &state.study.right;
        assert_eq!((found.fit.as_ref(), found.auto), (Some(&expected), Some(by_rule)));
        assert!((0.2..0.6).contains(&by_rule), "{by_rule}");
        // Of one class alone it is another one.
        state.filters.class = Some(3);
        state.refresh();
        assert!(state.study.right.fit != Some(expected));
    }
}
