//! Numbers such as `2/4`, the second of four: parts of a store, processes of a run.

use std::ops::RangeInclusive;

/// Reads a number from 1 and of how many it is; none where the text is no such pair, the number is greater than the
/// count, or the count is not among `counts`.
pub fn number_of(text: &str, counts: RangeInclusive<u32>) -> Option<(u32, u32)> {
    let (number, of) = text.split_once('/')?;
    let (number, of) = (number.parse().ok()?, of.parse().ok()?);
    (counts.contains(&of) && (1..=of).contains(&number)).then_some((number, of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_from_one_to_how_many_there_are() {
        assert_eq!(number_of("2/14", 1..=20), Some((2, 14)));
        assert_eq!(number_of("1/1", 1..=20), Some((1, 1)));
        for wrong in ["0/2", "3/2", "2", "/", "", "a/b", "1/21", "-1/2", "1/0", "1/2/3", "1 / 2"] {
            assert_eq!(number_of(wrong, 1..=20), None, "{wrong}");
        }
        assert_eq!(number_of("1/1", 2..=20), None);
    }
}
