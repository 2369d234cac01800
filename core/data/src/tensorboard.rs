//! TensorBoard's event files: numbers of a training by step, in records with checksums.
//!
//! Source: `tensorflow/core/lib/io/record_writer.cc`, `tensorflow/core/util/event.proto`.

use crate::protobuf::Message;

/// What the name of an event file begins with; TensorBoard looks for it.
pub const PREFIX: &str = "events.out.tfevents.";

/// The record that a file begins with. `time_s` is since 1970.
pub fn version(time_s: f64) -> Vec<u8> {
    record(&Message::new().double(1, time_s).bytes(3, "brain.Event:2"))
}

/// A record that makes TensorBoard forget what earlier files of the folder say of steps from `step` on: training goes on
/// after a checkpoint that was written before them.
pub fn restart(time_s: f64, step: u64) -> Vec<u8> {
    const START: i64 = 1;
    record(&Message::new().double(1, time_s).int(2, step as i64).message(7, &Message::new().int(1, START)))
}

/// The record of numbers after `step` steps, by their tags.
pub fn scalars(time_s: f64, step: u64, values: &[(&str, f64)]) -> Vec<u8> {
    let value = |&(tag, value): &(&str, f64)| Message::new().bytes(1, tag).float(2, value as f32);
    let values: Vec<Message> = values.iter().map(value).collect();
    let summary = Message::new().messages(1, &values);
    record(&Message::new().double(1, time_s).int(2, step as i64).message(5, &summary))
}

/// Length and content, each with a checksum behind it.
fn record(event: &Message) -> Vec<u8> {
    let content = event.clone().into_bytes();
    let length = (content.len() as u64).to_le_bytes();
    let mut bytes = length.to_vec();
    bytes.extend(masked(crc32c(&length)).to_le_bytes());
    bytes.extend(&content);
    bytes.extend(masked(crc32c(&content)).to_le_bytes());
    bytes
}

/// The content of each record of a file.
///
/// # Errors
/// The problem: a record that is cut short, or has another checksum.
pub fn records(mut bytes: &[u8]) -> Result<Vec<&[u8]>, String> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let at = |problem: &str| format!("record {}: {problem}", found.len());
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(|| at("it is cut short"))?;
        let (sum, rest) = rest.split_first_chunk::<4>().ok_or_else(|| at("it is cut short"))?;
        if u32::from_le_bytes(*sum) != masked(crc32c(length)) {
            return Err(at("its length has another checksum"));
        }
        let size = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| at("it is too long"))?;
        let (content, rest) = rest.split_at_checked(size).ok_or_else(|| at("it is cut short"))?;
        let (sum, rest) = rest.split_first_chunk::<4>().ok_or_else(|| at("it is cut short"))?;
        if u32::from_le_bytes(*sum) != masked(crc32c(content)) {
            return Err(at("it has another checksum"));
        }
        found.push(content);
        bytes = rest;
    }
    Ok(found)
}

/// CRC-32C (Castagnoli), bit by bit: records are some dozens of bytes.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
    let add = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc));
    !bytes.iter().fold(!0, add)
}

/// A checksum of what may hold checksums itself.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    /// RFC 3720, section B.4.
    #[test]
    fn checksums_are_castagnolis() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
    }

    /// As TensorFlow's own writer begins a file at second 0.
    #[test]
    fn a_file_begins_with_its_version() {
        let bytes = version(0.0);
        assert_eq!(&bytes[..8], 24u64.to_le_bytes());
        assert_eq!(&bytes[12..36], b"\x09\0\0\0\0\0\0\0\0\x1a\x0dbrain.Event:2");
    }

    #[test]
    fn damage_is_found_and_the_record_named() {
        let file = [version(1.0), restart(1.0, 0), scalars(2.0, 7, &[("train/loss", 0.5)])].concat();
        assert_eq!(records(&file).unwrap().len(), 3);
        let content = records(&file).unwrap()[2];
        assert!(content.ends_with(b"\x0a\x0atrain/loss\x15\0\0\0\x3f"), "{}", content.escape_ascii());
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            assert!(records(&damaged).is_err(), "byte {at}");
        }
        assert!(records(&file[..file.len() - 1]).unwrap_err().contains("record 2"));
    }
}
