//! Names of many images in one heap: a million of them cost their letters and four bytes each.

use ferkd_method::error::{Error, Result};

/// A list of names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names {
    heap: String,
    /// Where each name ends in the heap.
    ends: Vec<u32>,
}

impl Names {
    /// Appends a name.
    ///
    /// # Errors
    /// More than 4 GiB of names: a hundred million images.
    pub(super) fn push(&mut self, name: &str) -> Result<()> {
        let Ok(end) = u32::try_from(self.heap.len() + name.len()) else {
            return Err(Error::usage("images", "their paths take more than 4 GiB")
                .remedy("label them in several stores"));
        };
        self.heap.push_str(name);
        self.ends.push(end);
        Ok(())
    }

    /// Number of names.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Name `i`.
    pub(super) fn get(&self, i: usize) -> &str {
        let start = if i == 0 { 0 } else { self.ends[i - 1] as usize };
        &self.heap[start..self.ends[i] as usize]
    }

    /// All names, in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|i| self.get(i))
    }

    /// Gives back what was allocated in advance.
    pub(super) fn shrink(&mut self) {
        self.heap.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}
