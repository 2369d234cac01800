//! What is found out about a whole data set: a slice a frame, kept until its labels change.
//!
//! A store may hold a million images. A walk through it takes a few milliseconds of each frame in which its result
//! is looked at ([`Watched`]), and begins again where labels or settings change.

pub mod classes;
pub mod compare;
pub mod gallery;
pub mod mixes;
mod question;
pub mod review;
pub mod right;
pub mod seek;
pub mod spread;
#[cfg(test)]
mod tests;
mod watched;

pub(crate) use question::Question;
pub use watched::Watched;

/// Everything that is being found out.
#[derive(Default)]
pub(crate) struct Study {
    /// By class.
    pub classes: classes::ClassStudy,
    /// Of two settings.
    pub compare: compare::CompareStudy,
    /// Of mixing.
    pub mixes: mixes::MixStudy,
    /// Regions that are worth a look.
    pub review: review::ReviewStudy,
    /// All regions, side by side.
    pub gallery: gallery::GalleryStudy,
    /// Where the teacher is right.
    pub right: right::RightStudy,
    /// The next image of a class.
    pub seek: Option<seek::Seek>,
    /// What was looked at in the last frame: it goes on.
    pub watched: Vec<Watched>,
}

impl Study {
    /// Goes on with what is looked at, for a slice of time each; what was found in other labels is forgotten.
    pub fn advance(&mut self, question: &Question<'_>) {
        let is_watched = |of| self.watched.contains(&of);
        self.classes.advance(question, is_watched(Watched::Classes));
        self.compare.advance(question, is_watched(Watched::Compare));
        self.mixes.advance(question, is_watched(Watched::Mixes));
        self.review.advance(question, is_watched(Watched::Review));
        self.gallery.advance(question, is_watched(Watched::Gallery));
        self.right.advance(question, is_watched(Watched::Right));
    }
}
