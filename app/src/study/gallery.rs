//! All regions of a data set, to be looked at side by side: gathered a slice a frame, filtered and ordered.

use std::collections::BTreeSet;

use ferkd_method::mining::{Confidence, RegionKind, Thresholds};
use ferkd_method::{Error, Result};

use super::question::Question;
use crate::dataset::DataSet;
use crate::labels::walk::{LabelsKey, Walk};

/// Regions that are gathered at the most, the first ones: 24 bytes each.
pub(crate) const MOST: usize = 1_000_000;

/// Regions that are picked at once at the most: what is said of them is kept for each.
pub(crate) const PICKED_AT_ONCE: usize = 10_000;

/// In which order regions are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// As the images come.
    #[default]
    Images,
    /// Least confident first.
    Unsure,
    /// Most confident first.
    Sure,
    /// Those first by which margin the teacher prefers another class to the image's.
    Disagreement,
}

impl Order {
    /// All orders.
    pub const ALL: [Self; 4] = [Self::Images, Self::Unsure, Self::Sure, Self::Disagreement];

    /// What it is called.
    pub fn title(self) -> &'static str {
        match self {
            Self::Images => "Image by image",
            Self::Unsure => "Least confident first",
            Self::Sure => "Most confident first",
            Self::Disagreement => "Disagreement first",
        }
    }
}

/// A region that may be shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tile {
    /// Its image.
    pub image: u64,
    /// Its number.
    pub region: u32,
    /// Its confidence.
    pub c: f32,
    /// How far the teacher's prediction is ahead of the class; 0 where they agree or there is no class.
    pub margin: f32,
}

/// What decides which regions are shown, and in which order.
type ShownKey = (u32, Thresholds, Order, Option<RegionKind>, Option<(f32, f32)>);

/// The regions, and how far they are gathered.
#[derive(Default)]
pub(crate) struct GalleryStudy {
    of: Option<(LabelsKey, Confidence, Option<u32>)>,
    /// The order that was asked for.
    pub order: Order,
    /// How far the images are looked through.
    pub walk: Walk,
    /// Why they cannot be.
    pub error: Option<String>,
    tiles: Vec<Tile>,
    shown_of: Option<ShownKey>,
    shown: Vec<(u32, RegionKind)>,
    /// Why nothing is shown.
    shown_error: Option<Error>,
    /// The regions that the reader has picked.
    pub picked: BTreeSet<(u64, u32)>,
}

impl GalleryStudy {
    /// Forgets what was found in other labels; goes on for a slice of time where it is watched.
    pub fn advance(&mut self, question: &Question<'_>, is_watched: bool) {
        let Some(set) = question.set() else { return };
        let which = question.experiment.settings.confidence;
        let key = (question.key(), which, question.class);
        if self.of != Some(key) {
            let is_same_set = self.of.is_some_and(|(labels, ..)| labels == key.0);
            let picked = if is_same_set { std::mem::take(&mut self.picked) } else { BTreeSet::new() };
            *self =
                Self { of: Some(key), order: self.order, walk: Walk::over(set), picked, ..Self::default() };
        }
        if !is_watched {
            return;
        }
        if self.error.is_none() && !self.walk.is_done() {
            self.error = self.gather(set, which, question.class).err().map(|error| error.to_string());
        }
        self.shown_error = self.arrange(question).err();
    }

    fn gather(&mut self, set: &DataSet, which: Confidence, only: Option<u32>) -> Result<()> {
        if self.is_full() {
            self.walk = Walk::default();
        }
        let (tiles, mut unreadable) = (&mut self.tiles, None);
        self.walk.advance(set, &mut |image, class, region, label| {
            if only.is_some_and(|only| class != Some(only)) || tiles.len() >= MOST {
                return;
            }
            let margin = class.and_then(|truth| {
                let target = Confidence::Target.of(label, Some(truth)).ok()?;
                Some(Confidence::Max.of(label, Some(truth)).ok()? - target)
            });
            match which.of(label, class) {
                Ok(c) => tiles.push(Tile { image, region, c, margin: margin.unwrap_or(0.0) }),
                Err(error) => unreadable = Some(error),
            }
        })?;
        unreadable.map_or(Ok(()), Err)
    }

