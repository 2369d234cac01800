//! What the reader says of regions. Decisions are kept by data set: looking at another one loses none.

use std::collections::BTreeMap;

use ferkd::Result;

use super::State;
use crate::dataset::DataSet;
use crate::export::{Decision, Verdict};

/// What the reader says of regions, by image and region.
pub type Decisions = BTreeMap<(u64, u32), Decision>;

/// A data set's identity, and what was said of its regions, as it is kept between visits.
type Kept = (String, Vec<(u64, u32, Decision)>);

impl State {
    /// All decisions as text that [`restore_decisions`](Self::restore_decisions) takes up again.
    pub fn decisions_to_text(&self) -> String {
        let kept: Vec<Kept> = self
            .decided
            .iter()
            .filter(|(_, decisions)| !decisions.is_empty())
            .map(|(of, decisions)| {
                let one = |(&(image, region), decision): (&_, &Decision)| (image, region, decision.clone());
                (of.clone(), decisions.iter().map(one).collect())
            })
            .collect();
        serde_json::to_string(&kept).unwrap_or_default()
    }

    /// Takes up decisions that were kept; says so where they cannot be read.
    pub fn restore_decisions(&mut self, text: &str) {
        match serde_json::from_str::<Vec<Kept>>(text) {
            Ok(kept) => {
                for (of, decisions) in kept {
                    let all = decisions.into_iter().map(|(image, region, one)| ((image, region), one));
                    self.decided.entry(of).or_default().extend(all);
                }
            }
            Err(error) => self.complain(format!("the decisions of the last visit cannot be read: {error}")),
        }
    }

    /// What the reader says of regions of the data set that is looked at.
    pub fn decisions(&self) -> &Decisions {
        static NONE: Decisions = BTreeMap::new();
        self.set().and_then(|set| self.decided.get(set.identity())).unwrap_or(&NONE)
    }

    /// What the reader says of a region.
    pub fn verdict(&self, image: u64, region: u32) -> Option<Verdict> {
        self.decisions().get(&(image, region)).map(|decision| decision.verdict)
    }

    /// Takes note of what the reader says of a region, shown or not; saying it again takes it back.
    pub fn decide(&mut self, image: u64, region: u32, verdict: Verdict) {
        let is_said = self.verdict(image, region) == Some(verdict);
        let Some(set) = self.set() else { return };
        let of = set.identity().to_owned();
        if is_said {
            if let Some(decisions) = self.decided.get_mut(&of) {
                decisions.remove(&(image, region));
            }
            return;
        }
        match self.decision(set, image, region, verdict) {
            Ok(decision) => {
                self.decided.entry(of).or_default().insert((image, region), decision);
            }
            Err(error) => self.complain(error),
        }
    }

    /// Takes note of what the reader says of the region that is chosen, if any.
    pub fn decide_chosen(&mut self, verdict: Verdict) {
        if let Some(region) = self.experiment.region {
            self.decide(self.experiment.image, region, verdict);
        }
    }

    fn decision(&self, set: &DataSet, image: u64, region: u32, verdict: Verdict) -> Result<Decision> {
        let found = set.region(image, region)?;
        let guess = found.label.as_ref().and_then(|label| label.top().first().copied());
        let judged =
            found.label.as_ref().and_then(|label| self.judge(&self.experiment.settings, label, found.truth));
        Ok(Decision {
            image: found.image,
            region,
            class: found.truth.map(|class| set.class_name(class)),
            teacher: guess.map(|(class, _)| set.class_name(class)),
            probability: guess.map(|(_, p)| p),
            kind: judged.map(|(_, kind)| kind),
            confidence: judged.map(|(c, _)| c),
            verdict,
        })
    }
}

#[cfg(test)]
mod tests {
    use ferkd::mining::Kind;

    use super::*;
    use crate::experiment::Data;
    use crate::export::jsonl;
    use crate::study::testing::scenes;

    #[test]
    fn decisions_stay_with_their_data_set() {
        let mut state = scenes();
        state.decide(7, 2, Verdict::Ambiguous);
        state.look_at(Data::Photos);
        state.refresh();
        assert!(state.decisions().is_empty());
        state.decide(1, 3, Verdict::ClassWrong);
        assert_eq!(state.decisions().len(), 1);
        state.look_at(Data::Scenes);
        state.refresh();
        assert_eq!(state.verdict(7, 2), Some(Verdict::Ambiguous));
        assert_eq!(state.verdict(1, 3), None);
        // They outlive the window.
        let kept = state.decisions_to_text();
        let mut later = scenes();
        later.restore_decisions(&kept);
        assert_eq!(later.decisions(), state.decisions());
        later.restore_decisions("[[");
        assert!(later.notices.last().unwrap().is_error && later.decisions() == state.decisions());
        // The same again takes it back; another one replaces it.
        state.decide(7, 2, Verdict::TeacherWrong);
        assert_eq!(state.decisions().len(), 1);
        state.decide(7, 2, Verdict::TeacherWrong);
        assert!(state.decisions().is_empty());
        state.decide(1_000_000, 0, Verdict::ClassWrong);
        assert!(state.decisions().is_empty() && state.notices.last().unwrap().is_error);
    }

    #[test]
    fn a_decision_says_what_the_store_holds_whether_its_image_is_shown_or_not() {
        let mut state = scenes();
        state.look_at_image(12);
        state.refresh();
        for image in [12, 40] {
            state.decide(image, 5, Verdict::TeacherWrong);
            let store = state.set().unwrap().store().unwrap();
            let label = store.label(image, 5).unwrap();
            let decision = &state.decisions()[&(image, 5)];
            assert_eq!(decision.image, store.image(image).unwrap().name);
            assert_eq!(decision.teacher, label.guess().map(|class| class.to_string()));
            assert_eq!(decision.confidence, Some(label.top()[0].1));
            let thresholds = state.thresholds(&state.experiment.settings).unwrap();
            assert_eq!(decision.kind, Some(thresholds.kind(label.top()[0].1).unwrap()));
        }
        let text = jsonl(&state);
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        for key in ["image", "region", "class", "teacher", "probability", "verdict", "kind", "confidence"] {
            assert!(lines.iter().all(|line| !line[key].is_null()), "{key}: {text}");
        }
        assert!(Kind::ALL.iter().any(|kind| lines[0]["kind"] == kind.name()));
        // Lines of before had neither kind nor confidence.
        let old = r#"{"image":"a","region":1,"class":null,"teacher":"b","probability":0.5,"verdict":"class-wrong"}"#;
        let decision: Decision = serde_json::from_str(old).unwrap();
        assert_eq!((decision.kind, decision.confidence), (None, None));
    }
}
