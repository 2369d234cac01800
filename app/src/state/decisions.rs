//! What the reader says of regions. Decisions are kept by data set: looking at another one loses none.

use std::collections::BTreeMap;

use crate::verdict::{Decision, Decisions};

/// A data set's identity, and what was said of its regions, as it is kept between visits.
type Kept = (String, Vec<(u64, u32, Decision)>);

/// What was said of the regions of every data set, by the set's identity.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AllDecisions(BTreeMap<String, Decisions>);

impl AllDecisions {
    /// All of them as text that [`restore`](Self::restore) takes up again.
    pub fn to_text(&self) -> String {
        let kept: Vec<Kept> = self
            .0
            .iter()
            .filter(|(_, decisions)| !decisions.is_empty())
            .map(|(of, decisions)| {
                let one = |(&(image, region), decision): (&_, &Decision)| (image, region, decision.clone());
                (of.clone(), decisions.iter().map(one).collect())
            })
            .collect();
        serde_json::to_string(&kept).unwrap_or_default()
    }

    /// Takes up decisions that were kept.
    ///
    /// # Errors
    /// Text that is none of ours.
    pub fn restore(&mut self, text: &str) -> serde_json::Result<()> {
        for (of, decisions) in serde_json::from_str::<Vec<Kept>>(text)? {
            let all = decisions.into_iter().map(|(image, region, one)| ((image, region), one));
            self.0.entry(of).or_default().extend(all);
        }
        Ok(())
    }

    /// What was said of regions of one data set, by its identity.
    pub fn of(&self, identity: Option<&str>) -> &Decisions {
        static NONE: Decisions = BTreeMap::new();
        identity.and_then(|identity| self.0.get(identity)).unwrap_or(&NONE)
    }

    /// Takes note of what is said of a region of a data set.
    pub fn insert(&mut self, identity: &str, image: u64, region: u32, decision: Decision) {
        self.0.entry(identity.to_owned()).or_default().insert((image, region), decision);
    }

    /// Takes back what was said of a region of a data set.
    pub fn remove(&mut self, identity: &str, image: u64, region: u32) {
        if let Some(decisions) = self.0.get_mut(identity) {
            decisions.remove(&(image, region));
        }
    }
}
