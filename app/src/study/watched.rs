//! What of a whole set is looked at.

/// Something that goes on while it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// What is found out by class.
    Classes,
    /// What two settings differ in.
    Compare,
    /// What mixing does to labels.
    Mixes,
    /// Regions that are worth a look.
    Review,
    /// Where the teacher is right.
    Right,
    /// All regions, side by side.
    Gallery,
    /// What the teacher says of growing boxes.
    Growth,
}
