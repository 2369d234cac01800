//! A counter-based generator: every random number of the method is a pure function of its address.
//!
//! Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). It needs 32-bit
//! operations only, so that a shader can draw the very same numbers.

use std::convert::Infallible;

use rand::TryRng;

/// What a stream of random numbers is for; streams of different purposes never overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Boxes and flips of regions; item = hash of the image's path, index = region number.
    Region = 1,
    /// Order of the images in a pass; item = pass.
    ImageOrder = 2,
    /// Order of an image's regions in a pass; item = image, index = pass.
    RegionOrder = 3,
    /// Operator, strength and box of mixing; item = step, index = 0 for all of it, else one more than the image's place.
    Mixing = 4,
    /// Which region is mixed with which; item = step, index = image of the batch.
    Partner = 5,
    /// Initial weights; item = hash of the parameter's path.
    Weights = 6,
    /// Scenes of the demo; item = split, index = scene.
    Scene = 7,
    /// What drop-path leaves out; item = step, index = branch of the network.
    DropPath = 8,
    /// Pictures of the synthetic source; index = picture.
    Synthetic = 9,
    /// Whether a step is mixed at all; item = step, index as for [`Self::Mixing`].
    MixGate = 10,
    /// Made-up data of benches; item = image or label, index = what of it.
    Bench = 100,
    /// What corrupts a valid file; item = number of the input.
    Fuzz = 101,
}

/// A stream of random numbers at the address (seed, purpose, item, index).
///
/// Two streams with the same address give the same numbers, on every machine.
#[derive(Debug, Clone)]
pub struct Stream {
    key: [u32; 2],
    item: u64,
    index: u32,
    block: u32,
    buffer: [u32; 4],
    used: usize,
}

impl Stream {
    /// The stream for `item` and `index` of a `purpose` under `seed`.
    ///
    /// The purpose is folded into the key, so that an item of one purpose shares nothing with the same item
    /// of another.
    pub fn new(seed: u64, purpose: Purpose, item: u64, index: u32) -> Self {
        let [low, high] = [seed as u32, (seed >> 32) as u32];
        let key = philox([low, high, purpose as u32, 0], [0xFE12_4D00, 0x5EED]);
        Self { key: [key[0], key[1]], item, index, block: 0, buffer: [0; 4], used: 4 }
    }

    /// Jumps to block `block` (four numbers each), so that the draws of one try never shift those of the next.
    pub fn seek(&mut self, block: u32) {
        self.block = block;
        self.used = 4;
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            let counter = [self.item as u32, (self.item >> 32) as u32, self.index, self.block];
            self.buffer = philox(counter, self.key);
            self.block = self.block.wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.buffer[self.used - 1]
    }

    /// A number uniform in [0, 1), with 32 random bits.
    pub fn unit(&mut self) -> f64 {
        f64::from(self.next_u32()) / 4_294_967_296.0
    }

    /// A number uniform in [low, high).
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number uniform in 0..bound (`bound` at least 1); its bias is below bound / 2^32.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    /// A number of the standard normal distribution (Box and Muller's transform, the cosine branch).
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }

    /// A uniform permutation of 0..n (Fisher and Yates).
    pub fn permutation(&mut self, n: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n as u32).collect();
        self.shuffle(&mut order);
        order
    }

    /// Shuffles `items` uniformly.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u32 + 1) as usize);
        }
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(Stream::next_u32(self))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let low = u64::from(Stream::next_u32(self));
        Ok(low | u64::from(Stream::next_u32(self)) << 32)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(4) {
            let word = Stream::next_u32(self).to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}

/// The hash that addresses an image: XXH3 of its relative path, with `/` between folders.
pub fn path_hash(relative_path: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(relative_path.as_bytes())
}

/// One block of Philox4x32-10.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
        }
        let a = u64::from(counter[0]) * 0xD251_1F53;
        let b = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of the reference implementation (Random123, `kat_vectors`).
    #[test]
    fn philox_meets_the_known_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        assert_eq!(
            philox(pi, [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn a_stream_is_a_function_of_its_address() {
        let draw = |seed, purpose, item, index| {
            let mut s = Stream::new(seed, purpose, item, index);
            [s.next_u32(), s.next_u32(), s.next_u32(), s.next_u32(), s.next_u32()]
        };
        let base = draw(1, Purpose::Region, 2, 3);
        assert_eq!(base, draw(1, Purpose::Region, 2, 3));
        for other in [
            draw(2, Purpose::Region, 2, 3),
            draw(1, Purpose::Partner, 2, 3),
            draw(1, Purpose::Region, 3, 3),
            draw(1, Purpose::Region, 2, 4),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn permutations_are_uniform() {
        let mut counts = std::collections::BTreeMap::new();
        for i in 0..6000 {
            *counts.entry(Stream::new(7, Purpose::ImageOrder, i, 0).permutation(3)).or_insert(0u32) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|&n| (850..1150).contains(&n)), "{counts:?}");
    }
}
