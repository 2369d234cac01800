//! Valid files, corrupted: what a disk, a network or an attacker makes of them.

use ferkd_method::rng::Stream;

/// Numbers that lengths and counts are fond of breaking at.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFF_FFFF,
    0xFFFF_FFFF,
    0x7FFF_FFFF_FFFF_FFFF,
    u64::MAX - 8,
    u64::MAX,
];

/// Corrupts `bytes` in one to six ways; `other` is another valid file, to take pieces from.
pub fn corrupt(bytes: &mut Vec<u8>, other: &[u8], draw: &mut Stream) {
    for _ in 0..1 + draw.below(6) {
        match draw.below(12) {
            0 => truncate(bytes, draw),
            1..4 => flip(bytes, draw),
            4 => set(bytes, draw),
            5 => edge(bytes, draw),
            6 => repeat(bytes, draw),
            7 => remove(bytes, draw),
            8 => splice(bytes, other, draw),
            9 => swap(bytes, draw),
            10 => digit(bytes, draw),
            _ => shift(bytes, draw),
        }
    }
}

/// A place in the file: half of the time near its front, where headers are.
fn place(len: usize, draw: &mut Stream) -> usize {
    let len = len.max(1) as u32;
    let within = if draw.below(2) == 0 { len.min(96) } else { len };
    draw.below(within) as usize
}

fn piece(len: usize, draw: &mut Stream) -> std::ops::Range<usize> {
    let start = place(len, draw).min(len);
    start..(start + 1 + draw.below(64) as usize).min(len)
}

fn truncate(bytes: &mut Vec<u8>, draw: &mut Stream) {
    bytes.truncate(draw.below(bytes.len() as u32 + 1) as usize);
}

fn flip(bytes: &mut [u8], draw: &mut Stream) {
    let at = place(bytes.len(), draw);
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << draw.below(8);
    }
}

fn set(bytes: &mut [u8], draw: &mut Stream) {
    let at = place(bytes.len(), draw);
    if let Some(byte) = bytes.get_mut(at) {
        *byte = draw.below(256) as u8;
    }
}

/// An edge in 1, 2, 4 or 8 bytes, either end first.
fn edge(bytes: &mut [u8], draw: &mut Stream) {
    let at = place(bytes.len(), draw);
    let value = EDGES[draw.below(EDGES.len() as u32) as usize];
    let width = 1 << draw.below(4);
    let mut encoded = value.to_le_bytes()[..width].to_vec();
    if draw.below(2) == 0 {
        encoded.reverse();
    }
    if let Some(place) = bytes.get_mut(at..at + width) {
        place.copy_from_slice(&encoded);
    }
}

fn repeat(bytes: &mut Vec<u8>, draw: &mut Stream) {
    let taken = bytes[piece(bytes.len(), draw)].to_vec();
    let at = place(bytes.len(), draw).min(bytes.len());
    bytes.splice(at..at, taken);
}

fn remove(bytes: &mut Vec<u8>, draw: &mut Stream) {
    bytes.drain(piece(bytes.len(), draw));
}

fn splice(bytes: &mut Vec<u8>, other: &[u8], draw: &mut Stream) {
    let taken = other[piece(other.len(), draw)].to_vec();
    let at = piece(bytes.len(), draw);
    bytes.splice(at, taken);
}

fn swap(bytes: &mut [u8], draw: &mut Stream) {
    let (a, b) = (place(bytes.len(), draw), place(bytes.len(), draw));
    if a < bytes.len() && b < bytes.len() {
        bytes.swap(a, b);
    }
}

/// Makes a written number another one, or none.
fn digit(bytes: &mut Vec<u8>, draw: &mut Stream) {
    let start = place(bytes.len(), draw);
    let Some(at) = bytes.iter().skip(start).position(u8::is_ascii_digit) else { return };
    let written: &[&[u8]] = &[b"9", b"-", b".", b"e", b"99999999999", b"nan", b"1e999", b"\"", b"null"];
    let new = written[draw.below(written.len() as u32) as usize];
    bytes.splice(start + at..start + at + 1, new.iter().copied());
}

/// Adds a little to a byte: counts that are off by one.
fn shift(bytes: &mut [u8], draw: &mut Stream) {
    let at = place(bytes.len(), draw);
    if let Some(byte) = bytes.get_mut(at) {
        *byte = byte.wrapping_add(draw.below(7) as u8).wrapping_sub(3);
    }
}
