//! How sure the teacher is where: the mean confidence of the regions that hold a point of the picture.

use crate::region::Region;

/// Points over a picture, in rows from the top, at the corners of square cells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// Width of the picture, in pixels.
    pub width: u32,
    /// Height of the picture, in pixels.
    pub height: u32,
    /// Side of a cell, in pixels.
    pub cell: f32,
    /// Cells in a row; points are one more.
    pub columns: u32,
    /// Rows of cells; of points there is one more.
    pub rows: u32,
}

impl Grid {
    /// `cells` cells along the longer side of a picture; as many as it has pixels are one a pixel.
    pub fn new(width: u32, height: u32, cells: u32) -> Self {
        let cell = width.max(height).max(1) as f32 / cells.max(1) as f32;
        let count = |size: u32| (size as f32 / cell).ceil() as u32;
        Self { width, height, cell, columns: count(width), rows: count(height) }
    }

    /// Number of points.
    pub fn points(&self) -> usize {
        (self.columns as usize + 1) * (self.rows as usize + 1)
    }

    /// Where a point lies, in pixels from the upper left corner; the last ones on the picture's edge.
    pub fn point(&self, column: u32, row: u32) -> (f32, f32) {
        let at = |number: u32, size: u32| (number as f32 * self.cell).min(size as f32);
        (at(column, self.width), at(row, self.height))
    }
}

/// The colour of a mean confidence, which is taken for one in 0..=1: red, green, blue, from dark violet (the teacher
/// saw nothing) to bright yellow (it is sure).
pub fn colour(c: f32) -> [u8; 3] {
    const STOPS: [[f32; 3]; 4] =
        [[45.0, 15.0, 80.0], [140.0, 40.0, 110.0], [230.0, 110.0, 60.0], [250.0, 230.0, 110.0]];
    let at = c.clamp(0.0, 1.0) * 3.0;
    let stop = (at as usize).min(2);
    let t = at - stop as f32;
    std::array::from_fn(|k| (STOPS[stop][k] * (1.0 - t) + STOPS[stop + 1][k] * t).round() as u8)
}

/// Mean confidence of the regions that hold each point of a grid, row by row; `None` where there is none.
///
/// Edges belong to a region. A confidence that is not a number says nothing, and its region is passed over.
pub fn heat_map(regions: &[Region], confidences: &[f32], grid: &Grid) -> Vec<Option<f32>> {
    let points =
        (0..=grid.rows).flat_map(|row| (0..=grid.columns).map(move |column| grid.point(column, row)));
    points
        .map(|(x, y)| {
            let (mut sum, mut count) = (0.0, 0u32);
            for (region, &c) in regions.iter().zip(confidences) {
                let within =
                    |at: f32, start: u32, size: u32| at >= start as f32 && at <= (start + size) as f32;
                let holds = within(x, region.left, region.width) && within(y, region.top, region.height);
                if holds && !c.is_nan() {
                    (sum, count) = (sum + c, count + 1);
                }
            }
            (count > 0).then(|| sum / count as f32)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(left: u32, top: u32, width: u32, height: u32) -> Region {
        Region { left, top, width, height, flip: false }
    }

    #[test]
    fn each_point_has_the_mean_of_what_holds_it() {
        // Points at 0, 4, 8 and at the edge, 10, across; at 0, 4 and 6 down.
        let grid = Grid { width: 10, height: 6, cell: 4.0, columns: 3, rows: 2 };
        let regions = [region(0, 0, 8, 4), region(8, 0, 2, 6), region(0, 0, 10, 6)];
        let found = heat_map(&regions, &[0.2, 0.6, f32::NAN], &grid);
        let (a, b, both) = (Some(0.2), Some(0.6), Some((0.2 + 0.6) / 2.0));
        assert_eq!(found, [a, a, both, b, a, a, both, b, None, None, b, b]);
    }

    #[test]
    fn a_region_over_all_is_everywhere() {
        for (width, height, cells) in [(451, 300, 48), (7, 1000, 48), (1, 1, 48), (33, 20, 33)] {
            let grid = Grid::new(width, height, cells);
            let found = heat_map(&[Region::whole(width, height)], &[0.5], &grid);
            assert_eq!(found.len(), grid.points());
            assert!(found.iter().all(|c| *c == Some(0.5)), "{grid:?}");
            assert_eq!(grid.point(grid.columns, grid.rows), (width as f32, height as f32));
        }
        assert_eq!(Grid::new(33, 20, 33).cell, 1.0);
    }
}
