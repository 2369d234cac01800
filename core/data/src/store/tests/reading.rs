//! What a reader gives back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::source::REFUSES_MAPS;
use super::*;
use ferkd_method::Error;
use ferkd_method::label::TopK;
use ferkd_method::mining::Confidence;
use ferkd_method::rng::path_hash;

const CODECS: [(Codec, u32); 7] = [
    (Codec::MarginalSmoothing, 1),
    (Codec::MarginalSmoothing, 5),
    (Codec::MarginalRenorm, 5),
    (Codec::MarginalSmoothing, 10),
    (Codec::Smoothing, 1),
    (Codec::Hard, 1),
    (Codec::Full, CLASSES),
];

#[test]
fn a_reader_gives_back_what_was_written() {
    for (codec, k) in CODECS {
        let manifest = manifest(5, codec, k);
        let folder = stored(&manifest);
        let store = Store::open(folder.path()).unwrap();
        assert_eq!((store.manifest(), store.len()), (&manifest, 5));
        for image in 0..5 {
            assert_eq!(store.image(image).unwrap(), entry(image));
            let labels = store.labels(image).unwrap();
            for region in 0..REGIONS {
                let exact = TopK::of(&teacher(image, region), k as usize);
                assert_eq!(store.top_k(image, region).unwrap().classes, exact.classes);
                let label = store.label(image, region).unwrap();
                assert_eq!(label, labels[region as usize]);
                assert!(label.total_variation(&exact.decode(codec, CLASSES as usize).unwrap()) < 0.01);
            }
        }
        assert!(store.label(5, 0).is_err() && store.label(0, REGIONS).is_err());
        assert!(store.image(5).is_err() && store.region(0, REGIONS).is_err());
    }
}

#[test]
fn generated_regions_are_the_samplers() {
    let folder = stored(&manifest(5, Codec::MarginalSmoothing, 5));
    let store = Store::open(folder.path()).unwrap();
    for image in 0..5 {
        let (hash, entry) = (path_hash(&name(image)), entry(image));
        let expected = RegionSampler::new(7).regions(hash, REGIONS, entry.width, entry.height);
        assert_eq!(store.regions(image).unwrap(), expected);
        assert_eq!(store.region(image, 2).unwrap(), expected[2]);
        assert_eq!(store.explicit_box(image, 2).unwrap(), None);
    }
}

#[test]
fn explicit_regions_are_those_given() {
    let folder = stored(&explicit(5));
    let store = Store::open(folder.path()).unwrap();
    for image in 0..5 {
        let entry = entry(image);
        for region in 0..REGIONS {
            let given = explicit_box(image, region);
            assert_eq!(store.explicit_box(image, region).unwrap(), Some(given));
            assert_eq!(store.region(image, region).unwrap(), given.region(entry.width, entry.height));
        }
        assert_eq!(store.regions(image).unwrap().len(), REGIONS as usize);
        assert!(store.region(image, REGIONS).is_err());
    }
}

#[test]
fn a_scan_gives_every_confidence_in_order() {
    for (codec, k) in CODECS {
        let folder = stored(&manifest(5, codec, k));
        let store = Store::open(folder.path()).unwrap();
        let mut scanned = Vec::new();
        let done =
            store.scan_confidences(Confidence::Max, &mut |i, r, class, c| scanned.push((i, r, class, c)));
        if codec == Codec::Hard {
            assert!(done.is_err() && scanned.is_empty());
            continue;
        }
        let mut expected = Vec::new();
        for image in 0..5 {
            for region in 0..REGIONS {
                let c = Confidence::Max.of(&store.label(image, region).unwrap(), None).unwrap();
                assert_eq!(store.confidence(image, region, Confidence::Max).unwrap(), c);
                expected.push((image, region, entry(image).class, c));
            }
        }
        assert_eq!(scanned, expected);
    }
}

#[test]
fn a_walk_in_slices_sees_every_label_once() {
    for (codec, k) in CODECS {
        let folder = stored(&manifest(5, codec, k));
        let store = Store::open(folder.path()).unwrap();
        let mut seen = Vec::new();
        for slice in [0..1, 1..4, 4..4, 4..5] {
            store.walk(slice, |image, class, labels| seen.push((image, class, labels.to_vec()))).unwrap();
        }
        let whole = |image| (image, entry(image).class, store.labels(image).unwrap());
        assert_eq!(seen, (0..5).map(whole).collect::<Vec<_>>());
        assert!(store.walk(4..6, |_, _, _| {}).is_err());
    }
}

#[test]
fn the_targets_confidence_needs_a_class() {
    let folder = stored(&manifest(5, Codec::MarginalSmoothing, 5));
    let store = Store::open(folder.path()).unwrap();
    let label = store.label(2, 3).unwrap();
    assert_eq!(
        store.confidence(2, 3, Confidence::Target).unwrap(),
        Confidence::Target.of(&label, Some(2)).unwrap()
    );
    let error = store.confidence(1, 0, Confidence::Target).unwrap_err();
    assert!(error.to_string().contains("image 1"), "{error}");
    assert!(store.scan_confidences(Confidence::Target, &mut |_, _, _, _| {}).is_err());
}

