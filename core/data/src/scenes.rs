//! Scenes: one digit somewhere among clutter, so that many regions truly miss the object.
//!
//! Training and held-out digits are apart, and clutter is cut from training digits only. A scene knows where
//! its ink is, so that mining can be held against the truth.

use std::path::Path;

use image::codecs::png::PngEncoder;
use image::{Rgb, RgbImage};
use rayon::prelude::*;

use crate::atomic;
use crate::digits::{self, Digit};
use ferkd_method::error::{Error, IoContext, Result};
use ferkd_method::region::Region;
use ferkd_method::rng::{Purpose, Stream};

/// Height and width of a scene, in pixels.
pub const SIDE: u32 = 48;

/// Digits keep this far from the border: validation cuts an eighth of the picture off, a sixteenth a side.
const MARGIN: f64 = 3.0;

/// One of the two halves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// Three of four digits.
    Train,
    /// One of four digits, in no training scene.
    HeldOut,
}

/// The digits and what scenes are made of.
pub struct SceneMaker {
    digits: Vec<Digit>,
    seed: u64,
}

/// A picture of one digit among clutter.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The picture.
    pub picture: RgbImage,
    /// Which digit it shows.
    pub class: u8,
    /// The digit's ink at every pixel, row by row, in 0..=1.
    pub ink: Vec<f32>,
}

impl Scene {
    /// Share of the digit's ink that lies within a region, in 0..=1.
    pub fn visible_share(&self, region: &Region) -> f64 {
        let total: f64 = self.ink.iter().map(|&v| f64::from(v)).sum();
        let rows = region.top..region.top + region.height;
        let inside: f64 = rows
            .flat_map(|y| (region.left..region.left + region.width).map(move |x| (y * SIDE + x) as usize))
            .map(|i| f64::from(self.ink[i]))
            .sum();
        inside / total
    }
}

impl SceneMaker {
    /// Reads the digits.
    pub fn new(seed: u64) -> Result<Self> {
        Ok(Self { digits: digits::all()?, seed })
    }

    /// Indices of a half's digits.
    pub fn digits(&self, half: Half) -> impl Iterator<Item = usize> + Clone {
        (0..self.digits.len()).filter(move |i| (i % 4 == 3) == (half == Half::HeldOut))
    }

    /// Name of a scene's file, below `train/` or `val/`.
    pub fn name(&self, digit: usize, copy: u32) -> String {
        format!("{}/{digit:04}-{copy}.png", self.digits[digit].class)
    }

    /// Scene number `copy` of a digit.
    pub fn scene(&self, digit: usize, copy: u32) -> Scene {
        let mut draw = Stream::new(self.seed, Purpose::Scene, digit as u64, copy);
        let own = &self.digits[digit];
        let side = f64::from(SIDE);

        // A dim ground of one hue, brighter towards one corner.
        let hue: [f64; 3] = std::array::from_fn(|_| draw.uniform(0.05, 0.3));
        let (slope_x, slope_y) = (draw.uniform(-0.15, 0.15), draw.uniform(-0.15, 0.15));
        let mut pixels: Vec<[f64; 3]> = Vec::with_capacity((SIDE * SIDE) as usize);
        for y in 0..SIDE {
            for x in 0..SIDE {
                let light = slope_x * (f64::from(x) / side - 0.5) + slope_y * (f64::from(y) / side - 0.5);
                let grain = draw.uniform(-0.03, 0.03);
                pixels.push(hue.map(|h| (h + light + grain).clamp(0.0, 1.0)));
            }
        }

        // Clutter: pieces of training digits, as large as a digit's and mostly a little dimmer.
        let train: Vec<usize> = self.digits(Half::Train).collect();
        for _ in 0..6 {
            let piece = &self.digits[train[draw.below(train.len() as u32) as usize]];
            let (left, top) = (draw.below(5) as f32, draw.below(5) as f32);
            let (width, height) = (draw.uniform(2.0, 4.0) as f32, draw.uniform(2.0, 4.0) as f32);
            let scale = draw.uniform(3.0, 4.0);
            let (x0, y0) = (draw.uniform(-6.0, side - 6.0), draw.uniform(-6.0, side - 6.0));
            let colour = colour(&mut draw, 0.35, 0.7);
            paint(&mut pixels, (x0, y0), scale, colour, |x, y| {
                if x <= width && y <= height { piece.sample(left + x, top + y) } else { 0.0 }
            });
        }

        // The digit, on top.
        let scale = draw.uniform(3.0, 4.0);
        let size = scale * digits::SIDE as f64;
        let free = side - 2.0 * MARGIN - size;
        let place = (MARGIN + draw.uniform(0.0, free), MARGIN + draw.uniform(0.0, free));
        let colour = colour(&mut draw, 0.65, 1.0);
        let ink = paint(&mut pixels, place, scale, colour, |x, y| own.sample(x, y));

        let mut picture = RgbImage::new(SIDE, SIDE);
        for (pixel, value) in picture.pixels_mut().zip(&pixels) {
            *pixel = Rgb(value.map(|v| (v * 255.0).round() as u8));
        }
        Scene { picture, class: own.class, ink }
    }

