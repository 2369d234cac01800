//! JPEG: which decoder reads a file right is decided by its markers, before either is asked.
//!
//! zune-jpeg 0.5 (behind `image`) is the faster one, and gives wrong pixels without an error in two cases: several
//! scans of a sequential file with subsampled components (`cjpeg -scans`, some cameras and scanners), and a first
//! component that is not the finest. Both, and sampling factors of 3, go to jpeg-decoder, which reads every kind of
//! Huffman-coded JPEG of 8 bits. What neither reads is refused by the name of its kind.

use std::io::Cursor;

use image::codecs::jpeg::JpegDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};
use jpeg_decoder::PixelFormat;

/// What a JPEG's markers say of it.
#[derive(Debug)]
pub(super) struct Jpeg {
    /// Width and height in pixels, before any orientation.
    pub size: (u32, u32),
    /// The orientation in its EXIF data; broken data say nothing about the picture, so that it counts as upright.
    pub orientation: Orientation,
    /// Whether the markers go on to the end-of-image marker.
    whole: bool,
    decoder: Decoder,
}

/// Pixels that a byte of a JPEG may stand for: a block takes a bit at least, and 32 x 32 pixels take 8 blocks at least
/// (two components, each the finest one way).
pub(super) const PIXELS_PER_BYTE: u64 = 8 * 32 * 32 / 8;

/// Most rows that jpeg-decoder 0.3 counts right: it counts them by eights, in 16 bits.
const MOST_ROWS: u32 = 65_528;

/// Why a JPEG is not read.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is broken.
    Damaged(String),
    /// It is of a kind that is not supported.
    Kind(&'static str),
}

/// Which decoder reads it right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decoder {
    Zune,
    JpegDecoder,
}

/// The frame header: size, and how its components are sampled and coded.
#[derive(Debug)]
struct Frame {
    size: (u32, u32),
    progressive: bool,
    /// Horizontal and vertical sampling factor of each component.
    sampling: Vec<(u8, u8)>,
}

impl Jpeg {
    /// Reads the markers up to the first scan: size, orientation and kind.
    ///
    /// # Errors
    /// No frame header before the first scan, or a kind of JPEG that is not supported.
    pub(super) fn header(bytes: &[u8]) -> Result<Self, Refusal> {
        Self::read(bytes, false)
    }

    /// Reads all markers.
    ///
    /// # Errors
    /// As [`header`](Self::header).
    pub(super) fn markers(bytes: &[u8]) -> Result<Self, Refusal> {
        Self::read(bytes, true)
    }

    fn read(bytes: &[u8], all: bool) -> Result<Self, Refusal> {
        let mut frame = None;
        let mut orientation = None;
        let (mut scans, mut whole) = (0, false);
        for (marker, payload) in (Segments { bytes, at: 2 }) {
            match marker {
                // C4, C8 and CC define tables and are no frames.
                0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF | 0xF7 if frame.is_none() => {
                    frame = Some(Frame::parse(marker, payload)?);
                }
                0xE1 if orientation.is_none() => {
                    orientation = payload
                        .strip_prefix(b"Exif\0\0")
                        .map(|exif| Orientation::from_exif_chunk(exif).unwrap_or(Orientation::NoTransforms));
                }
                0xDA => scans += 1,
                0xD9 => whole = true,
                _ => {}
            }
            if whole || (scans > 0 && (frame.is_none() || !all)) {
                break;
            }
        }
        let Some(frame) = frame else {
            return Err(Refusal::Damaged("the JPEG has no frame header before its first scan".into()));
        };
        let orientation = orientation.unwrap_or(Orientation::NoTransforms);
        let decoder = frame.decoder(scans);
        if decoder == Decoder::JpegDecoder && frame.size.1 > MOST_ROWS {
            return Err(Refusal::Kind("a JPEG of an unusual kind with more than 65528 rows"));
        }
        Ok(Self { size: frame.size, orientation, whole, decoder })
    }