    /// Brings what is shown up to date: those that pass the filters, in the order that was asked for.
    fn arrange(&mut self, question: &Question<'_>) -> Result<()> {
        let thresholds = question.thresholds()?;
        let (kind, bar) = (question.kind, question.bar);
        // While regions come in they are arranged anew each time that they have doubled: once a frame would take most of
        // the frame's time for a large set.
        let gathered =
            if self.walk.is_done() { u32::MAX } else { self.tiles.len().checked_ilog2().unwrap_or(0) };
        let key = (gathered, thresholds, self.order, kind, bar.map(|bar| (*bar.start(), *bar.end())));
        if self.shown_of == Some(key) {
            return Ok(());
        }
        let mut shown = Vec::with_capacity(self.tiles.len());
        for (tile, at) in self.tiles.iter().zip(0..) {
            let of = thresholds.kind(tile.c)?;
            let passes =
                kind.is_none_or(|wanted| wanted == of) && bar.is_none_or(|bar| bar.contains(&tile.c));
            if passes {
                shown.push((at, of));
            }
        }
        let tile = |&(at, _): &(u32, RegionKind)| &self.tiles[at as usize];
        match self.order {
            Order::Images => {}
            Order::Unsure => shown.sort_by(|a, b| tile(a).c.total_cmp(&tile(b).c)),
            Order::Sure => shown.sort_by(|a, b| tile(b).c.total_cmp(&tile(a).c)),
            Order::Disagreement => shown.sort_by(|a, b| tile(b).margin.total_cmp(&tile(a).margin)),
        }
        (self.shown, self.shown_of) = (shown, Some(key));
        Ok(())
    }

    /// Whether regions are left out because there are too many.
    pub fn is_full(&self) -> bool {
        self.tiles.len() >= MOST
    }

    /// Number of regions that were gathered.
    pub fn gathered(&self) -> usize {
        self.tiles.len()
    }

    /// Number of regions that are shown.
    ///
    /// # Errors
    /// Why none is: thresholds that are not known, or do not ascend.
    pub fn len(&self) -> std::result::Result<usize, &Error> {
        match &self.shown_error {
            Some(error) => Err(error),
            None => Ok(self.shown.len()),
        }
    }

    /// A region that is shown, by its place.
    pub fn tile(&self, place: usize) -> Option<(&Tile, RegionKind)> {
        let &(at, kind) = self.shown.get(place)?;
        self.tiles.get(at as usize).map(|tile| (tile, kind))
    }

    /// Picks a region besides those that are picked; lets it go if it is.
    pub fn pick(&mut self, image: u64, region: u32) {
        if !self.picked.remove(&(image, region)) {
            self.picked.insert((image, region));
        }
    }

    /// Picks the regions that are shown besides those that are picked: the first [`PICKED_AT_ONCE`] of them.
    pub fn pick_shown(&mut self) {
        let shown = self.shown.iter().take(PICKED_AT_ONCE);
        let tiles = shown.filter_map(|&(at, _)| self.tiles.get(at as usize));
        self.picked.extend(tiles.map(|tile| (tile.image, tile.region)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panes::testing::scenes;
    use crate::state::State;
    use crate::study::Watched;

    fn gathered(mut state: State) -> State {
        state.study.watched = vec![Watched::Gallery];
        while !state.study.gallery.walk.is_done() || state.study.gallery.len().is_err() {
            state.refresh();
        }
        state.refresh();
        state
    }

    fn all(state: &State) -> Vec<(Tile, RegionKind)> {
        let gallery = &state.study.gallery;
        (0..gallery.len().unwrap()).map(|at| gallery.tile(at).unwrap()).map(|(t, k)| (*t, k)).collect()
    }

    #[test]
    fn every_region_is_there_once_in_the_order_that_was_asked_for() {
        let mut state = gathered(scenes());
        let store = state.set().unwrap().store().unwrap();
        assert_eq!(all(&state).len() as u64, store.len() * u64::from(store.per_image()));
        assert!(all(&state).is_sorted_by_key(|(tile, _)| (tile.image, tile.region)));
        state.study.gallery.order = Order::Unsure;
        assert!(all(&gathered(state)).is_sorted_by(|a, b| a.0.c <= b.0.c));
        let mut state = scenes();
        state.study.gallery.order = Order::Disagreement;
        let state = gathered(state);
        assert!(all(&state)[0].0.margin > 0.5 && all(&state).is_sorted_by(|a, b| a.0.margin >= b.0.margin));
    }

    #[test]
    fn filters_are_those_of_the_other_panes() {
        let mut state = scenes();
        state.filters.kind = Some(RegionKind::Context);
        state.filters.class = Some(4);
        let state = gathered(state);
        let shown = all(&state);
        assert!(!shown.is_empty() && shown.iter().all(|(_, kind)| *kind == RegionKind::Context));
        let set = state.set().unwrap();
        assert!(shown.iter().all(|(tile, _)| set.class_of(tile.image).unwrap() == Some(4)));
    }

    #[test]
    fn a_region_that_is_picked_twice_is_let_go() {
        let mut gallery = GalleryStudy::default();
        for (image, region) in [(1, 2), (3, 4), (1, 2)] {
            gallery.pick(image, region);
        }
        assert_eq!(gallery.picked, BTreeSet::from([(3, 4)]));
    }
}
