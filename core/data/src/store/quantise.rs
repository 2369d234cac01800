//! The probabilities of a label's top K in 16 bits for the first and 8 for each that follows.
//!
//! The k-th largest probability of a distribution is at most 1/k, so that a byte need only cover 0..=1/k; its
//! square root is kept, since small probabilities must be told apart more finely than large ones. All of it is
//! IEEE arithmetic that every machine and numpy agree on. Ours.

/// How the 16 bits of a first probability are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstCode {
    /// `p = code / 65535`: format 1. All that a sure teacher says rounds to 1.
    Linear,
    /// `p = 1 - (code / 65535)^2`: format 2. A step is 2e-10 near 1, so that two confidences differ there wherever
    /// 32-bit floats do, and 3.1e-5 at the most.
    Complement,
}

impl FirstCode {
    /// The first probability for its code.
    pub(super) fn decode(self, code: u16) -> f32 {
        let share = f64::from(code) / 65535.0;
        match self {
            Self::Linear => share as f32,
            Self::Complement => (1.0 - share * share) as f32,
        }
    }

    /// The code of a first probability. It never stands for 0: some class is the most probable.
    fn encode(self, p: f64) -> u16 {
        match self {
            Self::Linear => (p * 65535.0).round().clamp(1.0, 65535.0) as u16,
            Self::Complement => (libm::sqrt(1.0 - p) * 65535.0).round().clamp(0.0, 65534.0) as u16,
        }
    }
}

/// The probability of rank `rank` (2, 3, ...) for its code, before it is clamped to its predecessor.
fn tail(code: u8, rank: usize) -> f32 {
    let root = f64::from(code) / 255.0;
    (root * root / rank as f64) as f32
}

/// Appends the probabilities, in descending order: the first, and those that the codes of the others stand for.
pub(super) fn decode(first: f32, codes: &[u8], out: &mut Vec<f32>) {
    let mut previous = first;
    out.push(previous);
    for (at, &code) in codes.iter().enumerate() {
        previous = tail(code, at + 2).min(previous);
        out.push(previous);
    }
}

/// The sum that decoders compute.
pub(super) fn sum(probabilities: &[f32]) -> f64 {
    probabilities.iter().map(|&p| f64::from(p)).sum()
}

/// The codes of probabilities in descending order, whose sum is at most 1; their decoded sum is at most 1 too.
pub(super) fn encode(by: FirstCode, probabilities: &[f64], codes: &mut Vec<u8>) -> u16 {
    let (&head, rest) = probabilities.split_first().unwrap_or((&0.0, &[]));
    let first = by.encode(head);
    codes.clear();
    for (at, &p) in rest.iter().enumerate() {
        let rank = at + 2;
        let code = (255.0 * libm::sqrt(p * rank as f64)).round().clamp(0.0, 255.0) as u8;
        // Rounded down below its successor's true value, a code would drag all equal ones down with it.
        let drags = rest.get(at + 1).is_some_and(|&next| f64::from(tail(code, rank)) < next);
        codes.push(if drags { code.saturating_add(1) } else { code });
    }
    lower_until_the_sum_fits(by.decode(first), codes);
    first
}

/// Takes back single steps of the tail, from the end, where they are finest.
fn lower_until_the_sum_fits(first: f32, codes: &mut [u8]) {
    let mut values = Vec::with_capacity(codes.len() + 1);
    decode(first, codes, &mut values);
    // Each round lowers all codes above 0, and with all of them at 0 the first alone is left: at most 1.
    while sum(&values) > 1.0 {
        for at in (0..codes.len()).rev() {
            if codes[at] == 0 {
                continue;
            }
            codes[at] -= 1;
            let limit = tail(codes[at], at + 2);
            for value in &mut values[at + 1..] {
                if *value <= limit {
                    break;
                }
                *value = limit;
            }
            if sum(&values) <= 1.0 {
                return;
            }
        }
    }
}
