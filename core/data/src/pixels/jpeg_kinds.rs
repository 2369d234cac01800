//! Every kind of JPEG against what libjpeg-turbo decodes of it: see `tests/data/jpeg/README.md`.

use std::path::PathBuf;

use super::{OrientationRule, decode, measure};

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/jpeg"))
}

/// The files, by name, that are to be decoded or that are to be refused.
fn files(refused: bool) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(".jpg") && name.starts_with("refused-") == refused {
            files.push((name, std::fs::read(path).unwrap()));
        }
    }
    files.sort();
    files
}

#[test]
fn every_kind_of_jpeg_has_libjpegs_pixels() {
    let files = files(false);
    assert_eq!(files.len(), 31);
    for (name, bytes) in files {
        let decoded = decode(&bytes, &name, OrientationRule::Apply).unwrap().image;
        // A file's name begins with its golden's.
        let mut ends = (0..name.len()).rev();
        let golden = ends.find_map(|end| {
            Some(folder().join(format!("{}.png", &name[..end]))).filter(|path| path.exists())
        });
        let golden = image::open(golden.unwrap()).unwrap().into_rgb8();
        assert_eq!(decoded.dimensions(), golden.dimensions(), "{name}");
        let off: Vec<u32> =
            decoded.as_raw().iter().zip(golden.as_raw()).map(|(a, b)| u32::from(a.abs_diff(*b))).collect();
        let mean = f64::from(off.iter().sum::<u32>()) / off.len() as f64;
        let most = off.iter().max().unwrap();
        assert!(*most <= 3 && mean < 0.5, "{name}: off by {most} at most, {mean:.3} on average");
        assert_eq!(measure(&bytes, &name).unwrap(), (37, 29, 1), "{name}");
    }
}

#[test]
fn kinds_that_cannot_be_decoded_are_refused_by_name() {
    let says = ["12 bits a sample", "arithmetic coding", "a lossless JPEG"];
    let files = files(true);
    assert_eq!(files.len(), says.len());
    for ((name, bytes), says) in files.into_iter().zip(says) {
        for error in
            [decode(&bytes, &name, OrientationRule::Apply).unwrap_err(), measure(&bytes, &name).unwrap_err()]
        {
            let error = error.to_string();
            assert!(
                error.starts_with(&name) && error.contains(says) && error.contains("convert it"),
                "{error}"
            );
        }
    }
}

#[test]
fn more_rows_than_a_decoder_counts_are_refused() {
    for name in ["420-scans.jpg", "coarse-first-baseline.jpg"] {
        let mut bytes = std::fs::read(folder().join(name)).unwrap();
        let frame = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
        for rows in [65_529u16, u16::MAX] {
            bytes[frame + 5..frame + 7].copy_from_slice(&rows.to_be_bytes());
            let error = decode(&bytes, name, OrientationRule::Apply).unwrap_err().to_string();
            assert!(error.starts_with(name) && error.contains("65528 rows"), "{error}");
        }
        // The most that it counts, with a comment, so that the file could hold them.
        bytes[frame + 5..frame + 7].copy_from_slice(&65_528u16.to_be_bytes());
        bytes.splice(2..2, [0xFF, 0xFE, 0x10, 0x00].into_iter().chain([b' '; 0xFFE]));
        if let Err(error) = decode(&bytes, name, OrientationRule::Apply) {
            assert!(!error.to_string().contains("rows"), "{error}");
        }
    }
}

#[test]
fn a_truncated_file_of_any_kind_is_an_error() {
    for (name, bytes) in files(false) {
        for end in 0..bytes.len() {
            let error = decode(&bytes[..end], &name, OrientationRule::Apply);
            let error = error.expect_err(&format!("{name} cut at {end} of {}", bytes.len()));
            assert!(error.to_string().starts_with(&name), "{error}");
        }
    }
}

#[test]
fn no_spoiled_byte_panics() {
    for (name, bytes) in files(false) {
        for at in (0..bytes.len()).step_by(2) {
            for value in [0, 0x41, 0xFF] {
                let mut bytes = bytes.clone();
                bytes[at] = value;
                // Sizes of 2^16 pixels a side are other tests' concern.
                if let Ok((width, height, _)) = measure(&bytes, &name)
                    && width * height < 1 << 16
                {
                    let _ = decode(&bytes, &name, OrientationRule::Apply);
                }
            }
        }
    }
}
