//! Real handwritten digits (Alpaydin and Kaynak, UCI), embedded in the program.

use std::io::Read;

use ferkd_method::error::{Error, Result};

/// Height and width of a digit.
pub const SIDE: usize = 8;

/// A scanned digit.
#[derive(Debug, Clone, PartialEq)]
pub struct Digit {
    /// Which of 0 to 9 it is.
    pub class: u8,
    /// Ink of each pixel, row by row, in 0..=1.
    pub ink: [f32; SIDE * SIDE],
}

impl Digit {
    /// Ink at (`x`, `y`) in pixels, between pixels by bilinear interpolation; none outside.
    pub fn sample(&self, x: f32, y: f32) -> f32 {
        let at = |x: i32, y: i32| {
            let inside = (0..SIDE as i32).contains(&x) && (0..SIDE as i32).contains(&y);
            if inside { self.ink[y as usize * SIDE + x as usize] } else { 0.0 }
        };
        let (x0, y0) = (x.floor(), y.floor());
        let (fx, fy) = (x - x0, y - y0);
        let (x0, y0) = (x0 as i32, y0 as i32);
        let row = |y: i32| at(x0, y) * (1.0 - fx) + at(x0 + 1, y) * fx;
        row(y0) * (1.0 - fy) + row(y0 + 1) * fy
    }
}

/// All 1797 digits, in the file's order.
///
/// # Errors
/// Only if the embedded file were damaged.
pub fn all() -> Result<Vec<Digit>> {
    const FILE: &[u8] = include_bytes!("../../../assets/digits/digits.csv.gz");
    let damaged = |problem: String| Error::damaged("assets/digits/digits.csv.gz", problem);
    let mut text = String::new();
    flate2::read::GzDecoder::new(FILE).read_to_string(&mut text).map_err(|e| damaged(e.to_string()))?;
    text.lines()
        .map(|line| {
            let values: Vec<f32> = line
                .split(',')
                .map(|v| v.trim().parse())
                .collect::<Result<_, _>>()
                .map_err(|e| damaged(format!("{e}")))?;
            let (class, ink) = values.split_last().ok_or_else(|| damaged("an empty line".into()))?;
            let ink: [f32; SIDE * SIDE] = ink
                .iter()
                .map(|v| v / 16.0)
                .collect::<Vec<_>>()
                .try_into()
                .map_err(|_| damaged("not 8 x 8".into()))?;
            Ok(Digit { class: *class as u8, ink })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_1797_of_ten_classes() {
        let digits = all().unwrap();
        assert_eq!(digits.len(), 1797);
        let counts: Vec<usize> = (0..10).map(|c| digits.iter().filter(|d| d.class == c).count()).collect();
        assert!(counts.iter().all(|&n| (170..190).contains(&n)), "{counts:?}");
        assert!(digits.iter().all(|d| d.ink.iter().all(|v| (0.0..=1.0).contains(v))));
    }
}
