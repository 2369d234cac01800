//! What lies beside images and is none: told by its name, and where the name says nothing, by its first bytes.

/// Endings of images. Those that cannot be decoded are among them: they are refused by name, not passed over.
const IMAGES: [&str; 32] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "apng", "webp", "bmp", "dib", "ppm", "pgm", "pbm", "pnm", "pam",
    "tif", "tiff", "gif", "avif", "heic", "heif", "jxl", "jp2", "j2k", "jpx", "tga", "ico", "qoi", "exr",
    "hdr", "dds", "psd", "svg",
];

/// Endings of files that are no images. WebDataset keeps class numbers in `cls`.
const OTHERS: [&str; 40] = [
    "txt",
    "json",
    "jsonl",
    "csv",
    "tsv",
    "md",
    "rst",
    "xml",
    "toml",
    "yaml",
    "yml",
    "html",
    "cls",
    "db",
    "ini",
    "idx",
    "index",
    "lst",
    "list",
    "md5",
    "sha1",
    "sha256",
    "sha512",
    "sfv",
    "crc",
    "log",
    "mat",
    "npy",
    "npz",
    "pkl",
    "pth",
    "safetensors",
    "rec",
    "py",
    "sh",
    "ipynb",
    "pdf",
    "zip",
    "part",
    "tmp",
];

/// Endings of texts that usually stand beside images, one an image: that they are there is not worth a word.
const SIDECARS: [&str; 4] = ["txt", "json", "xml", "cls"];

/// Folders that systems and programs put beside one's own: archives packed by macOS, file systems, network drives.
const FOLDERS: [&str; 9] = [
    "__MACOSX",
    "lost+found",
    "@eaDir",
    "#recycle",
    "@Recycle",
    "@Recently-Snapshot",
    "$RECYCLE.BIN",
    "System Volume Information",
    "__pycache__",
];

/// What a file's name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    /// An image, or what calls itself one.
    Image,
    /// A text that stands beside an image.
    Sidecar,
    /// No image.
    Other,
    /// Nothing: its first bytes decide.
    Unknown,
}

/// What the name of a file, without its folders, says of it. Hidden files are no images.
pub(super) fn kind(name: &str) -> FileKind {
    if name.starts_with('.') {
        return FileKind::Other;
    }
    let ending = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, ending)| ending);
    let Some(ending) = ending.map(str::to_ascii_lowercase) else { return FileKind::Unknown };
    match ending.as_str() {
        e if IMAGES.contains(&e) => FileKind::Image,
        e if SIDECARS.contains(&e) => FileKind::Sidecar,
        e if OTHERS.contains(&e) => FileKind::Other,
        _ => FileKind::Unknown,
    }
}

/// Whether a folder belongs to the system or to another program, or is hidden.
pub(super) fn is_foreign_folder(name: &str) -> bool {
    name.starts_with('.') || FOLDERS.contains(&name)
}

/// Bytes that [`looks_like_image`] wants to see.
pub(super) const FRONT: usize = 32;

/// Whether a file that begins with these bytes is an image of any known format.
pub(super) fn looks_like_image(front: &[u8]) -> bool {
    image::guess_format(front).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_images_from_what_lies_beside_them() {
        for (name, said) in [
            ("a.JPEG", FileKind::Image),
            ("a.b.png", FileKind::Image),
            ("photo.avif", FileKind::Image),
            ("Thumbs.db", FileKind::Other),
            ("desktop.ini", FileKind::Other),
            ("train.idx", FileKind::Other),
            ("1.cls", FileKind::Sidecar),
            ("._a.jpg", FileKind::Other),
            ("LICENSE", FileKind::Unknown),
            ("SHA256SUMS", FileKind::Unknown),
            ("img_001", FileKind::Unknown),
            ("a.photo", FileKind::Unknown),
        ] {
            assert_eq!(kind(name), said, "{name}");
        }
        assert!(looks_like_image(b"\xFF\xD8\xFF\xE0") && looks_like_image(b"\x89PNG\r\n\x1a\n"));
        assert!(!looks_like_image(b"MIT License") && !looks_like_image(b""));
    }
}
