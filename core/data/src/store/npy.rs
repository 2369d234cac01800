//! The header of a `.npy` file (version 1.0) with a structured, packed, little-endian type.
//!
//! Written and compared, never parsed: a reader knows from the manifest which header must stand there.

/// A field of a record: its name, numpy's type, and how many of them (`None`: one, without an axis).
pub(super) type Field = (&'static str, &'static str, Option<usize>);

/// The header of an array of `shape` whose elements have the `fields`: 64-byte aligned, as numpy wants it.
pub(super) fn header(fields: &[Field], shape: &[u64]) -> Vec<u8> {
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, kind, count)| match count {
            Some(count) => format!("('{name}', '{kind}', ({count},))"),
            None => format!("('{name}', '{kind}')"),
        })
        .collect();
    let shape: String = match shape {
        [one] => format!("({one},)"),
        more => format!("({})", more.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")),
    };
    let mut text =
        format!("{{'descr': [{}], 'fortran_order': False, 'shape': {shape}, }}", fields.join(", "));
    let length = (PREFIX + text.len() + 1).next_multiple_of(ALIGNMENT);
    text.push_str(&" ".repeat(length - PREFIX - text.len() - 1));
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    // A record has at most nine fields: the text is a few hundred characters long.
    bytes.extend(((length - PREFIX) as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

/// Magic, version and the text's length.
const PREFIX: usize = 10;
const ALIGNMENT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_what_numpy_writes() {
        let bytes = header(&[("class", "<u2", Some(5)), ("p1", "<u2", None)], &[3, 4]);
        assert_eq!(bytes.len() % 64, 0);
        assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
        let text =
            "{'descr': [('class', '<u2', (5,)), ('p1', '<u2')], 'fortran_order': False, 'shape': (3, 4), }";
        assert_eq!(std::str::from_utf8(&bytes[10..]).unwrap().trim_end(), text);
        assert!(bytes.ends_with(b" \n"));
        assert!(header(&[("p", "<f4", None)], &[7]).windows(4).any(|w| w == b"(7,)"));
    }
}
