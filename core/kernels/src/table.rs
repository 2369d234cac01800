//! Which rows of the input meet which rows of the output, tap by tap: the indirection of a convolution.

use crate::pixels::Pixel;

/// The row of zeros that padding reads.
pub(crate) const ZEROS: u32 = u32::MAX;

/// Pixels of a picture up to which a block takes one pixel of several pictures: it then shares its taps, and passes
/// over those that are padding.
const SMALL: usize = 64;

/// Blocks of rows of a unit: one picture, or as many small ones as a block has rows. All offsets are in numbers, from
/// the unit's first picture on.
#[derive(Debug)]
pub(crate) struct Table {
    /// Rows of a block.
    pub rows: usize,
    /// Pictures of a unit.
    pub pictures: usize,
    /// Of each block: where its taps begin in `taps`; and one behind the last.
    first: Vec<u32>,
    /// Of each block's tap: which one it is, ascending.
    taps: Vec<u32>,
    /// Of each block's tap, and each row: where the input row begins, or [`ZEROS`].
    from: Vec<u32>,
    /// Of each block, and each row: where the output row begins.
    to: Vec<u32>,
    /// Rows of the last block of a unit of one picture.
    rest: usize,
}

/// A block of a table.
pub(crate) struct Block<'a> {
    pub taps: &'a [u32],
    /// (tap, row)
    pub from: &'a [u32],
    pub to: &'a [u32],
}

/// The numbers of a table's two sides.
pub(crate) struct Sides {
    pub batch: usize,
    /// Numbers from one picture to the next, of what is read and of what is written.
    pub read: usize,
    pub written: usize,
}

impl Table {
    /// The table of `pixels`: `to` says where a pixel is written within a picture, and `from` where it reads through a
    /// tap, nothing being padding.
    pub(crate) fn new(
        rows: usize,
        pixels: &[Pixel],
        taps: usize,
        sides: &Sides,
        to: impl Fn(Pixel) -> usize,
        from: impl Fn(Pixel, usize) -> Option<usize>,
    ) -> Self {
        let small = pixels.len() <= SMALL && sides.batch > 1;
        let mut table = Self {
            rows,
            pictures: if small { rows } else { 1 },
            first: vec![0],
            taps: Vec::new(),
            from: Vec::new(),
            to: Vec::new(),
            rest: if small { rows } else { (pixels.len() + rows - 1) % rows + 1 },
        };
        // The pixels of a block's rows, and the picture of each.
        let blocks: Box<dyn Iterator<Item = Vec<(Pixel, usize)>>> = if small {
            Box::new(pixels.iter().map(|&pixel| (0..rows).map(|picture| (pixel, picture)).collect()))
        } else {
            Box::new(pixels.chunks(rows).map(|block| block.iter().map(|&pixel| (pixel, 0)).collect()))
        };
        for block in blocks {
            let start = table.to.len();
            table
                .to
                .extend(block.iter().map(|&(pixel, picture)| offset(to(pixel) + picture * sides.written)));
            table.to.resize(start + rows, 0);
            for tap in 0..taps {
                let start = table.from.len();
                table.from.extend(block.iter().map(|&(pixel, picture)| {
                    from(pixel, tap).map_or(ZEROS, |from| offset(from + picture * sides.read))
                }));
                if table.from[start..].iter().all(|&from| from == ZEROS) {
                    table.from.truncate(start);
                } else {
                    table.from.resize(start + rows, ZEROS);
                    table.taps.push(tap as u32);
                }
            }
            table.first.push(offset(table.taps.len()));
        }
        table
    }

    /// Blocks of a unit.
    pub(crate) fn blocks(&self) -> usize {
        self.first.len() - 1
    }

    /// A block of a unit.
    #[inline(always)]
    pub(crate) fn block(&self, at: usize) -> Block<'_> {
        let range = self.first[at] as usize..self.first[at + 1] as usize;
        Block {
            from: &self.from[range.start * self.rows..range.end * self.rows],
            taps: &self.taps[range],
            to: &self.to[at * self.rows..(at + 1) * self.rows],
        }
    }

    /// Rows of a block, where so many pictures are left from its unit on.
    #[inline(always)]
    pub(crate) fn rows_of(&self, block: usize, left: usize) -> usize {
        if self.pictures > 1 {
            self.rows.min(left)
        } else if block + 1 == self.blocks() {
            self.rest
        } else {
            self.rows
        }
    }

    /// Bytes of the table.
    pub(crate) fn bytes(&self) -> usize {
        4 * (self.first.len() + self.taps.len() + self.from.len() + self.to.len())
    }
}

/// An offset within a unit, which `ConvShape::is_supported` has found small enough.
fn offset(at: usize) -> u32 {
    debug_assert!(at < ZEROS as usize);
    at as u32
}
