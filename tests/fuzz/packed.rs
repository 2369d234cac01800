//! What a corrupted file is called, and a folder as one file, so that what corrupts files can corrupt folders.

/// What errors must call the file.
pub const NAME: &str = "corrupted";

/// A folder as one file: the length of each of its files, then their bytes.
pub fn pack(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content) in files {
        bytes.extend(format!("{name} {}\n", content.len()).bytes());
    }
    bytes.push(b'\n');
    files.iter().for_each(|(_, content)| bytes.extend(content));
    bytes
}

/// The files of a folder that [`pack`] made one of, however corrupted it is.
pub fn unpack(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
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
