//! Archives as they should be, and as they should not.

use super::*;
use proptest::prelude::*;
use std::io::Cursor;

/// A ustar entry, padded.
pub(crate) fn entry(name: &str, kind: u8, contents: &[u8]) -> Vec<u8> {
    let mut bytes = header(name.as_bytes(), kind, contents.len() as u64);
    bytes.extend(contents);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn header(name: &[u8], kind: u8, size: u64) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name);
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    with_checksum(block)
}

fn with_checksum(mut block: Vec<u8>) -> Vec<u8> {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// Entries and the mark of the end.
pub(crate) fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    [entries.concat(), vec![0; 1024]].concat()
}

fn list(bytes: &[u8]) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    entries(&mut Cursor::new(bytes), bytes.len() as u64, "a.tar", &mut |entry| {
        found.push(entry);
        Ok(())
    })?;
    Ok(found)
}

fn problem(bytes: &[u8]) -> String {
    let text = list(bytes).unwrap_err().to_string();
    assert!(text.starts_with("a.tar: ") && text.ends_with(')'), "{text}");
    text
}

#[test]
fn contents_are_where_the_index_says() {
    let bytes = archive(&[
        entry("./train/", b'5', b""),
        entry("./train/a.png", b'0', b"one"),
        entry("train//b.png", 0, &[7; 600]),
    ]);
    let found = list(&bytes).unwrap();
    let names: Vec<&str> = found.iter().map(|e| &*e.name).collect();
    assert_eq!(names, ["train", "train/a.png", "train/b.png"]);
    assert_eq!(found[0].kind, TarEntryKind::Folder);
    let contents = |e: &Entry| bytes[e.offset as usize..(e.offset + e.len) as usize].to_vec();
    assert_eq!((contents(&found[1]), contents(&found[2])), (b"one".to_vec(), vec![7; 600]));
}

#[test]
fn long_names_of_either_kind_are_read() {
    let long = format!("{}/x.png", "d".repeat(200));
    let record = format!("path={long}\n");
    let pax = format!("{} {record}", record.len() + 4);
    for before in
        [entry("././@LongLink", b'L', format!("{long}\0").as_bytes()), entry("p", b'x', pax.as_bytes())]
    {
        let bytes = archive(&[before, entry("short", b'0', b"1"), entry("next", b'0', b"2")]);
        let names: Vec<String> = list(&bytes).unwrap().into_iter().map(|e| e.name).collect();
        assert_eq!(names, [long.clone(), "next".into()]);
    }
    let mut split = header(b"x.png", b'0', 0);
    split[345..348].copy_from_slice(b"a/b");
    assert_eq!(list(&archive(&[with_checksum(split)])).unwrap()[0].name, "a/b/x.png");
}

#[test]
fn a_cut_anywhere_is_found() {
    let bytes = archive(&[entry("a", b'0', &[1; 700]), entry("b", b'0', b"2")]);
    for end in 0..bytes.len() - 1024 + 511 {
        let text = problem(&bytes[..end]);
        assert!(
            text.contains("truncated") || text.contains("empty") || text.contains("expected tar"),
            "{end}: {text}"
        );
    }
    // One block of zeros is enough of a mark.
    assert_eq!(list(&bytes[..bytes.len() - 512]).unwrap().len(), 2);
}

#[test]
fn hostile_lengths_and_names_are_refused() {
    for (bytes, said) in [
        (archive(&[header(b"big", b'0', 1 << 30)]), "big"),
        (archive(&[header(b"l", b'L', 1 << 30)]), "1073741824"),
        (archive(&[entry("l", b'L', &[b'x'; 5000])]), "a long name"),
        (archive(&[entry("p", b'x', b"99999 path=x\n")]), "broken record"),
        (archive(&[entry("p", b'x', b"18446744073709551616 path=x\n")]), "broken record"),
        (archive(&[entry("p", b'x', b"30 size=18446744073709551615\n"), entry("a", b'0', b"")]), "a"),
        (archive(&[entry("p", b'g', b"10 path=x\n")]), "global"),
        (archive(&[entry("/etc/a.png", b'0', b"")]), "absolute"),
        (archive(&[entry("a/../../b.png", b'0', b"")]), "`..`"),
        (archive(&[entry("a\nb", b'0', b"")]), "line break"),
        (archive(&[entry("rest", b'M', b"")]), "volume"),
    ] {
        let text = problem(&bytes);
        assert!(text.contains(said), "{said}: {text}");
    }
    let mut huge = header(b"huge", b'0', 0);
    huge[124..136].copy_from_slice(&[0xFF; 12]);
    assert!(problem(&archive(&[with_checksum(huge)])).contains("length"));
    let two = [archive(&[entry("a", b'0', b"")]), archive(&[entry("b", b'0', b"")])].concat();
    assert!(problem(&two).contains("follows its end"));
}

#[test]
fn a_name_that_is_not_utf8_is_an_entry_without_one() {
    let found = list(&archive(&[header(b"a/\xFF.png", b'0', 0), entry("a/b.png", b'0', b"1")])).unwrap();
    assert_eq!((found.len(), found[0].kind), (2, TarEntryKind::BadName));
    assert_eq!((&*found[0].name, found[1].kind), ("a/\u{FFFD}.png", TarEntryKind::File));
}

#[test]
fn what_is_no_plain_tar_is_named() {
    let padded = |start: &[u8]| [start, &[1; 600]].concat();
    for (start, said) in [
        (&b"\x1F\x8B\x08"[..], "gzip"),
        (b"\x28\xB5\x2F\xFD", "zstd"),
        (b"PK\x03\x04", "zip"),
        (b"GIF89a", "invalid archive: expected tar"),
    ] {
        assert!(problem(&padded(start)).contains(said), "{said}");
    }
    let mut flipped = archive(&[entry("a", b'0', b"1"), entry("b", b'0', b"2")]);
    flipped[1024 + 3] ^= 1;
    assert!(problem(&flipped).contains("at byte 1024"));
}

#[test]
fn links_holes_and_devices_are_told_apart() {
    let sparse = entry("p", b'x', b"22 GNU.sparse.major=1\n");
    let bytes = archive(&[
        entry("l", b'1', b""),
        entry("s", b'2', b""),
        entry("d", b'3', b""),
        entry("h", b'S', b""),
        sparse,
        entry("g", b'0', b""),
    ]);
    let kinds: Vec<TarEntryKind> = list(&bytes).unwrap().into_iter().map(|e| e.kind).collect();
    assert_eq!(kinds, [TarEntryKind::Link, TarEntryKind::Link, TarEntryKind::Sparse, TarEntryKind::Sparse]);
}

proptest! {
    #[test]
    fn any_change_gives_entries_or_an_error(at in 0usize..3000, to: u8, end in 0usize..4000) {
        let record = "14 path=long/x\n";
        let mut bytes = archive(&[entry("p", b'x', record.as_bytes()), entry("a", b'0', &[3; 700])]);
        let at = at % bytes.len();
        bytes[at] = to;
        bytes.truncate(end);
        if let Ok(found) = list(&bytes) {
            prop_assert!(found.iter().all(|e| e.offset + e.len <= bytes.len() as u64));
        }
    }

    #[test]
    fn any_bytes_give_an_error(bytes: Vec<u8>) {
        prop_assert!(list(&bytes).is_err() || bytes.iter().take(512).all(|&b| b == 0));
    }
}
