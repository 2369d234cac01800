//! What is fuzzed: every reader of files that come from elsewhere, each with sound files to begin with.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ferkd_data::config;
use ferkd_data::digest::sha256;
use ferkd_data::images::{ImageList, Split};
use ferkd_data::import::fkd::label_file::LabelFile;
use ferkd_data::pixels::{OrientationRule, decode, measure};
use ferkd_data::store::checksums::Checksums;
use ferkd_data::store::{CHECKSUMS, MANIFEST, Manifest, ReadAt, Skipped, Store};
use ferkd_method::mining::{Confidence, Rule, Thresholds};
use ferkd_method::{Error, ErrorKind, Result};
use ferkd_nn::model_card::ModelCard;
use ferkd_nn::weights::StateDict;
use ferkd_tests::{files, repository};
use ferkd_train::TrainConfig;
use ferkd_train::labelling::{LabelConfig, label};
use ferkd_train::run_report::read_metrics;

use crate::run_folder;

/// What errors must call the file.
pub const NAME: &str = "corrupted";

pub(crate) type Read = Box<dyn FnMut(&[u8]) -> Result<()>>;

/// A reader, sound files for it, and what it may ask for.
pub struct Target {
    /// What it reads.
    pub name: &'static str,
    /// Sound files.
    pub seeds: Vec<Vec<u8>>,
    /// Reads a file, and uses what it found.
    pub read: Read,
    /// Memory that any file may take, in bytes.
    pub base: usize,
    /// Memory that each byte of a file may take beyond that.
    pub factor: usize,
}

/// All targets; `scratch` is a folder for files that readers take by path.
pub fn all(scratch: &Path) -> Result<Vec<Target>> {
    let target = |name, seeds, read: Read| Target { name, seeds, read, base: 4 << 20, factor: 64 };
    let store = store(scratch)?;
    let whole: BTreeMap<String, Vec<u8>> = files(&store);
    let file = |name: &str| vec![whole.get(name).cloned().unwrap_or_default()];
    let (archive, table) = (scratch.join(NAME).with_extension("tar"), scratch.join(NAME));
    let listed = table.clone();
    let (run, resume) = run_folder::target(&scratch.join("images"), &scratch.join("run"))?;
    Ok(vec![
        // A picture of 16 M pixels is decoded whatever its file's length, into a buffer or two.
        Target { base: 512 << 20, ..target("images", pictures(), Box::new(picture)) },
        target(
            "tar",
            archives(),
            Box::new(move |bytes| {
                put(&archive, bytes)?;
                let list = ImageList::open(&archive, Split::Train)?;
                (0..list.len().min(8)).try_for_each(|i| list.read(i).map(drop))
            }),
        ),
        target("store", vec![pack(&whole.clone().into_iter().collect::<Vec<_>>())], Box::new(slices)),
        target("manifest", file(MANIFEST), Box::new(|bytes| Manifest::from_json(bytes, NAME).map(drop))),
        target("checksums", file(CHECKSUMS), Box::new(|bytes| Checksums::parse(bytes, NAME).map(drop))),
        target("skipped", skipped(), Box::new(|bytes| Skipped::parse(bytes, NAME).map(drop))),
        target("safetensors", weights(&["tests/data/torch/expected.safetensors"], scratch)?, Box::new(dict)),
        target("torch", read_all(&torch_files())?, Box::new(dict)),
        target(
            "fkd",
            read_all(&below("tests/data/fkd", "tar"))?,
            Box::new(|bytes| LabelFile::read(bytes, NAME, 1000).map(drop)),
        ),
        target(
            "toml",
            recipes()?,
            Box::new(move |bytes| {
                put(&table, bytes)?;
                config::resolve::<TrainConfig>(&[config::read_layer(&table)?]).map(drop)
            }),
        ),
        // A network and its optimizer are made again for each.
        Target { base: 64 << 20, ..target("run", vec![run], resume) },
        target(
            "metrics",
            metrics(),
            Box::new(move |bytes| {
                put(&listed, bytes)?;
                read_metrics(&listed).map(drop)
            }),
        ),
    ])
}

