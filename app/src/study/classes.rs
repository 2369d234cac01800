//! By class: the kinds of its regions, and what the teacher takes them for.

use ferkd::confusion::Confusions;
use ferkd::mining::{Kind, KindCounts, Thresholds};

use super::{LabelsKey, Walk};
use crate::experiment::Settings;
use crate::state::State;

/// Regions of a confusion that are listed at the most.
pub(crate) const MOST_LISTED: usize = 10_000;

/// What is found out by class.
#[derive(Default)]
pub(crate) struct ClassStudy {
    of: Option<LabelsKey>,
    /// How far the confusions are counted.
    pub walk: Walk,
    /// What the teacher takes the regions of each class for.
    pub confusions: Confusions,
    /// Why it cannot be found out.
    pub error: Option<String>,
    rows_of: Option<(LabelsKey, Settings, Thresholds)>,
    rows: Vec<Row>,
    order_of: Option<(Column, bool, u64)>,
    /// The column that rows are sorted by.
    pub column: Column,
    /// Whether the largest come first.
    pub is_descending: bool,
    /// The regions of one confusion.
    pub listing: Option<Listing>,
}

/// One class.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// Its number.
    pub class: u32,
    /// Its name.
    pub name: String,
    /// Its regions of each kind.
    pub kinds: KindCounts,
    /// Mean confidence of its regions, in 0..=1.
    pub mean: f64,
    /// Share of its regions that the teacher takes for another class, so far.
    pub wrong: Option<f64>,
}

/// What rows may be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Column {
    /// Name.
    Name,
    /// Number of regions.
    Regions,
    /// Share of a kind.
    Share(Kind),
    /// Mean confidence.
    Mean,
    /// Share that the teacher takes for another class.
    #[default]
    Wrong,
}

/// Regions of one class that the teacher takes for another one.
pub(crate) struct Listing {
    /// The class of the images.
    pub truth: u32,
    /// What the teacher says.
    pub guess: u32,
    /// How far they are found.
    pub walk: Walk,
    /// Image, region, the teacher's probability of its guess.
    pub found: Vec<(u64, u32, f32)>,
}

impl ClassStudy {
    /// Goes on for a slice of time.
    pub fn advance(&mut self, state: &State) {
        let (key, Some(set)) = (LabelsKey::of(state), state.set()) else { return };
        if self.of != Some(key) {
            let (column, is_descending) = (self.column, self.is_descending || self.of.is_none());
            *self = Self { of: Some(key), walk: Walk::over(set), column, is_descending, ..Self::default() };
        }
        if self.error.is_some() {
            return;
        }
        let confusions = &mut self.confusions;
        let counted = self.walk.advance(set, &mut |_, class, _, label| {
            if let (Some(truth), Some(guess)) = (class, label.guess()) {
                confusions.add(truth, guess);
            }
        });
        let listed = match &mut self.listing {
            Some(listing) => listing.advance(set),
            None => Ok(()),
        };
        self.error = counted.and(listed).err().map(|error| error.to_string());
    }

    /// A row for each class, in the order that was asked for.
    pub fn rows(&mut self, state: &State) -> ferkd::Result<&[Row]> {
        let settings = state.experiment.settings;
        let thresholds = state.thresholds(&settings)?;
        let (Some(set), Some(Ok(census))) = (state.set(), state.census(&settings)) else {
            return Ok(&[]);
        };
        let key = (LabelsKey::of(state), settings, thresholds);
        if self.rows_of != Some(key) {
            let row = |(class, kinds)| Row {
                class,
                name: set.class_name(class),
                kinds,
                mean: census.mean(class).unwrap_or_default(),
                wrong: None,
            };
            self.rows = census.classes(&thresholds).map(row).collect();
            (self.rows_of, self.order_of) = (Some(key), None);
        }
        let order = (self.column, self.is_descending, self.walk.at);
        if self.order_of != Some(order) {
            for row in &mut self.rows {
                row.wrong = self.confusions.wrong(row.class);
            }
            let (column, is_descending) = (self.column, self.is_descending);
            self.rows.sort_by(|a, b| {
                let order = column.compare(a, b);
                (if is_descending { order.reverse() } else { order }).then(a.class.cmp(&b.class))
            });
            self.order_of = Some(order);
        }
        Ok(&self.rows)
    }

    /// Sorts by a column; the other way round if that is what rows are sorted by.
    pub fn sort_by(&mut self, column: Column) {
        self.is_descending = if self.column == column { !self.is_descending } else { column != Column::Name };
        self.column = column;
    }

    /// Lists the regions of a confusion.
    pub fn list(&mut self, truth: u32, guess: u32, state: &State) {
        let walk = state.set().map(Walk::over).unwrap_or_default();
        self.listing = Some(Listing { truth, guess, walk, found: Vec::new() });
    }
}

impl Listing {
    fn advance(&mut self, set: &crate::dataset::DataSet) -> ferkd::Result<()> {
        if self.found.len() >= MOST_LISTED {
            self.walk = Walk::default();
        }
        let (truth, guess, found) = (self.truth, self.guess, &mut self.found);
        self.walk.advance(set, &mut |image, class, region, label| {
            if class == Some(truth) && label.guess() == Some(guess) && found.len() < MOST_LISTED {
                found.push((image, region, label.probability(guess)));
            }
        })
    }
}

impl Column {
    fn compare(self, a: &Row, b: &Row) -> std::cmp::Ordering {
        let by = |value: &dyn Fn(&Row) -> f64| value(a).total_cmp(&value(b));
        match self {
            Self::Name => a.name.to_lowercase().cmp(&b.name.to_lowercase()),
            Self::Regions => a.kinds.total().cmp(&b.kinds.total()),
            Self::Share(kind) => by(&|row| row.kinds.shares()[kind as usize]),
            Self::Mean => by(&|row| row.mean),
            Self::Wrong => by(&|row| row.wrong.unwrap_or(-1.0)),
        }
    }
}
