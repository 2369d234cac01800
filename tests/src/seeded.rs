//! Weights by a formula of name and index, the same as in `tests/reference/models.py`: full-size networks are
//! checked against PyTorch's logits without a file of weights.

/// `count` numbers in [-1, 1): FNV-1a of the name, then SplitMix64 at each index.
pub fn units(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let seed = name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
    });
    (1..=count as u64).map(move |i| {
        let mut z = i.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(seed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    })
}

/// A tensor whose numbers keep a network's activations near 1; `shape` is PyTorch's.
pub fn tensor(name: &str, shape: &[usize]) -> Vec<f32> {
    let fan_in: usize = shape.iter().skip(1).product();
    let number = |u: f64| match shape.len() {
        _ if name.ends_with("running_var") => 1.0 + 0.5 * u,
        3 => 0.5 * u,
        2.. => u * (3.0 / fan_in as f64).sqrt(),
        _ if name.ends_with("weight") => 1.0 + 0.2 * u,
        _ => 0.1 * u,
    };
    units(name, shape.iter().product()).map(|u| number(u) as f32).collect()
}

/// Normalised pictures of shape (count, 3, side, side).
pub fn images(count: usize, side: usize) -> Vec<f32> {
    units("images", count * 3 * side * side).map(|u| (2.0 * u) as f32).collect()
}
