//! Decoded images in memory: small networks see an image many times, and decoding takes longer than they do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::error::Result;
use crate::pixels::{Decoded, OrientationRule};

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
}

/// The decoded images of a list: those that came first, until the budget was spent. Shared between threads and
/// runs; which images it holds changes no result.
#[derive(Debug)]
pub(super) struct Cache {
    slots: Vec<[OnceLock<Decoded>; 2]>,
    budget: Budget,
}

impl Cache {
    /// A cache for `images` images.
    pub fn new(images: usize, budget: &Budget) -> Self {
        Self { slots: (0..images).map(|_| Default::default()).collect(), budget: budget.clone() }
    }

    /// Image `i` under a rule; `decode` is asked where it is not there.
    pub fn get(
        &self,
        i: usize,
        rule: OrientationRule,
        decode: impl FnOnce() -> Result<Decoded>,
    ) -> Result<Decoded> {
        let Some(slot) = self.slots.get(i).map(|rules| &rules[rule as usize]) else { return decode() };
        if let Some(found) = slot.get() {
            return Ok(found.clone());
        }
        let decoded = decode()?;
        if self.budget.take(decoded.image.as_raw().len() as u64) {
            // Another thread may have been faster: the same pixels, counted twice.
            let _ = slot.set(decoded.clone());
        }
        Ok(decoded)
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
        let cache = Cache::new(8, &Budget::mebibytes(1));
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
        let cache = Cache::new(1, &Budget::mebibytes(1));
        cache.get(0, OrientationRule::Apply, || Ok(image(1))).unwrap();
        let other = cache.get(0, OrientationRule::Ignore, || Ok(image(2))).unwrap();
        assert_eq!(other.image.as_raw()[0], 2);
    }
}
