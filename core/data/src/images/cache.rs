//! Decoded images in memory: small networks see an image many times, and decoding takes longer than they do.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::pixels::{Decoded, OrientationRule};
use ferkd_method::error::Result;

/// Memory that caches may fill together.
#[derive(Debug, Clone)]
pub struct Budget(Arc<AtomicU64>);

impl Budget {
    /// So many MiB.
    pub fn mebibytes(count: usize) -> Self {
        Self(Arc::new(AtomicU64::new((count as u64).saturating_mul(1 << 20))))
    }

    /// Takes `bytes` of what is left, if there is as much.
    fn take(&self, bytes: u64) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    fn give(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The decoded images of a list: those that came first, until the budget was spent. Shared between threads and
/// runs; which images it holds changes no result.
#[derive(Debug)]
pub(super) struct Cache {
    /// By number and rule: an image that is not held costs nothing.
    held: RwLock<BTreeMap<(usize, u8), Decoded>>,
    budget: Budget,
}

impl Cache {
    /// An empty cache.
    pub fn new(budget: &Budget) -> Self {
        Self { held: RwLock::default(), budget: budget.clone() }
    }

    /// An empty cache for another list, out of the same budget.
    pub fn emptied(&self) -> Self {
        Self::new(&self.budget)
    }

    /// Image `i` under a rule; `decode` is asked where it is not there.
    pub fn get(
        &self,
        i: usize,
        rule: OrientationRule,
        decode: impl FnOnce() -> Result<Decoded>,
    ) -> Result<Decoded> {
        let key = (i, rule as u8);
        // Whatever panicked while it held the lock, an image was put in whole or not at all.
        if let Some(found) = self.held.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(found.clone());
        }
        let decoded = decode()?;
        let bytes = decoded.image.as_raw().len() as u64;
        if self.budget.take(bytes) {
            let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
            if held.insert(key, decoded.clone()).is_some() {
                // Another thread was faster: one copy is kept.
                self.budget.give(bytes);
            }
        }
        Ok(decoded)
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        let held = self.held.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.budget.give(held.values().map(|decoded| decoded.image.as_raw().len() as u64).sum());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(grey: u8) -> Decoded {
        Decoded { image: image::RgbImage::from_pixel(256, 256, image::Rgb([grey; 3])), orientation: 1 }
    }

    #[test]
    fn a_full_cache_still_gives_every_image() {
        // Five pictures of 192 KiB fit into 1 MiB.
        let cache = Cache::new(&Budget::mebibytes(1));
        let mut decoded = 0;
        for round in 0..2 {
            for i in 0..8 {
                let found = cache.get(i, OrientationRule::Apply, || {
                    decoded += 1;
                    Ok(image(i as u8))
                });
                assert_eq!(found.unwrap().image.as_raw()[0], i as u8, "round {round}");
            }
        }
        assert_eq!(decoded, 8 + 3);
    }

    #[test]
    fn each_rule_has_its_own_picture() {
        let cache = Cache::new(&Budget::mebibytes(1));
        cache.get(0, OrientationRule::Apply, || Ok(image(1))).unwrap();
        let other = cache.get(0, OrientationRule::Ignore, || Ok(image(2))).unwrap();
        assert_eq!(other.image.as_raw()[0], 2);
    }
}
