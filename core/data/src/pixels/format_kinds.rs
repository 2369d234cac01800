//! Every format besides JPEG, as it is read and as it is refused.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

use crate::pixels::{OrientationRule, decode};

fn picture() -> RgbImage {
    RgbImage::from_fn(9, 7, |x, y| Rgb([x as u8 * 20, y as u8 * 30, 90]))
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[test]
fn bmp_pnm_and_tiff_are_read_exactly_whatever_their_name() {
    for format in [ImageFormat::Bmp, ImageFormat::Pnm, ImageFormat::Tiff] {
        let bytes = encoded(&picture().into(), format);
        let decoded = decode(&bytes, "a.jpg", OrientationRule::Apply).unwrap();
        assert_eq!(decoded.image, picture(), "{format:?}");
    }
    let gray = decode(b"P5\n2 1\n255\n\x07\xF0", "a.pgm", OrientationRule::Apply).unwrap().image;
    assert_eq!(gray.as_raw(), &[7, 7, 7, 240, 240, 240]);
    let plain = decode(b"P3 1 1 255 1 2 3\n", "a.ppm", OrientationRule::Apply).unwrap().image;
    assert_eq!(plain.as_raw(), &[1, 2, 3]);
}

#[test]
fn of_a_gif_the_first_frame_is_read() {
    let mut bytes = Vec::new();
    {
        let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
        for gray in [10, 200] {
            let frame = image::RgbaImage::from_pixel(9, 7, image::Rgba([gray, gray, gray, 255]));
            encoder.encode_frame(image::Frame::new(frame)).unwrap();
        }
    }
    let decoded = decode(&bytes, "a.gif", OrientationRule::Apply).unwrap().image;
    assert_eq!(decoded, RgbImage::from_pixel(9, 7, Rgb([10; 3])));
}

#[test]
fn a_cut_file_of_each_format_is_an_error_that_names_it() {
    for format in [ImageFormat::Bmp, ImageFormat::Pnm, ImageFormat::Tiff, ImageFormat::Gif] {
        let bytes = encoded(&picture().into(), format);
        // Of a GIF the blocks behind the picture say nothing of it.
        let enough = if format == ImageFormat::Gif { bytes.len() - 3 } else { bytes.len() };
        for end in 0..enough {
            let error = decode(&bytes[..end], "a/b.x", OrientationRule::Apply);
            let error = error.expect_err(&format!("{format:?} cut at {end} of {}", bytes.len()));
            assert!(error.to_string().starts_with("a/b.x"), "{error}");
        }
    }
}

#[test]
fn what_is_not_read_is_named() {
    let fractions = DynamicImage::from(picture()).into_rgb32f();
    let bytes = encoded(&fractions.into(), ImageFormat::Tiff);
    let error = decode(&bytes, "a.tif", OrientationRule::Apply).unwrap_err().to_string();
    assert!(error.starts_with("a.tif") && error.contains("32-bit floats"), "{error}");
    let error = decode(b"\0\0\0\x1CftypavifXXXX", "a.avif", OrientationRule::Apply).unwrap_err();
    assert!(error.to_string().contains("invalid format Avif: expected JPEG, PNG, WebP, BMP"), "{error}");
}
