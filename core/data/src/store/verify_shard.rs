//! Checks the files of one shard. Labels and boxes are streamed, so that a file may be larger than memory.

use std::path::Path;

use super::box_record::ExplicitBox;
use super::checksums::Checksums;
use super::files::{file_len, hash_file};
use super::image_record::{ImageRecord, MAX_NAME, check_name};
use super::layout::{FileId, Layout, Table};
use super::manifest_types::Manifest;
use ferkd_method::error::{Error, Result};

/// What was found in a shard.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) damages: Vec<(FileId, String)>,
    /// First and last name, where the names are sound.
    pub(super) ends: Option<(String, String)>,
}

/// What is wrong with a file whose bytes are not those that were recorded.
pub(super) const WRONG_CHECKSUM: &str = "it does not have its recorded checksum";

/// Most damaged records that are listed one by one for a file.
const MOST_RECORDS: usize = 8;

/// Checks all files of a shard.
pub(super) fn check_shard(
    folder: &Path,
    manifest: &Manifest,
    layout: &Layout,
    sums: &Checksums,
    shard: u32,
) -> Result<Checked> {
    let mut found = Checked::default();
    let (mut records, mut names) = (Vec::new(), None);
    for file in layout.files(shard) {
        let Some(mut stream) = open(folder, layout, file, &mut found)? else { continue };
        let mut kept = Vec::new();
        let mut images = Vec::new();
        let classes = manifest.label.classes;
        let mut record = |bytes: &[u8]| match file.table {
            Table::Images => ImageRecord::decode(bytes, classes).map(|record| images.push(record)),
            Table::Boxes => ExplicitBox::decode(bytes).map(drop),
            Table::Labels => layout.label().decode(bytes).map(drop),
            Table::Names => Ok(()),
        };
        let sha256 = hash_file(&folder.join(file.to_string()), |block| {
            if file.table == Table::Names {
                kept.extend_from_slice(block);
            } else {
                stream.feed(block, &mut record);
            }
        })?;
        found.files += 1;
        match sums.get(&file.to_string()) {
            Some(recorded) if *recorded == *sha256 => {
                found.damages.extend(stream.problems().into_iter().map(|problem| (file, problem)));
                match file.table {
                    Table::Images => records = images,
                    Table::Names => names = Some(kept),
                    _ => {}
                }
            }
            // What its records hold is beside the point: none of it can be trusted.
            Some(_) => found.damages.push((file, WRONG_CHECKSUM.into())),
            None => found.damages.push((file, "its checksum is not recorded".into())),
        }
    }
    if let Some(names) = names
        && records.len() == layout.images_in(shard) as usize
    {
        match check_names(&records, &names) {
            Ok(ends) => found.ends = Some(ends),
            Err(error) => found.damages.push((FileId { table: Table::Names, shard }, error.to_string())),
        }
    }
    Ok(found)
}

/// A file that is there and as long as it should be; `None` after reporting why not.
fn open<'a>(
    folder: &Path,
    layout: &'a Layout,
    file: FileId,
    found: &mut Checked,
) -> Result<Option<Stream<'a>>> {
    let Some(len) = file_len(&folder.join(file.to_string()))? else {
        found.damages.push((file, "missing".into()));
        return Ok(None);
    };
    let most = u64::from(layout.images_in(file.shard)) * (MAX_NAME as u64 + 1);
    let problem = match layout.file_len(file) {
        Some(expected) if len != expected => {
            format!("{len} bytes long, but the manifest makes it {expected}")
        }
        None if len > most => format!("{len} bytes long, more than its names can have"),
        _ => {
            found.bytes += len;
            return Ok(Some(Stream::new(layout, file)));
        }
    };
    found.damages.push((file, problem));
    Ok(None)
}

/// Cuts a file that arrives in blocks into its header and its records.
struct Stream<'a> {
    header: &'a [u8],
    record_len: usize,
    per_image: u64,
    first_image: u64,
    rest: Vec<u8>,
    in_header: bool,
    number: u64,
    bad_header: bool,
    bad_records: u64,
    listed: Vec<String>,
}

impl<'a> Stream<'a> {
    fn new(layout: &'a Layout, file: FileId) -> Self {
        Self {
            header: layout.header(file),
            record_len: layout.record_len(file.table),
            per_image: u64::from(layout.records_per_image(file.table)).max(1),
            first_image: layout.image(file.shard, 0),
            rest: Vec::new(),
            in_header: true,
            number: 0,
            bad_header: false,
            bad_records: 0,
            listed: Vec::new(),
        }
    }

    fn feed(&mut self, block: &[u8], check: &mut impl FnMut(&[u8]) -> Result<()>) {
        let mut bytes = std::mem::take(&mut self.rest);
        bytes.extend_from_slice(block);
        let mut at = 0;
        if self.in_header {
            if bytes.len() < self.header.len() {
                self.rest = bytes;
                return;
            }
            at = self.header.len();
            self.bad_header = bytes[..at] != *self.header;
            self.in_header = false;
        }
        while let Some(record) = bytes.get(at..at + self.record_len) {
            if let Err(error) = check(record) {
                self.report(&error);
            }
            self.number += 1;
            at += self.record_len;
        }
        bytes.drain(..at);
        self.rest = bytes;
    }

    fn report(&mut self, error: &Error) {
        self.bad_records += 1;
        if self.listed.len() < MOST_RECORDS {
            let (image, region) =
                (self.first_image + self.number / self.per_image, self.number % self.per_image);
            self.listed.push(format!("region {region} of image {image}: {error}"));
        }
    }

    fn problems(self) -> Vec<String> {
        let header = self.bad_header || self.in_header && !self.header.is_empty();
        let header = header.then(|| "its header is not the one that the manifest asks for".to_owned());
        let more = self.bad_records - self.listed.len() as u64;
        let more = (more > 0).then(|| format!("{more} more records like these"));
        header.into_iter().chain(self.listed).chain(more).collect()
    }
}

/// Checks that the names follow each other as the records say, and ascend; the first and the last of them.
fn check_names(records: &[ImageRecord], names: &[u8]) -> Result<(String, String)> {
    let bad = |problem: String| Error::mismatch("names", problem);
    let (mut at, mut first, mut last) = (0, None, None::<&str>);
    for (number, record) in records.iter().enumerate() {
        let end = at + record.name_len as usize;
        if record.name_offset != at as u64 || names.get(end) != Some(&b'\n') {
            return Err(bad(format!("line {number} is not where the image's record says")));
        }
        let name = std::str::from_utf8(&names[at..end]).map_err(|e| bad(format!("line {number}: {e}")))?;
        check_name(name)?;
        if last.is_some_and(|before| before >= name) {
            return Err(bad(format!("line {number}, {name:?}, does not come after the line before it")));
        }
        first.get_or_insert(name);
        last = Some(name);
        at = end + 1;
    }
    match (first, last) {
        (Some(first), Some(last)) if at == names.len() => Ok((first.to_owned(), last.to_owned())),
        _ => Err(bad("there are more bytes than names".into())),
    }
}
