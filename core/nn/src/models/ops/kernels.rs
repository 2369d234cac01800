//! What kernels have in common: sums by many units.
//!
//! A sum along a row stays within a cube. A sum over rows goes in two launches: many cubes each sum up their share of
//! the rows of some columns, then one cube for some columns adds up the shares.

use cubecl::prelude::*;

/// How the units of a cube share columns and rows: `lanes` side by side along columns, `rows` along rows, powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Units {
    pub lanes: usize,
    pub rows: usize,
    /// Whether a vector holds neighbouring columns, rather than neighbouring rows of one column.
    pub columns_last: bool,
}

/// Adds up what the units of a column of a cube hold; the first of them gets the sum.
#[cube]
fn fold<N: Size>(sums: &mut Shared<[Vector<f32, N>]>, #[comptime] units: Units) {
    let mut half = comptime![units.rows / 2].runtime();
    while half > 0 {
        sync_cube();
        if (UNIT_POS_Y as usize) < half {
            let other = sums[UNIT_POS as usize + half * comptime![units.lanes]];
            sums[UNIT_POS as usize] += other;
        }
        half /= 2;
    }
    sync_cube();
}

/// Both sums over the units of a column of a cube; the first of them gets them.
#[cube]
fn fold_two<N: Size>(
    a: Vector<f32, N>,
    b: Vector<f32, N>,
    #[comptime] units: Units,
) -> (Vector<f32, N>, Vector<f32, N>) {
    let mut first = Shared::<[Vector<f32, N>]>::new_slice(units.lanes * units.rows);
    let mut second = Shared::<[Vector<f32, N>]>::new_slice(units.lanes * units.rows);
    first[UNIT_POS as usize] = a;
    second[UNIT_POS as usize] = b;
    fold(&mut first, units);
    fold(&mut second, units);
    (first[UNIT_POS as usize], second[UNIT_POS as usize])
}

/// Writes a cube's share of both sums of a column, or of the columns of a vector; `vectors` columns in all, in vectors
/// where these lie along them.
#[cube]
pub(super) fn write_sums<N: Size>(
    shares: &mut Tensor<f32>,
    a: Vector<f32, N>,
    b: Vector<f32, N>,
    column: usize,
    vectors: usize,
    columns: usize,
    #[comptime] units: Units,
) {
    let (first, second) = fold_two(a, b, units);
    if UNIT_POS_Y == 0 && column < vectors {
        let share = CUBE_POS_Y as usize * 2;
        write_share(shares, first, share, column, columns, units.columns_last);
        write_share(shares, second, share + 1, column, columns, units.columns_last);
    }
}

/// Writes what a cube has of a column into a row of `shares`: two rows of sums of each share, and behind those of all
/// shares one of origins.
#[cube]
pub(super) fn write_share<N: Size>(
    shares: &mut Tensor<f32>,
    sum: Vector<f32, N>,
    row: usize,
    column: usize,
    columns: usize,
    #[comptime] columns_last: bool,
) {
    let first = row * columns;
    if comptime![columns_last] {
        #[unroll]
        for i in 0..N::value() {
            shares[first + column * N::value() + i] = sum.extract(i);
        }
    } else {
        let total = RuntimeCell::<f32>::new(0.0);
        #[unroll]
        for i in 0..N::value() {
            total.store(total.read() + sum.extract(i));
        }
        shares[first + column] = total.consume();
    }
}

/// Adds up the shares of a column: the two sums, in the first unit of a column.
#[cube]
pub(super) fn add_shares<N: Size>(
    shares: &Tensor<Vector<f32, N>>,
    column: usize,
    columns: usize,
    count: usize,
    #[comptime] units: Units,
) -> (Vector<f32, N>, Vector<f32, N>) {
    let mut a = Vector::<f32, N>::new(0.0);
    let mut b = Vector::<f32, N>::new(0.0);
    if column < columns {
        let mut share = UNIT_POS_Y as usize;
        while share < count {
            a += shares[share * 2 * columns + column];
            b += shares[(share * 2 + 1) * columns + column];
            share += units.rows;
        }
    }
    fold_two(a, b, units)
}

/// Adds up what the units of a row of a cube hold, all numbers of their vectors: every unit gets the sum.
#[cube]
pub(super) fn fold_row<N: Size>(value: Vector<f32, N>, #[comptime] units: Units) -> f32 {
    let mut sums = Shared::<[Vector<f32, N>]>::new_slice(units.lanes * units.rows);
    sums[UNIT_POS as usize] = value;
    let mut half = comptime![units.lanes / 2].runtime();
    while half > 0 {
        sync_cube();
        if (UNIT_POS_X as usize) < half {
            let other = sums[UNIT_POS as usize + half];
            sums[UNIT_POS as usize] += other;
        }
        half /= 2;
    }
    sync_cube();
    let sum = sums[UNIT_POS_Y as usize * comptime![units.lanes]];
    let total = RuntimeCell::<f32>::new(0.0);
    #[unroll]
    for i in 0..N::value() {
        total.store(total.read() + sum.extract(i));
    }
    total.consume()
}

/// The largest of what the units of a row of a cube hold: every unit gets it.
#[cube]
pub(super) fn largest_of_row<N: Size>(value: Vector<f32, N>, #[comptime] units: Units) -> f32 {
    let mut values = Shared::<[Vector<f32, N>]>::new_slice(units.lanes * units.rows);
    values[UNIT_POS as usize] = value;
    let mut half = comptime![units.lanes / 2].runtime();
    while half > 0 {
        sync_cube();
        if (UNIT_POS_X as usize) < half {
            let other = values[UNIT_POS as usize + half];
            values[UNIT_POS as usize] = max(values[UNIT_POS as usize], other);
        }
        half /= 2;
    }
    sync_cube();
    let most = values[UNIT_POS_Y as usize * comptime![units.lanes]];
    let largest = RuntimeCell::<f32>::new(most.extract(0usize));
    #[unroll]
    for i in 1..N::value() {
        largest.store(max(largest.read(), most.extract(i)));
    }
    largest.consume()
}
