//! What is fuzzed: every reader of files that come from elsewhere, each with sound files to begin with. One list, for
//! what corrupts at random and for what is guided by coverage.

use std::fmt;
use std::path::Path;

use ferkd_data::classes::ClassSpace;
use ferkd_data::config;
use ferkd_data::digest::sha256;
use ferkd_data::images::{ImageList, Split};
use ferkd_data::import::fkd::label_file::LabelFile;
use ferkd_data::pixels::{OrientationRule, decode, measure};
use ferkd_data::store::checksums::Checksums;
use ferkd_data::store::{CHECKSUMS, MANIFEST, Manifest, MemoryFiles, Skipped};
use ferkd_method::{Error, Result};
use ferkd_nn::config_file::Stated;
use ferkd_nn::model_card::ModelCard;
use ferkd_nn::weights::StateDict;
use ferkd_train::TrainConfig;
use ferkd_train::run_report::read_metrics;
use ferkd_train::sweep::SweepConfig;

use crate::packed::{NAME, pack};
use crate::seeds::{self, archive, below, put, read_all};
use crate::small_store::{read_packed, read_store, small_store};
use crate::{run_folder, teacher_files};

/// Every target.
pub const NAMES: [&str; 23] = [
    "images",
    "tar",
    "flat-labels",
    "store",
    "store-tar",
    "manifest",
    "checksums",
    "skipped",
    "safetensors",
    "torch",
    "onnx",
    "shards",
    "preprocessing",
    "sidecar",
    "labels",
    "classes",
    "fkd",
    "toml",
    "sweep",
    "run",
    "metrics",
    "followed-run",
    "link",
];

/// Reads a file, and uses what it found.
pub type Read = Box<dyn FnMut(&[u8]) -> Result<()>>;

/// A reader, sound files for it, and what it may ask for.
pub struct Target {
    /// What it reads.
    pub name: &'static str,
    /// Sound files.
    pub seeds: Vec<Vec<u8>>,
    /// Reads a file.
    pub read: Read,
    /// Memory that any file may take, in bytes.
    pub base: usize,
    /// Memory that each byte of a file may take beyond that.
    pub factor: usize,
    /// Whether errors are about the file, and name it and a remedy; those of a sweep name arm, key and range.
    pub names_file: bool,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("name", &self.name)
            .field("seeds", &self.seeds.len())
            .finish_non_exhaustive()
    }
}

/// The target of a name; `scratch` is a folder for files that readers take by path, the target's own.
///
/// # Errors
/// No such target, or its sound files cannot be made.
pub fn target(name: &str, scratch: &Path) -> Result<Target> {
    let unknown = || Error::usage(name, "no such target").remedy(format!("one of {}", NAMES.join(", ")));
    let name = NAMES.into_iter().find(|known| *known == name).ok_or_else(unknown)?;
    let of = |seeds, read: Read| Target { name, seeds, read, base: 4 << 20, factor: 64, names_file: true };
    let path = scratch.join(NAME);
    Ok(match name {
        // A picture of 16 M pixels is decoded whatever its file's length, into a buffer or two.
        "images" => Target { base: 512 << 20, ..of(seeds::pictures(), Box::new(picture)) },
        "tar" => {
            let path = path.with_extension("tar");
            of(seeds::archives(), Box::new(move |bytes| list(&path, bytes)))
        }
        "flat-labels" => {
            let (seeds, read) = flat_labels(scratch)?;
            of(seeds, read)
        }
        "store" => {
            of(vec![pack(&small_store(scratch)?.into_iter().collect::<Vec<_>>())], Box::new(read_packed))
        }
        "store-tar" => {
            let whole = small_store(scratch)?;
            let entries: Vec<_> =
                whole.iter().map(|(name, bytes)| (name.as_str(), b'0', bytes.as_slice())).collect();
            let read = |bytes: &[u8]| read_store(Box::new(MemoryFiles::from_tar(&resealed(bytes), NAME)?));
            of(vec![archive(&entries)], Box::new(read))
        }
        "manifest" => {
            let manifest = small_store(scratch)?.remove(MANIFEST).unwrap_or_default();
            of(vec![manifest], Box::new(|bytes| Manifest::from_json(bytes, NAME).map(drop)))
        }
        "checksums" => {
            let sums = small_store(scratch)?.remove(CHECKSUMS).unwrap_or_default();
            of(vec![sums], Box::new(|bytes| Checksums::parse(bytes, NAME).map(drop)))
        }
        "skipped" => {
            let list = Skipped::new(sha256(b"list")).to_bytes();
            of(vec![list], Box::new(|bytes| Skipped::parse(bytes, NAME).map(drop)))
        }
        "safetensors" => of(seeds::weights(scratch, NAME)?, Box::new(dict)),
        "torch" => of(read_all(&below("tests/data/torch", "pth"))?, Box::new(dict)),
        "onnx" => {
            let (seeds, read) = teacher_files::onnx(scratch)?;
            of(seeds, read)
        }
        "shards" => {
            let (seeds, read) = teacher_files::shards(scratch)?;
            of(seeds, read)
        }
        "sidecar" => {
            let (seeds, read) = teacher_files::sidecar(scratch);
            of(seeds, read)
        }
        "labels" => {
            let (seeds, read) = teacher_files::labels(scratch)?;
            of(seeds, read)
        }
        "preprocessing" => of(seeds::preprocessing(), Box::new(|bytes| Stated::parse(bytes, NAME).map(drop))),
        "classes" => of(
            seeds::class_lists(),
            Box::new(move |bytes| {
                put(&path, bytes)?;
                ClassSpace::read(&path).map(drop)
            }),
        ),
        "fkd" => of(
            read_all(&below("tests/data/fkd", "tar"))?,
            Box::new(|bytes| LabelFile::read(bytes, NAME, 1000).map(drop)),
        ),
        "toml" => of(
            seeds::recipes()?,
            Box::new(move |bytes| {
                put(&path, bytes)?;
                config::resolve::<TrainConfig>(&[config::read_layer(&path)?]).map(drop)
            }),
        ),
        "sweep" => Target {
            // Up to 10,000 arms, each with settings of its own.
            base: 256 << 20,
            names_file: false,
            ..of(
                seeds::sweeps()?,
                Box::new(|bytes| {
                    let layer = config::parse_layer(NAME, bytes.to_vec())?;
                    SweepConfig::from_layers(&[layer])?.plan(None).map(drop)
                }),
            )
        },
        "run" => {
            let (run, resume) = run_folder::target(scratch)?;
            // A network and its optimizer are made again for each.
            Target { base: 64 << 20, ..of(vec![run], resume) }
        }
        "metrics" => of(
            seeds::metrics(),
            Box::new(move |bytes| {
                put(&path, bytes)?;
                read_metrics(&path).map(drop)
            }),
        ),
        "followed-run" => of(
            seeds::metrics(),
            Box::new(|bytes| {
                let mut run = ferkd_app::run::RunView::new(NAME);
                bytes.chunks(1 + bytes.len() / 3).try_for_each(|piece| run.grow(piece))
            }),
        ),
        "link" => of(vec![links()], Box::new(|bytes| link(&String::from_utf8_lossy(bytes)))),
        _ => return Err(Error::usage(name, "a target without a reader").remedy("add it to `target`")),
    })
}

