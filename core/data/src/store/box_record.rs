//! An explicit box as bytes: `box` f32 x 4 (top, left, height, width as fractions), `flip` u8, 3 zeros.
//!
//! FKD's label files keep 32-bit fractions, so that nothing of them is lost.

use super::npy::Field;
use ferkd_method::error::{Error, Result};
use ferkd_method::region::{FractionBox, Region};

/// Bytes of a record.
pub(super) const LEN: usize = 20;

pub(super) const FIELDS: [Field; 3] =
    [("box", "<f4", Some(4)), ("flip", "|u1", None), ("reserved", "|u1", Some(3))];

/// How far an edge may lie outside of 0..=1: fractions that were kept in 16 bits do.
const TOLERANCE: f64 = 1e-3;

/// A box that came from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExplicitBox {
    /// The box; a store keeps its fractions in 32 bits.
    pub fractions: FractionBox,
    /// Mirrored left to right after the crop.
    pub flip: bool,
}

impl ExplicitBox {
    /// The region in an image of `width` x `height` pixels.
    pub fn region(&self, width: u32, height: u32) -> Region {
        Region::from_fractions(self.fractions, self.flip, width, height)
    }

    /// The box as bytes.
    ///
    /// # Errors
    /// A box that has no area or does not lie inside the image.
    pub fn encode(&self) -> Result<[u8; LEN]> {
        let FractionBox { top, left, height, width } = self.fractions;
        let mut bytes = [0; LEN];
        for (place, fraction) in bytes.as_chunks_mut().0.iter_mut().zip([top, left, height, width]) {
            *place = (fraction as f32).to_le_bytes();
        }
        bytes[16] = u8::from(self.flip);
        Self::decode(&bytes)?;
        Ok(bytes)
    }

    /// Reads a box and checks it.
    ///
    /// # Errors
    /// Another length, a box that has no area or does not lie inside the image, a flip other than 0 and 1.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let bad = |problem: String| Err(Error::mismatch("box", problem));
        let Ok(bytes) = <&[u8; LEN]>::try_from(bytes) else {
            return bad(format!("{} bytes where a record has {LEN}", bytes.len()));
        };
        let fraction = |at: usize| f64::from(f32::from_le_bytes(std::array::from_fn(|i| bytes[4 * at + i])));
        let [top, left, height, width] = [0, 1, 2, 3].map(fraction);
        let inside = |start: f64, size: f64| {
            start >= -TOLERANCE && size > 0.0 && size.is_finite() && start + size <= 1.0 + TOLERANCE
        };
        if !inside(top, height) || !inside(left, width) {
            let problem =
                format!("top {top}, left {left}, height {height}, width {width}: not inside the image");
            return bad(problem);
        }
        let flip = match bytes[16..] {
            [flip @ (0 | 1), 0, 0, 0] => flip == 1,
            _ => return bad("its flip is neither 0 nor 1, or its reserved bytes are not 0".into()),
        };
        Ok(Self { fractions: FractionBox { top, left, height, width }, flip })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_box_survives(top in 0.0f32..0.5, left in 0.0f32..0.5, height in 0.01f32..0.5, width in 0.01f32..0.5, flip: bool) {
            let [top, left, height, width] = [top, left, height, width].map(f64::from);
            let before = ExplicitBox { fractions: FractionBox { top, left, height, width }, flip };
            let bytes = before.encode().unwrap();
            prop_assert_eq!(ExplicitBox::decode(&bytes).unwrap(), before);
        }

        #[test]
        fn any_bytes_give_a_box_inside_or_an_error(bytes: [u8; LEN], short: Vec<u8>) {
            if let Ok(found) = ExplicitBox::decode(&bytes) {
                prop_assert!(found.region(100, 50).fits(100, 50));
            }
            let _ = ExplicitBox::decode(&short);
        }
    }

    #[test]
    fn boxes_outside_are_refused() {
        let at = |top, left, height, width| {
            ExplicitBox { fractions: FractionBox { top, left, height, width }, flip: false }.encode().is_ok()
        };
        assert!(at(0.0, 0.0, 1.0, 1.0) && at(0.5, 0.5, 0.5004, 0.5));
        assert!(!at(-0.1, 0.0, 0.5, 0.5) && !at(0.0, 0.6, 0.5, 0.5));
        assert!(!at(0.0, 0.0, 0.0, 0.5) && !at(f64::NAN, 0.0, 0.5, 0.5) && !at(0.0, 0.0, 0.5, f64::INFINITY));
    }
}
