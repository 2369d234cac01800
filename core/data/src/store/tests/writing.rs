//! What a writer refuses, and resuming.

use super::checksums::Checksums;
use super::*;
use ferkd_method::ErrorKind;

#[test]
fn a_second_writer_is_turned_away() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = manifest(3, Codec::MarginalSmoothing, 5);
    let first = StoreWriter::open(folder.path(), manifest.clone()).unwrap();
    let second = StoreWriter::open(folder.path(), manifest.clone()).unwrap_err();
    assert_eq!(second.kind(), ErrorKind::Busy);
    assert_eq!(forget_shards(folder.path(), &[0]).unwrap_err().kind(), ErrorKind::Busy);
    assert_eq!(verify(folder.path(), 1).unwrap_err().kind(), ErrorKind::Busy);
    drop(first);
    assert!(!folder.path().join(LOCK).exists());
    StoreWriter::open(folder.path(), manifest).unwrap();
}

#[test]
fn a_killed_writers_lock_does_not_bar_the_next() {
    let manifest = manifest(3, Codec::MarginalSmoothing, 5);
    let folder = stored(&manifest);
    fs::write(folder.path().join(LOCK), b"").unwrap();
    assert!(verify(folder.path(), 1).unwrap().is_sound());
    StoreWriter::open(folder.path(), manifest).unwrap().finish().unwrap();
    assert!(!folder.path().join(LOCK).exists());
}

#[test]
fn another_manifest_is_refused_field_by_field() {
    let before = manifest(3, Codec::MarginalSmoothing, 5);
    let folder = stored(&before);
    let mut after = before.clone();
    after.label.temperature = 2.0;
    after.regions.per_image = 7;
    let error = StoreWriter::open(folder.path(), after).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    let text = error.to_string();
    assert!(text.contains("`label.temperature` is 1.0, asked for is 2.0"), "{text}");
    assert!(text.contains("`regions.per_image` is 4, asked for is 7"), "{text}");
    assert!(Store::open(folder.path()).is_ok());
}

#[test]
fn a_store_begun_in_an_older_format_is_finished_in_it() {
    let new = manifest(5, Codec::MarginalSmoothing, 5);
    let old = Manifest { format: 1, ..new.clone() };
    let expected = contents(stored(&old).path());
    assert!(expected["labels-00000.npy"].windows(4).any(|bytes| bytes == b"'p1'"));
    let folder = tempfile::tempdir().unwrap();
    let mut writer = StoreWriter::open(folder.path(), old.clone()).unwrap();
    write_shard(&mut writer, 0).unwrap();
    drop(writer);
    // Today's program goes on, also where the manifest has to be written again.
    for damage in [None, Some(&b"{"[..])] {
        if let Some(bytes) = damage {
            fs::write(folder.path().join(MANIFEST), bytes).unwrap();
        }
        let writer = StoreWriter::open(folder.path(), new.clone()).unwrap();
        assert_eq!(writer.manifest().format, 1);
    }
    write(folder.path(), &new).unwrap();
    assert_eq!(contents(folder.path()), expected);
    assert!(verify(folder.path(), 1).unwrap().is_sound());
    // The other way round nothing is silently rewritten.
    let folder = stored(&new);
    let error = StoreWriter::open(folder.path(), old).unwrap_err();
    assert!(error.to_string().contains("`format` is 2, asked for is 1"), "{error}");
}

#[test]
fn other_peoples_folders_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.tex"), b"x").unwrap();
    let manifest = manifest(3, Codec::MarginalSmoothing, 5);
    let error = StoreWriter::open(folder.path(), manifest.clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(contents(folder.path()).len(), 1);
    assert!(StoreWriter::open(folder.path().join("thesis.tex"), manifest).is_err());
}