/// The bytes of an archive; with sums made again for every other one, so that what is corrupted reaches the readers
/// behind them.
fn resealed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if bytes.len().is_multiple_of(2) {
        seeds::reseal(&mut bytes);
    }
    bytes
}

/// Lists of the classes of ImageNet's flat images, and of Tiny ImageNet's, and what reads them: the first byte says
/// which list it is.
fn flat_labels(scratch: &Path) -> Result<(Vec<Vec<u8>>, Read)> {
    let lists = [
        (
            "LOC_val_solution.csv",
            "ImageId,PredictionString\nILSVRC2012_val_00000001,n03995372 85 1 499 272\n\
            ILSVRC2012_val_00000002,n01440764 1 2 3 4\n",
        ),
        ("val_map.txt", "ILSVRC2012_val_00000001.JPEG 65\nILSVRC2012_val_00000002.JPEG 0\n"),
        (
            "val_annotations.txt",
            "ILSVRC2012_val_00000001.JPEG\tn03444034\t0\t32\t44\t62\n\
            ILSVRC2012_val_00000002.JPEG\tn04067472\t52\t55\t57\t59\n",
        ),
        ("imagenet_2012_validation_synset_labels.txt", "n01751748\nn09193705\n"),
    ];
    let folder = scratch.join(NAME).join("val");
    std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
    for number in 1..=2 {
        put(&folder.join(format!("ILSVRC2012_val_0000000{number}.JPEG")), b"no picture")?;
    }
    let seeds =
        lists.iter().enumerate().map(|(i, (_, list))| [&[i as u8], list.as_bytes()].concat()).collect();
    let read = move |bytes: &[u8]| {
        let (which, list) = bytes.split_first().unwrap_or((&0, &[]));
        let path = folder.join(lists[usize::from(*which) % lists.len()].0);
        put(&path, list)?;
        let listed = ImageList::open(&folder, Split::Val).map(drop);
        std::fs::remove_file(&path).map_err(|e| Error::io(&path, e))?;
        listed
    };
    Ok((seeds, Box::new(read)))
}

/// Lists the images of an archive, and reads some.
fn list(path: &Path, bytes: &[u8]) -> Result<()> {
    put(path, &resealed(bytes))?;
    let list = ImageList::open(path, Split::Train)?;
    (0..list.len().min(8)).try_for_each(|i| list.read(i).map(drop))
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

fn dict(bytes: &[u8]) -> Result<()> {
    let dict = StateDict::from_bytes(bytes, NAME)?;
    // Few mutants are a known network; looking for one must not break.
    let _ = ModelCard::of(&dict, NAME);
    Ok(())
}

/// The text that [`link`] takes: an experiment as it is written within a link.
fn links() -> Vec<u8> {
    let usual = ferkd_app::experiment::Experiment::default();
    serde_json::to_vec(&usual).unwrap_or_default()
}

/// Reads a link to the page. What is no link is taken for the text within one, so that what is corrupted is read.
fn link(text: &str) -> Result<()> {
    use base64::Engine as _;
    let whole = match text.contains("x1=") {
        true => text.to_owned(),
        false => format!("x1={}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)),
    };
    let read = ferkd_app::link::from_fragment(&whole)?;
    // What was read can be sent on.
    let again = ferkd_app::link::from_fragment(&ferkd_app::link::to_fragment(&read));
    if again.is_ok_and(|again| again == read) {
        return Ok(());
    }
    panic!("what a link says is not what it is written as: {read:?}");
}
