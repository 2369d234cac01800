//! Sound files to begin with: of the repository's tests, or made here.

use std::fs;
use std::path::{Path, PathBuf};

use ferkd_data::events::Event;
use ferkd_method::{Error, Result};
use ferkd_nn::weights::{Precision, StateDict};
use ferkd_tests::{files, repository};

/// Writes a file.
///
/// # Errors
/// It cannot be written.
pub fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(|e| Error::io(path, e))
}

/// The bytes of files.
///
/// # Errors
/// One of them cannot be read.
pub fn read_all(paths: &[PathBuf]) -> Result<Vec<Vec<u8>>> {
    paths.iter().map(|path| fs::read(path).map_err(|e| Error::io(path, e))).collect()
}

/// Files of the repository below `folder` that end in `ending`, in a fixed order.
pub fn below(folder: &str, ending: &str) -> Vec<PathBuf> {
    let root = repository(folder);
    let names = files(&root).into_keys().filter(|name| name.ends_with(ending));
    names.map(|name| root.join(name)).collect()
}

/// The shipped settings of training runs; grids are no such thing.
///
/// # Errors
/// One of them cannot be read.
pub fn recipes() -> Result<Vec<Vec<u8>>> {
    let mut paths = below("configs", ".toml");
    paths.retain(|path| !path.to_string_lossy().contains("sweep"));
    read_all(&paths)
}

/// The shipped sweeps, which are not resolved over the recipes they extend.
///
/// # Errors
/// One of them cannot be read.
pub fn sweeps() -> Result<Vec<Vec<u8>>> {
    let mut paths = below("configs", ".toml");
    paths.retain(|path| path.to_string_lossy().contains("sweep"));
    read_all(&paths)
}

/// Small pictures of each format, colour and gray, a JPEG with EXIF data and CMYK, and every kind of JPEG.
pub fn pictures() -> Vec<Vec<u8>> {
    use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
    let picture = RgbImage::from_fn(24, 17, |x, y| Rgb([(x * 9) as u8, (y * 13) as u8, (x * y) as u8]));
    let colour = DynamicImage::from(picture);
    let gray = DynamicImage::from(colour.to_luma8());
    let formats = [
        ImageFormat::Jpeg,
        ImageFormat::Png,
        ImageFormat::WebP,
        ImageFormat::Gif,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
        ImageFormat::Pnm,
    ];
    let mut seeds = Vec::new();
    for format in formats {
        for picture in [&colour, &gray] {
            let mut bytes = std::io::Cursor::new(Vec::new());
            if picture.write_to(&mut bytes, format).is_ok() {
                seeds.push(bytes.into_inner());
            }
        }
    }
    seeds.extend(fs::read(repository("tests/data/cmyk.jpg")));
    seeds.extend(below("tests/data/jpeg", "jpg").into_iter().filter_map(|path| fs::read(path).ok()));
    seeds
}

/// An archive by hand: of each entry its name, its kind, and its bytes.
pub fn archive(entries: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, kind, content) in entries {
        let mut block = [0; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..108].copy_from_slice(b"0000644\0");
        block[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        block[136..148].copy_from_slice(b"00000000000\0");
        block[156] = *kind;
        block[257..265].copy_from_slice(b"ustar\x0000");
        seal(&mut block);
        archive.extend(block);
        archive.extend(*content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.extend([0; 1024]);
    archive
}

/// Writes the sum of an archive's header into it.
fn seal(block: &mut [u8]) {
    block[148..156].copy_from_slice(b"        ");
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Makes the sums of an archive's headers again, as far as its lengths can be followed.
pub fn reseal(archive: &mut [u8]) {
    let mut at = 0;
    while let Some(block) = archive.get_mut(at..at + 512) {
        if block.iter().all(|&byte| byte == 0) {
            return;
        }
        seal(block);
        let digits = block[124..136].iter().copied().skip_while(|byte| *byte == b' ');
        let octal = digits.take_while(|byte| (b'0'..b'8').contains(byte));
        let len = octal.fold(0, |len: usize, digit| len * 8 + usize::from(digit - b'0'));
        at = at.saturating_add(512).saturating_add(len.next_multiple_of(512));
    }
}

/// Archives in the formats that are about: names, a long name, a folder, a path by POSIX, WebDataset's keys.
pub fn archives() -> Vec<Vec<u8>> {
    let name = format!("cat/{}.png\0", "x".repeat(150));
    let path = b"27 path=cat/naturally.jpeg\n";
    vec![
        archive(&[
            ("train/", b'5', b""),
            ("train/cat/1.png", b'0', b"one"),
            ("train/dog/2.png", b'0', &[7; 600]),
        ]),
        archive(&[
            ("././@LongLink", b'L', name.as_bytes()),
            ("cat/x", b'0', b"two"),
            ("pax", b'x', path),
            ("cat/y", b'0', b"three"),
        ]),
        archive(&[
            ("a.jpg", b'0', b"four"),
            ("a.cls", b'0', b"1"),
            ("b.jpg", b'0', b"five"),
            ("b.json", b'0', br#"{"label": 3}"#),
        ]),
    ]
}

/// Weights without a checksum, and a checkpoint's worth of them with one.
///
/// # Errors
/// They cannot be read, or not be written below `scratch`.
pub fn weights(scratch: &Path, name: &str) -> Result<Vec<Vec<u8>>> {
    let mut seeds = read_all(&[repository("tests/data/torch/expected.safetensors")])?;
    let sealed = scratch.join("sealed.safetensors");
    StateDict::from_bytes(&seeds[0], name)?.write(&sealed, Precision::F32)?;
    seeds.extend(read_all(&[sealed])?);
    Ok(seeds)
}

/// A run's log.
pub fn metrics() -> Vec<Vec<u8>> {
    let events = [
        Event::Progress { done: 1, total: 9, units_per_s: 2.5, eta_s: 3.25 },
        Event::Evaluation { step: 4, epoch: 0.5, top1: 0.25, top5: 0.75, loss: 2.125, best: true },
        Event::Checkpoint { step: 4, path: "checkpoints/last.safetensors".into() },
    ];
    let line = |event: &Event| serde_json::to_string(event).unwrap_or_default() + "\n";
    vec![events.iter().map(line).collect::<String>().into_bytes()]
}

/// Lists of classes: identifiers, names behind tabs, WordNet's lines.
pub fn class_lists() -> Vec<Vec<u8>> {
    let lists = [
        "cat\ndog\n",
        "\u{FEFF}a\tone thing\r\nb\tanother\r\n",
        "n01440764 tench, Tinca tinca\nn01443537 goldfish\n",
    ];
    lists.iter().map(|list| list.as_bytes().to_vec()).collect()
}

/// What lies beside a foreign teacher's weights.
pub fn preprocessing() -> Vec<Vec<u8>> {
    let files = [
        r#"{"architecture": "vit_small", "pretrained_cfg": {"input_size": [3, 224, 224], "interpolation": "bicubic",
            "crop_pct": 0.9, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}"#,
        r#"{"do_normalize": true, "do_resize": true, "do_center_crop": true, "do_rescale": true, "resample": 3,
            "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 256}, "crop_size": {"height": 224,
            "width": 224}, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "crop_pct": 0.875}"#,
    ];
    files.iter().map(|file| file.as_bytes().to_vec()).collect()
}
