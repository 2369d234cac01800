//! Normalisation: bytes to the numbers that a network was trained on.

use serde::{Deserialize, Serialize};

/// `(byte / 255 - mean) / std`, per channel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Normalisation {
    /// Mean of red, green and blue, in 0..=1.
    pub mean: [f32; 3],
    /// Standard deviation of red, green and blue, in the same unit.
    pub std: [f32; 3],
}

impl Normalisation {
    /// ImageNet's statistics, used for every student and by torchvision's models.
    pub const IMAGENET: Self = Self { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

    /// EfficientNet-Lite's: `(byte - 127) / 128`.
    pub const LITE: Self = Self { mean: [127.0 / 255.0; 3], std: [128.0 / 255.0; 3] };

    /// CLIP's, which EVA's networks take.
    pub const CLIP: Self = Self {
        mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
        std: [0.268_629_54, 0.261_302_6, 0.275_777_1],
    };

    /// Writes an RGB picture of shape (side, side, 3) as planes of shape (3, side, side) into `out`.
    pub fn write_chw(&self, hwc: &[u8], side: u32, out: &mut [f32]) {
        self.write_chw_flipped(hwc, side, false, out);
    }

    /// The same, each row from right to left if `flip` says so.
    pub fn write_chw_flipped(&self, hwc: &[u8], side: u32, flip: bool, out: &mut [f32]) {
        let side = (side as usize).max(1);
        let tables: [[f32; 256]; 3] = std::array::from_fn(|channel| self.table(channel));
        let (red, others) = out.split_at_mut((side * side).min(out.len()));
        let (green, blue) = others.split_at_mut((side * side).min(others.len()));
        // One look at each pixel; three planes are written at once.
        let planes = red.chunks_mut(side).zip(green.chunks_mut(side)).zip(blue.chunks_mut(side));
        for (row, ((red, green), blue)) in hwc.chunks_exact(3 * side).zip(planes) {
            let pixels = row.as_chunks::<3>().0.iter();
            let targets = red.iter_mut().zip(green).zip(blue);
            let write = |([r, g, b], ((red, green), blue)): (&[u8; 3], ((&mut f32, &mut f32), &mut f32))| {
                *red = tables[0][usize::from(*r)];
                *green = tables[1][usize::from(*g)];
                *blue = tables[2][usize::from(*b)];
            };
            if flip {
                pixels.rev().zip(targets).for_each(write);
            } else {
                pixels.zip(targets).for_each(write);
            }
        }
    }

    /// The number for each byte of a channel: 0 red, 1 green, 2 blue.
    pub fn table(&self, channel: usize) -> [f32; 256] {
        let (mean, std) = (f64::from(self.mean[channel]), f64::from(self.std[channel]));
        std::array::from_fn(|byte| ((byte as f64 / 255.0 - mean) / std) as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lite_is_byte_less_127_over_128() {
        let bytes: Vec<u8> = (0..=255).flat_map(|b| [b, b, b]).collect();
        let mut out = vec![0.0; 3 * 256];
        Normalisation::LITE.write_chw(&bytes, 16, &mut out);
        for (byte, value) in out[512..].iter().enumerate() {
            assert!((value - (byte as f32 - 127.0) / 128.0).abs() < 1e-6);
        }
    }

    #[test]
    fn planes_are_red_green_blue() {
        let mut out = [0.0; 3];
        Normalisation { mean: [0.0; 3], std: [1.0; 3] }.write_chw(&[255, 0, 51], 1, &mut out);
        assert_eq!(out, [1.0, 0.0, 0.2]);
    }

    #[test]
    fn flipped_is_what_the_mirrored_picture_gives() {
        let side = 7;
        let mut bytes: Vec<u8> = (0..3 * side * side).map(|i| (i * 37 % 251) as u8).collect();
        let (mut direct, mut mirrored) = (vec![0.0; bytes.len()], vec![0.0; bytes.len()]);
        Normalisation::IMAGENET.write_chw_flipped(&bytes, side as u32, true, &mut direct);
        bytes.chunks_mut(3 * side).for_each(|row| row.as_chunks_mut::<3>().0.reverse());
        Normalisation::IMAGENET.write_chw(&bytes, side as u32, &mut mirrored);
        assert_eq!(direct, mirrored);
        // By the formula, pixel by pixel.
        for (at, value) in direct.iter().enumerate() {
            let (channel, pixel) = (at / (side * side), at % (side * side));
            let Normalisation { mean, std } = Normalisation::IMAGENET;
            let byte = f64::from(bytes[3 * pixel + channel]);
            let expected = (byte / 255.0 - f64::from(mean[channel])) / f64::from(std[channel]);
            assert_eq!(*value, expected as f32);
        }
    }
}
