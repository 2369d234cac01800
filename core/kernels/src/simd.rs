//! Vectors of the processor at hand, and how large a block of sums its registers hold.

use pulp::{Arch, Simd, WithSimd};

/// The block of sums that is computed in one go: `rows` times `vectors` vectors of columns. An inner loop keeps it in
/// registers, whole or [a few rows](most_rows) at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tile {
    pub rows: usize,
    pub vectors: usize,
    /// Numbers of a vector.
    pub lanes: usize,
}

impl Tile {
    /// The tile for a product of so many columns.
    pub(crate) fn of(columns: usize) -> Self {
        struct Registers;
        impl WithSimd for Registers {
            type Output = (usize, usize);

            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> Self::Output {
                (S::F32_LANES, S::REGISTER_COUNT)
            }
        }
        let (lanes, registers) = Arch::new().dispatch(Registers);
        if columns <= lanes {
            return Self { rows: NARROW, vectors: 1, lanes };
        }
        Self { rows: if registers >= 32 { WIDE } else { NARROW / 2 }, vectors: 2, lanes }
    }

    /// Columns of a panel.
    pub(crate) fn columns(&self) -> usize {
        self.vectors * self.lanes
    }
}

/// Rows of a tile of one vector.
pub(crate) const NARROW: usize = 12;
/// Rows of a tile of two vectors where there are 32 registers; half of them where there are 16.
pub(crate) const WIDE: usize = 12;
/// Rows of a tile of two vectors in a browser, which has 16 registers on x86, needs some for itself, and multiplies and
/// adds one after the other: with 12 rows a convolution of EfficientNet-Lite0 takes twice as long (Chromium, Zen 5).
const OF_PAGE: usize = 4;

/// Rows of a tile of so many vectors, at most.
pub(crate) const fn most_rows<S: Simd>(vectors: usize) -> usize {
    match vectors {
        1 => NARROW,
        _ if cfg!(target_family = "wasm") => OF_PAGE,
        _ if S::REGISTER_COUNT >= 32 => WIDE,
        _ => NARROW / 2,
    }
}

/// Numbers of a row of a tile, at most.
pub(crate) const WIDEST: usize = 32;

/// Reads a vector.
///
/// # Safety
/// A vector's numbers lie behind `from`.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd>(from: *const f32) -> S::f32s {
    // SAFETY: the numbers are there; every bit pattern is a vector of f32.
    unsafe { from.cast::<S::f32s>().read_unaligned() }
}

/// Writes a vector.
///
/// # Safety
/// There is room for a vector's numbers behind `to`.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd>(to: *mut f32, vector: S::f32s) {
    // SAFETY: there is room.
    unsafe { to.cast::<S::f32s>().write_unaligned(vector) }
}

/// Numbers below `low` become it, as do those above `high`; what is not a number stays so.
#[inline(always)]
pub(crate) fn clamp<S: Simd>(simd: S, values: S::f32s, [low, high]: [S::f32s; 2]) -> S::f32s {
    let values = simd.select_f32s(simd.less_than_f32s(values, low), low, values);
    simd.select_f32s(simd.less_than_f32s(high, values), high, values)
}

/// Keeps the compiler from moving loads across: all loads of a block up front would not leave registers for the sums
/// (36 instead of 95 GFLOP/s on a Zen 3).
#[inline(always)]
pub(crate) fn keep_order() {
    std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
}

/// The body for `$i` of 0 to `$n`, written out: arrays that are indexed by literals stay in registers. At most 12 rows;
/// `unroll!(pair ...)` is for at most 2 vectors, `unroll!(four ...)` and `unroll!(seven ...)` for as many pixels, since
/// what is written out in vain has to be compiled too.
macro_rules! unroll {
    (pair $n:expr, $i:ident, $body:block) => { unroll!(@ $n, $i, $body, 0 1) };
    (four $n:expr, $i:ident, $body:block) => { unroll!(@ $n, $i, $body, 0 1 2 3) };
    (seven $n:expr, $i:ident, $body:block) => { unroll!(@ $n, $i, $body, 0 1 2 3 4 5 6) };
    (@ $n:expr, $i:ident, $body:block, $($at:literal)*) => { $( if $at < $n { let $i: usize = $at; $body } )* };
    ($n:expr, $i:ident, $body:block) => { unroll!(@ $n, $i, $body, 0 1 2 3 4 5 6 7 8 9 10 11) };
}
pub(crate) use unroll;

/// Divides `$rows` rows of a block into tiles that the registers hold, of a few sizes so that little is compiled, and
/// runs the body for each with its size as the constant `$size`; rows that are done are counted in `$done`.
macro_rules! by_tiles {
    ($rows:expr, $vectors:expr, $simd:ty, |$size:ident, $done:ident| $body:block) => {
        let rows: usize = $rows;
        let mut $done = 0;
        if $crate::simd::most_rows::<$simd>($vectors) >= 12 {
            by_tiles!(@ rows, $done, 12, $size, $body);
        }
        if $crate::simd::most_rows::<$simd>($vectors) >= 6 {
            by_tiles!(@ rows, $done, 6, $size, $body);
        }
        by_tiles!(@ rows, $done, 4, $size, $body);
        by_tiles!(@ rows, $done, 2, $size, $body);
        by_tiles!(@ rows, $done, 1, $size, $body);
        debug_assert_eq!($done, rows);
    };
    (@ $rows:ident, $done:ident, $count:literal, $size:ident, $body:block) => {
        while $rows - $done >= $count {
            const $size: usize = $count;
            $body
            $done += $count;
        }
    };
}
pub(crate) use by_tiles;
