//! Between picture and screen.

use egui::{Pos2, Rect, vec2};
use ferkd_method::region::Region;

/// Smallest side of a box that is drawn by hand, in pixels of the picture.
const SMALLEST: u32 = 8;

/// Between picture and screen.
pub(super) struct View {
    /// Where the picture is, in points.
    pub rect: Rect,
    /// Points to a pixel of the picture.
    pub scale: f32,
}

impl View {
    /// Where a region is on the screen.
    pub fn place(&self, region: &Region) -> Rect {
        let min = self.rect.min + vec2(region.left as f32, region.top as f32) * self.scale;
        Rect::from_min_size(min, vec2(region.width as f32, region.height as f32) * self.scale)
    }

    /// The region between two points of the screen, inside of the picture.
    pub fn region(&self, a: Pos2, b: Pos2, size: (u32, u32)) -> Region {
        let pixel = |at: Pos2| {
            let at = (at - self.rect.min) / self.scale;
            (at.x.round().clamp(0.0, size.0 as f32) as u32, at.y.round().clamp(0.0, size.1 as f32) as u32)
        };
        let (ax, ay) = pixel(a);
        let (bx, by) = pixel(b);
        let span = |a: u32, b: u32, end: u32| {
            let (low, high) = (a.min(b), a.max(b).max(a.min(b) + SMALLEST.min(end)));
            if high > end { (end.saturating_sub(high - low), end) } else { (low, high) }
        };
        let ((left, right), (top, bottom)) = (span(ax, bx, size.0), span(ay, by, size.1));
        Region { top, left, height: bottom - top, width: right - left, flip: false }
    }
}
