//! Damaged stores: all damage is found, nothing panics, and only what is damaged is redone.

use super::*;
use ferkd_method::ErrorKind;

/// Asks a store for everything; errors are welcome, panics are not.
fn read_everything(folder: &Path) {
    let Ok(store) = Store::open(folder) else { return };
    for image in 0..store.len() {
        let _ = store.image(image);
        let _ = store.regions(image);
        let _ = store.labels(image);
        let _ = store.explicit_box(image, 0);
    }
    let _ = store.scan_confidences(ferkd_method::mining::Confidence::Max, &mut |_, _, _, _| {});
}

#[test]
fn every_flipped_byte_is_found() {
    let folder = stored(&explicit(3));
    for (name, whole) in contents(folder.path()) {
        let path = folder.path().join(&name);
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, &bytes).unwrap();
            let report = verify(folder.path(), 1).unwrap();
            assert!(report.damages.iter().any(|d| d.file == name), "{name} byte {at}: {report:?}");
            if let Some(file) = FileId::parse(&name) {
                assert_eq!(report.redo, [file.shard]);
            }
            read_everything(folder.path());
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(verify(folder.path(), 1).unwrap().is_sound());
}

/// With checksums that agree with the damage, as a hostile store has them, records speak for themselves.
#[test]
fn hostile_bytes_with_good_checksums_never_panic() {
    let folder = stored(&explicit(3));
    let mut found = 0;
    let mut tried = 0;
    for (name, whole) in contents(folder.path()) {
        if name == CHECKSUMS {
            continue;
        }
        for at in (0..whole.len()).step_by(3) {
            let mut bytes = whole.clone();
            bytes[at] = bytes[at].wrapping_add(0x81);
            fs::write(folder.path().join(&name), &bytes).unwrap();
            sign(folder.path());
            tried += 1;
            found += u32::from(!verify(folder.path(), 1).unwrap().is_sound());
            read_everything(folder.path());
        }
        fs::write(folder.path().join(&name), &whole).unwrap();
        sign(folder.path());
    }
    // Other sizes, classes or probabilities may be as meaningful as the true ones.
    assert!(found > tried / 3, "{found} of {tried}");
    assert!(verify(folder.path(), 1).unwrap().is_sound());
}

/// Records the checksums that the files have.
fn sign(folder: &Path) {
    let mut sums = checksums::Checksums::default();
    for (name, bytes) in contents(folder).into_iter().filter(|(name, _)| name != CHECKSUMS) {
        sums.insert(name, crate::digest::sha256(&bytes));
    }
    fs::write(folder.join(CHECKSUMS), sums.to_bytes()).unwrap();
}

#[test]
fn truncated_and_lengthened_files_are_found() {
    let folder = stored(&explicit(3));
    for (name, whole) in contents(folder.path()) {
        let path = folder.path().join(&name);
        let longer = [&whole[..], &whole[..]].concat();
        for bytes in [&whole[..0], &whole[..whole.len() - 1], &longer] {
            fs::write(&path, bytes).unwrap();
            assert!(!verify(folder.path(), 1).unwrap().is_sound(), "{name}");
            read_everything(folder.path());
        }
        fs::remove_file(&path).unwrap();
        assert!(!verify(folder.path(), 1).unwrap().is_sound(), "{name}");
        read_everything(folder.path());
        fs::write(&path, &whole).unwrap();
    }
    let error = {
        fs::write(folder.path().join("labels-00000.npy"), b"short").unwrap();
        Store::open(folder.path()).unwrap().label(0, 0).unwrap_err()
    };
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.to_string().contains("labels-00000.npy: 5 bytes long"), "{error}");
}

#[test]
fn strangers_are_named() {
    let folder = stored(&manifest(3, Codec::MarginalSmoothing, 5));
    for name in ["notes.txt", "labels-00000.npy.part", "boxes-00000.npy", "labels-00007.npy", "labels-1.npy"]
    {
        let path = folder.path().join(name);
        fs::write(&path, b"x").unwrap();
        let report = verify(folder.path(), 1).unwrap();
        assert_eq!(report.damages.len(), 1, "{report:?}");
        assert_eq!(report.damages[0].file, name);
        fs::remove_file(path).unwrap();
    }
    fs::create_dir(folder.path().join("sub")).unwrap();
    assert!(!verify(folder.path(), 1).unwrap().is_sound());
}

#[test]
fn only_damaged_shards_are_redone() {
    let manifest = explicit(7);
    let folder = stored(&manifest);
    let whole = contents(folder.path());
    for (name, flipped) in
        [("labels-00001.npy", 200), ("names-00002.txt", 1), (CHECKSUMS, 5), (CHECKSUMS, 70)]
    {
        let mut bytes = whole[name].clone();
        bytes[flipped] ^= 1;
        fs::write(folder.path().join(name), bytes).unwrap();
        let report = verify(folder.path(), 1).unwrap();
        assert!(!report.is_sound());
        assert!(report.redo.len() <= 1, "{report:?}");
        forget_shards(folder.path(), &report.redo).unwrap();
        let writer = StoreWriter::open(folder.path(), manifest.clone()).unwrap();
        assert_eq!(writer.missing_shards(), report.redo);
        drop(writer);
        write(folder.path(), &manifest).unwrap();
        assert_eq!(contents(folder.path()), whole, "{name}");
    }
}

#[test]
fn a_damaged_manifest_is_written_anew_by_the_same_settings() {
    let manifest = explicit(3);
    let folder = stored(&manifest);
    let whole = contents(folder.path());
    for bytes in [&b"{}"[..], &b""[..], &whole[MANIFEST][1..]] {
        fs::write(folder.path().join(MANIFEST), bytes).unwrap();
        let report = verify(folder.path(), 1).unwrap();
        assert_eq!(report.damages[0].file, MANIFEST);
        assert!(Store::open(folder.path()).is_err());
        write(folder.path(), &manifest).unwrap();
        assert_eq!(contents(folder.path()), whole);
    }
    fs::remove_file(folder.path().join(MANIFEST)).unwrap();
    let mut other = manifest.clone();
    other.label.temperature = 3.0;
    assert_eq!(StoreWriter::open(folder.path(), other).unwrap_err().kind(), ErrorKind::Mismatch);
    write(folder.path(), &manifest).unwrap();
    assert_eq!(contents(folder.path()), whole);
}

#[test]
fn the_report_does_not_depend_on_the_number_of_threads() {
    let folder = stored(&explicit(9));
    for name in ["labels-00003.npy", "images-00001.npy"] {
        let mut bytes = contents(folder.path()).remove(name).unwrap();
        bytes[100] ^= 1;
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let report = verify(folder.path(), 1).unwrap();
    assert_eq!(report.redo, [1, 3]);
    assert_eq!(report, verify(folder.path(), 4).unwrap());
}

#[test]
fn an_unfinished_store_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = StoreWriter::open(folder.path(), explicit(7)).unwrap();
    write_shard(&mut writer, 2).unwrap();
    drop(writer);
    let report = verify(folder.path(), 1).unwrap();
    assert_eq!(report.redo, [0, 1, 3]);
    assert_eq!(report.damages.len(), 1);
    assert!(verify(folder.path().join("nowhere"), 1).is_err());
}
