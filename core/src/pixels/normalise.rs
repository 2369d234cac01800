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
        std: [0.268_629_54, 0.261_302_58, 0.275_777_11],
    };

    /// Writes an RGB picture of shape (side, side, 3) as planes of shape (3, side, side) into `out`.
    pub fn write_chw(&self, hwc: &[u8], side: u32, out: &mut [f32]) {
        let plane = side as usize * side as usize;
        for (channel, out) in out.chunks_mut(plane).enumerate().take(3) {
            let table = self.table(channel);
            for (value, pixel) in out.iter_mut().zip(hwc.chunks_exact(3)) {
                *value = table[usize::from(pixel[channel])];
            }
        }
    }

    /// The number for each byte of a channel.
    fn table(&self, channel: usize) -> [f32; 256] {
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
}
