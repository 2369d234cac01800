//! Decoding by content, never by a file's ending, as 8-bit RGB.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, RgbImage};
use serde::{Deserialize, Serialize};

use super::formats::{self, READ};
use super::jpeg::{self, Jpeg, Refusal};
use crate::foreign;
use ferkd_method::error::{Error, Result};

/// Whether the EXIF orientation of a photo is applied when it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrientationRule {
    /// The picture is turned upright (our own stores).
    #[default]
    Apply,
    /// The picture is taken as it lies in the file (FKD's loader, hence imported stores).
    Ignore,
}

/// A decoded image.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// Pixels, RGB, 8 bits each; upright where the rule says so.
    pub image: RgbImage,
    /// EXIF orientation found in the file, 1 to 8 (1 = upright).
    pub orientation: u8,
}

/// Larger pictures are refused before anything is allocated for them.
const MAX_PIXELS: u64 = 1 << 28;

/// A picture of so many pixels is decoded whatever its file's length, unless it is a JPEG: 48 MiB as RGB.
const ALWAYS_PIXELS: u64 = 1 << 24;
/// Pixels that a byte of a larger picture's file may stand for: 1-bit PNG, packed as tightly as deflate can.
const PIXELS_PER_BYTE: u64 = 8 * 1032;

/// Decodes the bytes of an image file; errors call it `name`.
///
/// Gray becomes three equal channels, alpha is dropped, 16 bits become 8, CMYK becomes RGB: as Pillow's
/// `convert("RGB")` does.
///
/// # Errors
/// Not an image, truncated, more than 2^28 pixels, far more of them than its bytes can hold, or of a kind that is
/// not supported.
pub fn decode(bytes: &[u8], name: &str, rule: OrientationRule) -> Result<Decoded> {
    let damaged = |problem: String| {
        Error::damaged(name, problem).remedy("replace the file, or take it out of the folder")
    };
    let reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| damaged(e.to_string()))?;
    let format = match reader.format() {
        Some(format) if formats::is_read(format) => format,
        Some(other) => return Err(damaged(format!("invalid format {other:?}: expected {READ}"))),
        None if bytes.is_empty() => return Err(damaged("the file is empty".into())),
        None => {
            return Err(match foreign::recognise(bytes) {
                // A clone without its large files, or a download that gave a page.
                Some(foreign) => Error::damaged(name, foreign.problem()).remedy(foreign.remedy),
                None => damaged(format!("invalid image: expected {READ}")),
            });
        }
    };
    let (mut picture, orientation) = if format == ImageFormat::Jpeg {
        let jpeg = Jpeg::markers(bytes).map_err(|refusal| refused(name, refusal))?;
        check_size(jpeg.size, bytes.len(), jpeg::PIXELS_PER_BYTE * bytes.len() as u64).map_err(damaged)?;
        let picture = jpeg.decode(bytes).map_err(|refusal| refused(name, refusal))?;
        (DynamicImage::from(picture), jpeg.orientation)
    } else {
        let mut decoder = reader.into_decoder().map_err(|e| damaged(format!("{format:?}: {e}")))?;
        let held = ALWAYS_PIXELS.max(PIXELS_PER_BYTE * bytes.len() as u64);
        check_size(decoder.dimensions(), bytes.len(), held).map_err(damaged)?;
        // Broken EXIF data say nothing about the picture, so that it counts as upright.
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let picture = DynamicImage::from_decoder(decoder).map_err(|e| damaged(format!("{format:?}: {e}")))?;
        (picture, orientation)
    };
    formats::check(&picture).map_err(damaged)?;
    if rule == OrientationRule::Apply {
        picture.apply_orientation(orientation);
    }
    Ok(Decoded { image: picture.into_rgb8(), orientation: orientation.to_exif() })
}

/// Width, height and EXIF orientation (1 to 8) of a file that [`decode`] takes, before any orientation is applied;
/// only the front of it is looked at.
///
/// # Errors
/// Not an image.
pub fn measure(bytes: &[u8], name: &str) -> Result<(u32, u32, u8)> {
    let damaged = |problem: String| {
        Error::damaged(name, problem).remedy("replace the file, or take it out of the folder")
    };
    let reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| damaged(e.to_string()))?;
    if reader.format() == Some(ImageFormat::Jpeg) {
        let jpeg = Jpeg::header(bytes).map_err(|refusal| refused(name, refusal))?;
        return Ok((jpeg.size.0, jpeg.size.1, jpeg.orientation.to_exif()));
    }
    let mut decoder = reader.into_decoder().map_err(|e| damaged(e.to_string()))?;
    let (width, height) = decoder.dimensions();
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Ok((width, height, orientation.to_exif()))
}