/// Writes a file.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(|e| Error::io(path, e))
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<Vec<u8>>> {
    paths.iter().map(|path| fs::read(path).map_err(|e| Error::io(path, e))).collect()
}

/// Files of the repository below `folder` that end in `ending`, in a fixed order.
fn below(folder: &str, ending: &str) -> Vec<PathBuf> {
    let root = repository(folder);
    let names = files(&root).into_keys().filter(|name| name.ends_with(ending));
    names.map(|name| root.join(name)).collect()
}

/// The shipped settings of training runs; grids are no such thing.
fn recipes() -> Result<Vec<Vec<u8>>> {
    let mut paths = below("configs", ".toml");
    paths.retain(|path| !path.to_string_lossy().contains("sweep"));
    read_all(&paths)
}

fn torch_files() -> Vec<PathBuf> {
    below("tests/data/torch", "pth")
}

/// Small pictures of each format, colour and gray, a JPEG with EXIF data and CMYK, and every kind of JPEG.
fn pictures() -> Vec<Vec<u8>> {
    use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
    let picture = RgbImage::from_fn(24, 17, |x, y| Rgb([(x * 9) as u8, (y * 13) as u8, (x * y) as u8]));
    let colour = DynamicImage::from(picture);
    let gray = DynamicImage::from(colour.to_luma8());
    let mut seeds = Vec::new();
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
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

fn picture(bytes: &[u8]) -> Result<()> {
    let decoded = decode(bytes, NAME, OrientationRule::Apply)?.image;
    let (width, height, turned) = measure(bytes, NAME)?;
    let sides = if turned > 4 { (height, width) } else { (width, height) };
    // What can be decoded can be measured, to the same size.
    if sides == decoded.dimensions() {
        return Ok(());
    }
    panic!("decoded to {:?}, measured as {sides:?}", decoded.dimensions());
}

/// Archives in the formats that are about, written by hand: names, a long name, a folder, a link.
fn archives() -> Vec<Vec<u8>> {
    fn header(name: &str, kind: u8, len: usize) -> [u8; 512] {
        let mut block = [0; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..108].copy_from_slice(b"0000644\0");
        block[124..136].copy_from_slice(format!("{len:011o}\0").as_bytes());
        block[136..148].copy_from_slice(b"00000000000\0");
        block[148..156].copy_from_slice(b"        ");
        block[156] = kind;
        block[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }
    let entry = |archive: &mut Vec<u8>, name: &str, kind: u8, content: &[u8]| {
        archive.extend(header(name, kind, content.len()));
        archive.extend(content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    };
    let mut plain = Vec::new();
    entry(&mut plain, "train/", b'5', b"");
    entry(&mut plain, "train/cat/1.png", b'0', b"one");
    entry(&mut plain, "train/dog/2.png", b'0', &[7; 600]);
    let mut long = Vec::new();
    let name = format!("cat/{}.png\0", "x".repeat(150));
    entry(&mut long, "././@LongLink", b'L', name.as_bytes());
    entry(&mut long, "cat/x", b'0', b"two");
    let path = "27 path=cat/naturally.jpeg\n";
    entry(&mut long, "pax", b'x', path.as_bytes());
    entry(&mut long, "cat/y", b'0', b"three");
    for archive in [&mut plain, &mut long] {
        archive.extend([0; 1024]);
    }
    vec![plain, long]
}

/// A small store of two classes, labelled by the demo's teacher.
fn store(scratch: &Path) -> Result<PathBuf> {
    let (images, out) = (scratch.join("images"), scratch.join("store"));
    for (class, picture) in ["3", "7"].into_iter().zip(pictures()) {
        let folder = images.join(class);
        fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
        put(&folder.join("picture"), &picture)?;
    }
    let config = LabelConfig { regions: 3, shard_images: 1, device: "flex".into(), ..LabelConfig::default() };
    label(&images, "digits", &out, &config, &AtomicBool::new(false), &mut |_| ())?;
    Ok(out)
}

/// A folder as one file: the length of each of its files, then their bytes.
pub(crate) fn pack(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content) in files {
        bytes.extend(format!("{name} {}\n", content.len()).bytes());
    }
    bytes.push(b'\n');
    files.iter().for_each(|(_, content)| bytes.extend(content));
    bytes
}

/// The files of a folder that [`pack`] made one of, however corrupted it is.
pub(crate) fn unpack(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let split = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
    let (head, mut rest) = bytes.split_at(split);
    rest = rest.get(2..).unwrap_or_default();
    let mut files = Vec::new();
    for line in String::from_utf8_lossy(head).lines() {
        let Some((name, len)) = line.split_once(' ') else { continue };
        let len = len.parse().unwrap_or(usize::MAX).min(rest.len());
        let (content, behind) = rest.split_at(len);
        files.push((name.to_owned(), content.to_vec()));
        rest = behind;
    }
    files
}

struct Slices(Arc<BTreeMap<String, Vec<u8>>>);

impl ReadAt for Slices {
    fn size(&self, file: &str) -> Result<u64> {
        let missing =
            || Error::new(ErrorKind::Io, file, "there is no such file").remedy("copy the store again");
        self.0.get(file).map(|bytes| bytes.len() as u64).ok_or_else(missing)
    }

    fn read_at(&self, file: &str, offset: u64, len: usize) -> Result<Vec<u8>> {
        let bytes = self.0.get(file).map_or(&[][..], Vec::as_slice);
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let ends = || Error::damaged(file, "it ends too early").remedy("copy the store again");
        let slice = start.checked_add(len).and_then(|end| bytes.get(start..end));
        slice.map(<[u8]>::to_vec).ok_or_else(ends)
    }
}

/// Opens a corrupted store and reads all of it. The checksums are made again for every other one, so that what is
/// corrupted reaches the readers behind them.
fn slices(bytes: &[u8]) -> Result<()> {
    let mut whole: BTreeMap<String, Vec<u8>> = unpack(bytes).into_iter().collect();
    if bytes.len().is_multiple_of(2) {
        let mut sums = Checksums::default();
        for (name, content) in whole.iter().filter(|(name, _)| *name != CHECKSUMS) {
            sums.insert(name.clone(), sha256(content));
        }
        whole.insert(CHECKSUMS.to_owned(), sums.to_bytes());
    }
    let store = Store::open_slices(Box::new(Slices(Arc::new(whole))))?;
    for image in 0..store.len().min(4) {
        store.image(image)?;
        store.regions(image)?;
        store.labels(image)?;
    }
    let rule = Rule::Absolute(Thresholds { low: 0.2, mid: 0.4, high: 0.9 });
    if store.len() < 8 {
        ferkd_data::mine::mine(&store, &rule, Confidence::Target)?;
    }
    Ok(())
}

fn skipped() -> Vec<Vec<u8>> {
    vec![Skipped::new(sha256(b"list")).to_bytes()]
}

/// Weights without a checksum, and a checkpoint's worth of them with one.
fn weights(plain: &[&str], scratch: &Path) -> Result<Vec<Vec<u8>>> {
    let mut seeds = read_all(&plain.iter().map(|path| repository(path)).collect::<Vec<_>>())?;
    let sealed = scratch.join("sealed.safetensors");
    let dict = StateDict::from_bytes(&seeds[0], NAME)?;
    dict.write(&sealed, ferkd_nn::weights::Precision::F32)?;
    seeds.extend(read_all(&[sealed])?);
    Ok(seeds)
}

fn dict(bytes: &[u8]) -> Result<()> {
    let dict = StateDict::from_bytes(bytes, NAME)?;
    // Few mutants are a known network; looking for one must not break.
    let _ = ModelCard::of(&dict, NAME);
    Ok(())
}

fn metrics() -> Vec<Vec<u8>> {
    use ferkd_data::events::Event;
    let events = [
        Event::Progress { done: 1, total: 9, units_per_s: 2.5, eta_s: 3.25 },
        Event::Evaluation { step: 4, epoch: 0.5, top1: 0.25, top5: 0.75, loss: 2.125, best: true },
        Event::Checkpoint { step: 4, path: "checkpoints/last.safetensors".into() },
    ];
    let line = |event: &Event| serde_json::to_string(event).unwrap_or_default() + "\n";
    vec![events.iter().map(line).collect::<String>().into_bytes()]
}
