//! By class: the kinds of its regions, and what the teacher takes them for.

use ferkd_method::Error;
use ferkd_method::confusion::Confusions;
use ferkd_method::mining::{KindCounts, RegionKind, Thresholds};

use super::question::Question;
use crate::dataset::DataSet;
use crate::experiment::Settings;
use crate::labels::walk::{LabelsKey, Walk};

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
    /// Why there are no rows.
    rows_error: Option<Error>,
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
pub enum Column {
    /// Name.
    Name,
    /// Number of regions.
    Regions,
    /// Share of a kind.
    Share(RegionKind),
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
    /// What the teacher takes them for.
    pub prediction: u32,
    /// How far they are found.
    pub walk: Walk,
    /// Image, region, the teacher's probability of its prediction.
    pub found: Vec<(u64, u32, f32)>,
}

impl ClassStudy {
    /// Forgets what was found in other labels; goes on for a slice of time where it is watched.
    pub fn advance(&mut self, question: &Question<'_>, is_watched: bool) {
        let (key, Some(set)) = (question.key(), question.set()) else { return };
        if self.of != Some(key) {
            let (column, is_descending) = (self.column, self.is_descending || self.of.is_none());
            *self = Self { of: Some(key), walk: Walk::over(set), column, is_descending, ..Self::default() };
        }
        if !is_watched {
            return;
        }
        if self.error.is_none() {
            self.error = self.look(set).err().map(|error| error.to_string());
        }
        self.arrange(question, set);
    }

    fn look(&mut self, set: &DataSet) -> ferkd_method::Result<()> {
        let confusions = &mut self.confusions;
        self.walk.advance(set, &mut |_, class, _, label| {
            if let (Some(truth), Some(prediction)) = (class, label.prediction()) {
                confusions.add(truth, prediction);
            }
        })?;
        match &mut self.listing {
            Some(listing) => listing.advance(set),
            None => Ok(()),
        }
    }

    /// Brings the rows up to date: one for each class, in the order that was asked for.
    fn arrange(&mut self, question: &Question<'_>, set: &DataSet) {
        let settings = question.experiment.settings;
        let thresholds = match question.thresholds() {
            Ok(thresholds) => thresholds,
            Err(error) => return self.no_rows(Some(error)),
        };
        let Some(Ok(census)) = question.labels.census(question.experiment.data, &settings) else {
            return self.no_rows(None);
        };
        let key = (question.key(), settings, thresholds);
        if self.rows_of != Some(key) {
            let row = |(class, kinds)| Row {
                class,
                name: set.class_name(class),
                kinds,
                mean: census.mean(class).unwrap_or_default(),
                wrong: None,
            };
            self.rows = census.classes(&thresholds).map(row).collect();
            (self.rows_of, self.rows_error, self.order_of) = (Some(key), None, None);
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
    }

    fn no_rows(&mut self, error: Option<Error>) {
        self.rows.clear();
        (self.rows_of, self.rows_error) = (None, error);
    }

    /// Whether it was looked at since its labels are what they are.
    pub fn has_begun(&self) -> bool {
        self.rows_of.is_some() || self.rows_error.is_some() || self.walk.at > 0
    }

    /// A row for each class, in the order that was asked for.
    ///
    /// # Errors
    /// Why there are none: thresholds that are not known, or do not ascend.
    pub fn rows(&self) -> Result<&[Row], &Error> {
        match &self.rows_error {
            Some(error) => Err(error),
            None => Ok(&self.rows),
        }
    }

    /// Sorts by a column; the other way round if that is what rows are sorted by.
    pub fn sort_by(&mut self, column: Column) {
        self.is_descending = if self.column == column { !self.is_descending } else { column != Column::Name };
        self.column = column;
    }

    /// Lists the regions of a confusion: of a class, and what the teacher takes them for; none any longer if `None`.
    pub fn list(&mut self, confusion: Option<(u32, u32)>, set: Option<&DataSet>) {
        let walk = set.map(Walk::over).unwrap_or_default();
        let listing = |(truth, prediction)| Listing { truth, prediction, walk, found: Vec::new() };
        self.listing = confusion.map(listing);
    }
}

impl Listing {
    fn advance(&mut self, set: &DataSet) -> ferkd_method::Result<()> {
        if self.found.len() >= MOST_LISTED {
            self.walk = Walk::default();
        }
        let (truth, prediction, found) = (self.truth, self.prediction, &mut self.found);
        self.walk.advance(set, &mut |image, class, region, label| {
            if class == Some(truth) && label.prediction() == Some(prediction) && found.len() < MOST_LISTED {
                found.push((image, region, label.probability(prediction)));
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
