//! Shares of a step that are computed in different places, and add up to it.

use std::ops::Range;

/// Share `number`, counted from 0, of `of` shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Its number, from 0.
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

impl Share {
    /// All of it.
    pub const WHOLE: Self = Self { number: 0, of: 1 };

    /// The places of this share among `len`: one after the other, no share longer than another by more than one.
    /// Where there are fewer places than shares, some shares have none.
    pub fn range(self, len: usize) -> Range<usize> {
        len * self.number / self.of..len * (self.number + 1) / self.of
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn shares_follow_each_other_and_are_equally_long(len in 0usize..500, of in 1usize..20) {
            let mut end = 0;
            for number in 0..of {
                let range = Share { number, of }.range(len);
                prop_assert_eq!(range.start, end);
                prop_assert!([len / of, len.div_ceil(of)].contains(&range.len()));
                end = range.end;
            }
            prop_assert_eq!(end, len);
            prop_assert_eq!(Share::WHOLE.range(len), 0..len);
        }
    }
}
