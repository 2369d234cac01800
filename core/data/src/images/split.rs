//! The halves of an image set.

/// Which half of an image folder is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// `IMAGES/train` where there is one, else IMAGES.
    Train,
    /// `IMAGES/val` where there is one, else IMAGES.
    Val,
}

impl Split {
    /// Name of the folder that holds it.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
        }
    }
}