/// Refuses sizes that are out of range, or of more pixels than a file of so many bytes can have `held`; the error is the
/// problem.
fn check_size((width, height): (u32, u32), bytes: usize, held: u64) -> Result<(), String> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS || pixels == 0 {
        return Err(format!("invalid size {width} x {height}: expected 1 to 2^28 pixels"));
    }
    if pixels > held {
        return Err(format!("{width} x {height} pixels in {bytes} bytes, which cannot hold them"));
    }
    Ok(())
}

/// The error about a JPEG that is not read.
fn refused(name: &str, refusal: Refusal) -> Error {
    match refusal {
        Refusal::Damaged(problem) => {
            Error::damaged(name, problem).remedy("replace the file, or take it out of the folder")
        }
        Refusal::Kind(kind) => Error::damaged(name, format!("it is {kind}, which is not supported")).remedy(
            "convert it to a baseline or progressive JPEG of 8 bits or to PNG, or take it out of the folder",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(format: ImageFormat) -> Vec<u8> {
        let image = RgbImage::from_fn(9, 7, |x, y| image::Rgb([x as u8 * 20, y as u8 * 30, 90]));
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn content_decides_not_the_name() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
            let decoded = decode(&encoded(format), "photo.txt", OrientationRule::Apply).unwrap();
            assert_eq!(decoded.image.dimensions(), (9, 7));
            assert_eq!(decoded.orientation, 1);
        }
    }

    #[test]
    fn truncation_anywhere_is_an_error_that_names_the_file() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
            let bytes = encoded(format);
            // The PNG's end chunk carries no pixels; decoders may do without it.
            for end in 0..bytes.len() - 12 {
                let error = decode(&bytes[..end], "a/b.jpg", OrientationRule::Apply);
                let error = error.expect_err(&format!("{format:?} cut at {end} of {}", bytes.len()));
                assert!(error.to_string().starts_with("a/b.jpg"), "{error}");
            }
        }
    }

    #[test]
    fn a_header_that_promises_what_the_file_cannot_hold_is_refused() {
        // 8000 x 8000 pixels in a PNG of a few hundred bytes; the header's checksum is right.
        let mut bytes = encoded(ImageFormat::Png);
        bytes[16..20].copy_from_slice(&8000u32.to_be_bytes());
        bytes[20..24].copy_from_slice(&8000u32.to_be_bytes());
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        let error = decode(&bytes, "a.png", OrientationRule::Apply).unwrap_err().to_string();
        assert!(error.contains("8000 x 8000") && error.contains("cannot hold"), "{error}");
    }

    #[test]
    fn a_jpeg_that_promises_what_its_bytes_cannot_hold_is_refused() {
        let mut bytes = encoded(ImageFormat::Jpeg);
        let frame = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
        // 1000 x 2000 pixels: fewer than any PNG may have.
        bytes[frame + 5..frame + 9].copy_from_slice(&[0x07, 0xD0, 0x03, 0xE8]);
        let error = decode(&bytes, "a.jpg", OrientationRule::Apply).unwrap_err().to_string();
        assert!(error.contains("1000 x 2000") && error.contains("cannot hold"), "{error}");
    }

    #[test]
    fn a_pointer_or_a_page_instead_of_an_image_is_named() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n";
        for (bytes, says) in [(&pointer[..], "git lfs pull"), (b"<!doctype html>", "HTML")] {
            let error = decode(bytes, "a.jpg", OrientationRule::Apply).unwrap_err().to_string();
            assert!(error.starts_with("a.jpg: it is ") && error.contains(says), "{error}");
        }
    }

    #[test]
    fn bytes_behind_the_picture_are_of_no_concern() {
        let mut bytes = encoded(ImageFormat::Jpeg);
        bytes.extend_from_slice(b"trailing");
        assert!(decode(&bytes, "x", OrientationRule::Apply).is_ok());
    }
}