#[test]
fn a_scan_goes_through_many_blocks() {
    let mut manifest = manifest(300, Codec::Full, CLASSES);
    manifest.shard_images = 200;
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &manifest).unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut seen = Vec::new();
    store.scan_confidences(Confidence::Max, &mut |i, r, class, c| seen.push((i, r, class, c))).unwrap();
    assert_eq!(seen.len(), 1200);
    for (at, &(image, region, class, c)) in seen.iter().enumerate() {
        assert_eq!((image, region), (at as u64 / 4, at as u32 % 4));
        assert_eq!(class, entry(image).class);
        assert_eq!(c, store.confidence(image, region, Confidence::Max).unwrap());
    }
}

#[test]
fn opening_a_large_store_touches_no_shard() {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest(3, Codec::MarginalSmoothing, 5);
    (manifest.images, manifest.shard_images) = (1_000_000, 1024);
    let layout = Layout::new(&manifest).unwrap();
    let bytes = manifest.to_json().unwrap();
    let mut sums = checksums::Checksums::default();
    sums.insert(MANIFEST.into(), crate::digest::sha256(&bytes));
    for file in (0..layout.shards()).flat_map(|shard| layout.files(shard)) {
        sums.insert(file.to_string(), crate::digest::sha256(b""));
    }
    fs::write(folder.path().join(MANIFEST), bytes).unwrap();
    fs::write(folder.path().join(CHECKSUMS), sums.to_bytes()).unwrap();
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.len(), 1_000_000);
    let error = store.label(999_999, 3).unwrap_err();
    assert!(error.subject().ends_with("labels-00976.npy"), "{error}");
}

/// Slices of a folder, counted.
struct Slices {
    folder: std::path::PathBuf,
    bytes: Arc<AtomicU64>,
}

impl ReadAt for Slices {
    fn size(&self, file: &str) -> Result<u64> {
        let path = self.folder.join(file);
        fs::metadata(&path).map(|m| m.len()).map_err(|e| Error::io(path, e))
    }

    fn read_at(&self, file: &str, offset: u64, len: usize) -> Result<Vec<u8>> {
        self.bytes.fetch_add(len as u64, Ordering::Relaxed);
        let path = self.folder.join(file);
        let whole = fs::read(&path).map_err(|e| Error::io(path, e))?;
        Ok(whole[offset as usize..offset as usize + len].to_vec())
    }
}

#[test]
fn slices_give_what_files_give() {
    for manifest in [manifest(5, Codec::MarginalRenorm, 5), explicit(5)] {
        let folder = stored(&manifest);
        let bytes = Arc::new(AtomicU64::new(0));
        let slices = Slices { folder: folder.path().to_owned(), bytes: bytes.clone() };
        let (mapped, sliced) =
            (Store::open(folder.path()).unwrap(), Store::open_slices(Box::new(slices)).unwrap());
        for image in 0..5 {
            assert_eq!(mapped.image(image).unwrap(), sliced.image(image).unwrap());
            assert_eq!(mapped.regions(image).unwrap(), sliced.regions(image).unwrap());
            assert_eq!(mapped.labels(image).unwrap(), sliced.labels(image).unwrap());
        }
        let scan = |store: &Store| {
            let mut all = Vec::new();
            store.scan_confidences(Confidence::Max, &mut |i, r, _, c| all.push((i, r, c))).unwrap();
            all
        };
        assert_eq!(scan(&mapped), scan(&sliced));
        let before = bytes.load(Ordering::Relaxed);
        sliced.label(4, 3).unwrap();
        assert_eq!(bytes.load(Ordering::Relaxed) - before, 16);
    }
}

#[test]
fn threads_share_a_store() {
    let folder = stored(&manifest(40, Codec::MarginalSmoothing, 5));
    let store = Store::open(folder.path()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for image in 0..40 {
                    assert_eq!(store.image(image).unwrap().name, name(image));
                    assert_eq!(store.labels(image).unwrap().len(), 4);
                }
            });
        }
    });
}

#[test]
fn a_store_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = Store::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("manifest.json"), "{error}");
    assert!(Store::open(folder.path().join("nowhere")).is_err());
}

#[test]
fn files_that_cannot_be_mapped_are_read() {
    let manifest = explicit(5);
    let folder = stored(&manifest);
    let mapped = Store::open(folder.path()).unwrap();
    REFUSES_MAPS.set(true);
    let read = Store::open(folder.path()).unwrap();
    for image in 0..5 {
        assert_eq!(read.image(image).unwrap(), mapped.image(image).unwrap());
        assert_eq!(read.regions(image).unwrap(), mapped.regions(image).unwrap());
        assert_eq!(read.labels(image).unwrap(), mapped.labels(image).unwrap());
    }
    let mut seen = [Vec::new(), Vec::new()];
    for (store, seen) in [&read, &mapped].into_iter().zip(&mut seen) {
        let visit = &mut |image, region, _, c: f32| seen.push((image, region, c));
        store.scan_confidences(Confidence::Max, visit).unwrap();
    }
    assert_eq!(seen[0], seen[1]);
    // One that is cut short is still told by its length.
    fs::write(folder.path().join("labels-00000.npy"), b"short").unwrap();
    assert!(Store::open(folder.path()).unwrap().labels(0).unwrap_err().to_string().contains("5 bytes long"));
    REFUSES_MAPS.set(false);
}