    /// Scene number `copy` of a digit, as a PNG file.
    ///
    /// # Errors
    /// None that a scene of this size could meet.
    pub fn png(&self, digit: usize, copy: u32) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        // By its own encoder: by the format's name a program would hold those of all formats.
        let written = self.scene(digit, copy).picture.write_with_encoder(PngEncoder::new(&mut bytes));
        written.map_err(|e| Error::damaged(self.name(digit, copy), e.to_string()))?;
        Ok(bytes)
    }

    /// Writes `per_digit` scenes of every digit of a half into `folder/<class>/`.
    pub fn write(&self, half: Half, per_digit: u32, folder: &Path) -> Result<u64> {
        for class in 0..10 {
            let path = folder.join(class.to_string());
            std::fs::create_dir_all(&path).at(&path)?;
        }
        let all: Vec<(usize, u32)> =
            self.digits(half).flat_map(|d| (0..per_digit).map(move |c| (d, c))).collect();
        all.par_iter().try_for_each(|&(digit, copy)| {
            let path = folder.join(self.name(digit, copy));
            // Scenes can be made again at any time: they are worth no sync each.
            std::fs::write(&path, self.png(digit, copy)?).at(&path)
        })?;
        atomic::sync_folder(folder)?;
        Ok(all.len() as u64)
    }

    /// Digit and copy of a scene's file name.
    pub fn parse_name(name: &str) -> Option<(usize, u32)> {
        let stem = name.rsplit('/').next()?.strip_suffix(".png")?;
        let (digit, copy) = stem.split_once('-')?;
        Some((digit.parse().ok()?, copy.parse().ok()?))
    }
}

/// A colour, between two brightnesses in each channel.
fn colour(draw: &mut Stream, dark: f64, bright: f64) -> [f64; 3] {
    std::array::from_fn(|_| draw.uniform(dark, bright))
}

/// Paints ink at `place`, `scale` pixels a unit; returns how much of it every pixel got.
fn paint(
    pixels: &mut [[f64; 3]],
    place: (f64, f64),
    scale: f64,
    colour: [f64; 3],
    ink: impl Fn(f32, f32) -> f32,
) -> Vec<f32> {
    let mut painted = vec![0.0; pixels.len()];
    for (i, pixel) in pixels.iter_mut().enumerate() {
        let (x, y) = ((i % SIDE as usize) as f64, (i / SIDE as usize) as f64);
        let (u, v) = ((x - place.0) / scale, (y - place.1) / scale);
        let span = -1.0..digits::SIDE as f64 + 1.0;
        if !span.contains(&u) || !span.contains(&v) {
            continue;
        }
        let amount = f64::from(ink((u - 0.5) as f32, (v - 0.5) as f32));
        painted[i] = amount as f32;
        for (value, target) in pixel.iter_mut().zip(colour) {
            *value += (target - *value) * amount;
        }
    }
    painted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_apart_and_scenes_repeat() {
        let maker = SceneMaker::new(1).unwrap();
        let (train, held): (Vec<_>, Vec<_>) =
            (maker.digits(Half::Train).collect(), maker.digits(Half::HeldOut).collect());
        assert_eq!(train.len() + held.len(), 1797);
        assert!(held.iter().all(|d| !train.contains(d)));
        assert_eq!(maker.scene(5, 0).picture, maker.scene(5, 0).picture);
        assert_ne!(maker.scene(5, 0).picture, maker.scene(5, 1).picture);
        assert_eq!(SceneMaker::parse_name(&maker.name(5, 1)), Some((5, 1)));
    }

    #[test]
    fn the_whole_scene_shows_the_whole_digit() {
        let scene = SceneMaker::new(1).unwrap().scene(9, 0);
        assert_eq!(scene.visible_share(&Region::whole(SIDE, SIDE)), 1.0);
        let left = Region { top: 0, left: 0, height: SIDE, width: SIDE / 2, flip: false };
        let right = Region { left: SIDE / 2, ..left };
        assert!((scene.visible_share(&left) + scene.visible_share(&right) - 1.0).abs() < 1e-9);
    }
}
