//! Whether an image is still the one that was labelled: by the size of its picture, and by its bytes.

use xxhash_rust::xxh3::xxh3_64;

use super::image_record::ImageRecord;
use crate::pixels::{OrientationRule, measure};

/// Width and height that a file will have when it is decoded by a rule; none for what is no image.
pub(super) fn size_of(bytes: &[u8], rule: OrientationRule, label: &str) -> Option<(u32, u32)> {
    let (width, height, orientation) = measure(bytes, label).ok()?;
    // Orientations 5 to 8 lie on their side.
    let turns = rule == OrientationRule::Apply && orientation >= 5;
    Some(if turns { (height, width) } else { (width, height) })
}

/// What to say of a file that is not the one that was labelled; none where its bytes are the same.
pub(super) fn changed(
    record: &ImageRecord,
    bytes: &[u8],
    rule: OrientationRule,
    label: &str,
) -> Option<String> {
    if xxh3_64(bytes) == record.checksum {
        return None;
    }
    let Some(size) = size_of(bytes, rule, label) else { return Some("it is not an image".into()) };
    let other = other_size((record.width, record.height), size);
    Some(other.unwrap_or_else(|| "other bytes than the image that was labelled".into()))
}

/// What to say of a picture that is not as large as the image that was labelled.
pub(super) fn other_size(labelled: (u32, u32), found: (u32, u32)) -> Option<String> {
    (labelled != found).then(|| {
        format!(
            "{} x {} pixels, but the image that was labelled had {} x {}: its regions and labels belong to another \
             picture",
            found.0, found.1, labelled.0, labelled.1
        )
    })
}