    /// The pixels of a file whose [`markers`](Self::markers) these are, as they lie in it.
    ///
    /// # Errors
    /// A truncated or damaged file.
    pub(super) fn decode(&self, bytes: &[u8]) -> Result<RgbImage, Refusal> {
        // Decoders fill what is missing with gray, which would be labelled and trained on in silence.
        if !self.whole {
            return Err(Refusal::Damaged("the JPEG is truncated".into()));
        }
        let damaged = |problem: String| Refusal::Damaged(format!("JPEG: {problem}"));
        match self.decoder {
            Decoder::Zune => {
                let picture = JpegDecoder::new(Cursor::new(bytes)).and_then(DynamicImage::from_decoder);
                picture.map(DynamicImage::into_rgb8).map_err(|e| damaged(e.to_string()))
            }
            Decoder::JpegDecoder => {
                let mut decoder = jpeg_decoder::Decoder::new(bytes);
                let pixels = decoder.decode().map_err(|e| damaged(e.to_string()))?;
                let format = decoder.info().map(|info| info.pixel_format);
                let pixels = match format {
                    Some(PixelFormat::RGB24) => pixels,
                    Some(PixelFormat::L8) => pixels.iter().flat_map(|&gray| [gray; 3]).collect(),
                    Some(PixelFormat::CMYK32) => pixels.as_chunks().0.iter().flat_map(rgb_of_inks).collect(),
                    _ => return Err(damaged("samples of another size than its header says".into())),
                };
                let picture = RgbImage::from_raw(self.size.0, self.size.1, pixels);
                picture.ok_or_else(|| damaged("another size than its header says".into()))
            }
        }
    }
}

/// Red, green and blue of cyan, magenta, yellow and black, each 255 where it covers all: as Pillow converts them.
fn rgb_of_inks(&[c, m, y, k]: &[u8; 4]) -> [u8; 3] {
    [c, m, y].map(|ink| ((u32::from(255 - ink) * u32::from(255 - k) + 127) / 255) as u8)
}

impl Frame {
    /// Reads a frame header; refuses the kinds that no decoder here reads.
    fn parse(marker: u8, payload: &[u8]) -> Result<Self, Refusal> {
        match marker {
            0xC3 | 0xC7 | 0xCB | 0xCF => return Err(Refusal::Kind("a lossless JPEG")),
            0xC5 | 0xC6 | 0xCD | 0xCE => return Err(Refusal::Kind("a hierarchical JPEG")),
            0xC9 | 0xCA => return Err(Refusal::Kind("a JPEG with arithmetic coding")),
            0xF7 => return Err(Refusal::Kind("a JPEG-LS file")),
            _ => {}
        }
        let Some((&[bits, h1, h0, w1, w0, count], components)) = payload.split_first_chunk() else {
            return Err(Refusal::Damaged("the JPEG's frame header is cut short".into()));
        };
        if bits != 8 {
            return Err(Refusal::Kind(match bits {
                12 => "a JPEG of 12 bits a sample",
                _ => "a JPEG of other than 8 bits a sample",
            }));
        }
        let size = (u32::from(u16::from_be_bytes([w1, w0])), u32::from(u16::from_be_bytes([h1, h0])));
        if size.1 == 0 {
            return Err(Refusal::Kind("a JPEG whose height stands behind its first scan"));
        }
        let sampling: Vec<(u8, u8)> = components
            .as_chunks::<3>()
            .0
            .iter()
            .map(|&[_, factors, _]| (factors >> 4, factors & 15))
            .collect();
        match (count, sampling.len() == usize::from(count)) {
            (1 | 3 | 4, true) => Ok(Self { size, progressive: marker == 0xC2, sampling }),
            (1 | 3 | 4, false) => Err(Refusal::Damaged("the JPEG's frame header is broken".into())),
            _ => Err(Refusal::Kind("a JPEG with other than 1, 3 or 4 components")),
        }
    }

    /// The decoder that reads a file of this frame and of so many scans right.
    fn decoder(&self, scans: usize) -> Decoder {
        let finest = self.sampling.iter().fold((0, 0), |most, s| (most.0.max(s.0), most.1.max(s.1)));
        let even = self.sampling.iter().all(|&each| each == finest);
        let halves = self.sampling.iter().all(|s| s.0.is_power_of_two() && s.1.is_power_of_two());
        let scans_right = scans <= 1 || self.progressive || even;
        if self.sampling.first() == Some(&finest) && halves && scans_right {
            Decoder::Zune
        } else {
            Decoder::JpegDecoder
        }
    }
}

/// A JPEG's segments, each its marker and what follows; entropy-coded data and restart markers are passed over.
/// Ends behind the end-of-image marker, or where the file is cut short.
struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Segments<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.bytes;
        loop {
            // Entropy-coded data and fill bytes: go on to the next marker.
            while self.at + 1 < bytes.len()
                && (bytes[self.at] != 0xFF || matches!(bytes[self.at + 1], 0x00 | 0xFF))
            {
                self.at += 1;
            }
            let marker = *bytes.get(self.at + 1)?;
            self.at += 2;
            match marker {
                // Restart markers, start of image and TEM stand alone.
                0xD0..=0xD8 | 0x01 => {}
                0xD9 => {
                    self.at = bytes.len();
                    return Some((marker, &[]));
                }
                _ => {
                    let length = bytes.get(self.at..self.at + 2)?;
                    let length = usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
                    let payload = bytes.get(self.at + 2..self.at + length);
                    self.at += length;
                    return Some((marker, payload?));
                }
            }
        }
    }
}