#[test]
fn shards_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = manifest(3, Codec::MarginalSmoothing, 5);
    let mut writer = StoreWriter::open(folder.path(), manifest.clone()).unwrap();
    let mut labels = ShardLabels::new(&manifest).unwrap();
    (0..2 * REGIONS).for_each(|r| labels.push_full(&teacher(0, r)).unwrap());
    let images = [entry(0), entry(1)];
    let boxes = [explicit_box(0, 0); 8];
    assert!(writer.write_shard(2, &images, &labels, None).is_err());
    assert!(writer.write_shard(1, &images, &labels, None).is_err());
    assert!(writer.write_shard(0, &images[..1], &labels, None).is_err());
    assert!(writer.write_shard(0, &[entry(1), entry(0)], &labels, None).is_err());
    assert!(writer.write_shard(0, &[entry(0), entry(0)], &labels, None).is_err());
    assert!(writer.write_shard(0, &images, &labels, Some(&boxes)).is_err());
    let newline = ImageEntry { name: "n00/a\nb".into(), ..entry(0) };
    assert!(writer.write_shard(0, &[newline, entry(1)], &labels, None).is_err());
    let mut short = ShardLabels::new(&manifest).unwrap();
    short.push_full(&teacher(0, 0)).unwrap();
    assert!(writer.write_shard(0, &images, &short, None).is_err());
    assert_eq!(writer.missing_shards(), [0, 1]);
    writer.write_shard(0, &images, &labels, None).unwrap();
    assert!(writer.write_shard(0, &images, &labels, None).is_err());
    assert_eq!(writer.missing_shards(), [1]);
    let error = Store::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("1 of 2 shards are missing"), "{error}");
    assert!(writer.finish().is_err());
}

#[test]
fn boxes_are_demanded_where_they_are_explicit() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = explicit(1);
    let mut writer = StoreWriter::open(folder.path(), manifest.clone()).unwrap();
    let mut labels = ShardLabels::new(&manifest).unwrap();
    (0..REGIONS).for_each(|r| labels.push_full(&teacher(0, r)).unwrap());
    assert!(writer.write_shard(0, &[entry(0)], &labels, None).is_err());
    assert!(writer.write_shard(0, &[entry(0)], &labels, Some(&[explicit_box(0, 0)])).is_err());
    writer.write_shard(0, &[entry(0)], &labels, Some(&[explicit_box(0, 0); 4])).unwrap();
    writer.finish().unwrap();
}

#[test]
fn other_images_than_the_lists_are_found_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest(3, Codec::MarginalSmoothing, 5);
    manifest.image_list_sha256 = crate::digest::sha256(b"another list");
    let error = write(folder.path(), &manifest).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    assert!(!verify(folder.path(), 1).unwrap().is_sound());
}

#[test]
fn lost_files_are_missing_shards_again() {
    let manifest = explicit(5);
    let folder = stored(&manifest);
    let whole = contents(folder.path());
    fs::remove_file(folder.path().join("labels-00001.npy")).unwrap();
    let names = folder.path().join("names-00002.txt");
    fs::write(&names, &whole["names-00002.txt"][1..]).unwrap();
    let writer = StoreWriter::open(folder.path(), manifest.clone()).unwrap();
    assert_eq!(writer.missing_shards(), [1, 2]);
    drop(writer);
    // Their records are gone before anything else is written: they may be of other bytes.
    let listed = Checksums::parse(&fs::read(folder.path().join(CHECKSUMS)).unwrap(), CHECKSUMS).unwrap();
    assert_eq!(listed.names().filter(|name| name.contains("0001") || name.contains("0002")).count(), 0);
    write(folder.path(), &manifest).unwrap();
    assert_eq!(contents(folder.path()), whole);
}

#[test]
fn sha256sum_accepts_the_checksums() {
    let folder = stored(&explicit(5));
    let done = std::process::Command::new("sha256sum")
        .args(["--check", "--strict", "--quiet", CHECKSUMS])
        .current_dir(folder.path())
        .output();
    match done {
        Ok(done) => assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr)),
        Err(_) => ferkd_skip::not_installed("there is no sha256sum here"),
    }
    let listed = Checksums::parse(&fs::read(folder.path().join(CHECKSUMS)).unwrap(), CHECKSUMS).unwrap();
    let mut files: Vec<String> = contents(folder.path()).into_keys().collect();
    files.retain(|name| name != CHECKSUMS);
    assert_eq!(listed.names().collect::<Vec<_>>(), files);
}
