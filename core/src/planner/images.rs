//! The images that are planned for.

use std::path::Path;

use ferkd_data::images::{ImageList, Split};
use ferkd_method::error::Result;

/// Images that are planned for.
#[derive(Debug, Clone)]
pub enum Images {
    /// Those of a folder.
    Folder(ImageList),
    /// So many, which are not at hand.
    Count(u64),
}

impl Images {
    /// The images in a folder.
    ///
    /// # Errors
    /// Those of [`ImageList::open`].
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self::Folder(ImageList::open(path, Split::Train)?))
    }

    /// Number of images.
    pub fn len(&self) -> u64 {
        match self {
            Self::Folder(list) => list.len() as u64,
            Self::Count(count) => *count,
        }
    }
}
