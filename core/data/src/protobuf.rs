//! Protocol Buffers, as far as they are written and read here: messages of numbers, text and other messages.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>.

/// A message that is being written. Fields are written in the order of the calls.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Message(Vec<u8>);

/// How a field's bytes are read.
#[derive(Clone, Copy)]
enum Wire {
    Varint = 0,
    Bits64 = 1,
    Bytes = 2,
    Bits32 = 5,
}

impl Message {
    /// A message without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// An integer, enumeration or bool.
    #[must_use]
    pub fn int(mut self, field: u32, value: i64) -> Self {
        self.key(field, Wire::Varint);
        // Negative ones take ten bytes, as two's complement.
        self.varint(value.cast_unsigned());
        self
    }

    /// A float of 32 bits.
    #[must_use]
    pub fn float(mut self, field: u32, value: f32) -> Self {
        self.key(field, Wire::Bits32);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// A float of 64 bits.
    #[must_use]
    pub fn double(mut self, field: u32, value: f64) -> Self {
        self.key(field, Wire::Bits64);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Text, or bytes.
    #[must_use]
    pub fn bytes(mut self, field: u32, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.key(field, Wire::Bytes);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    /// A message within this one.
    #[must_use]
    pub fn message(self, field: u32, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }

    /// Several messages of one field.
    #[must_use]
    pub fn messages<'a>(self, field: u32, values: impl IntoIterator<Item = &'a Self>) -> Self {
        values.into_iter().fold(self, |message, value| message.message(field, value))
    }

    /// Several integers, packed.
    #[must_use]
    pub fn ints(self, field: u32, values: &[i64]) -> Self {
        let mut packed = Self::new();
        values.iter().for_each(|value| packed.varint(value.cast_unsigned()));
        self.message(field, &packed)
    }

    /// What has been written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn key(&mut self, field: u32, wire: Wire) {
        self.varint(u64::from(field) << 3 | wire as u64);
    }

    /// Seven bits a byte, the lowest first; the eighth says that more follow.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// An integer, enumeration or bool, as its 64 bits.
    Int(u64),
    /// Eight bytes: a float of 64 bits, mostly.
    Bits64([u8; 8]),
    /// Text, bytes or a message.
    Bytes(&'a [u8]),
    /// Four bytes: a float of 32 bits, mostly.
    Bits32([u8; 4]),
}

/// The fields of a message, in its order: number and value.
///
/// # Errors
/// The problem: bytes that are not a message.
pub fn fields(mut bytes: &[u8]) -> Result<Vec<(u32, Value<'_>)>, String> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (field, rest) = field(bytes).ok_or_else(|| format!("field {} is not one", found.len()))?;
        found.push(field);
        bytes = rest;
    }
    Ok(found)
}

/// The first field of a message, and what is behind it.
fn field(bytes: &[u8]) -> Option<((u32, Value<'_>), &[u8])> {
    let (key, rest) = read_varint(bytes)?;
    let (value, rest) = match key & 7 {
        0 => read_varint(rest).map(|(value, rest)| (Value::Int(value), rest))?,
        1 => rest.split_first_chunk().map(|(value, rest)| (Value::Bits64(*value), rest))?,
        2 => {
            let (length, rest) = read_varint(rest)?;
            let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            (Value::Bytes(value), rest)
        }
        5 => rest.split_first_chunk().map(|(value, rest)| (Value::Bits32(*value), rest))?,
        _ => return None,
    };
    Some(((u32::try_from(key >> 3).ok()?, value), rest))
}

fn read_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (i, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[i + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    /// The examples of the specification.
    #[test]
    fn fields_are_encoded_as_in_the_specification() {
        assert_eq!(Message::new().int(1, 150).into_bytes(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::new().bytes(2, "testing").into_bytes(), b"\x12\x07testing");
        let inner = Message::new().int(1, 150);
        assert_eq!(Message::new().message(3, &inner).into_bytes(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(
            Message::new().ints(6, &[3, 270, 86942]).into_bytes(),
            [0x32, 0x06, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05]
        );
    }

    #[test]
    fn what_is_written_is_read_again() {
        let inner = Message::new().int(1, -1).float(2, 0.5);
        let bytes = Message::new().bytes(7, "name").message(300, &inner).double(3, -1.0).into_bytes();
        let found = fields(&bytes).unwrap();
        assert_eq!(found[0], (7, Value::Bytes(b"name")));
        assert_eq!(found[2], (3, Value::Bits64((-1f64).to_le_bytes())));
        let (300, Value::Bytes(within)) = found[1] else { panic!("{found:?}") };
        let within = fields(within).unwrap();
        assert_eq!(within, [(1, Value::Int(u64::MAX)), (2, Value::Bits32(0.5f32.to_le_bytes()))]);
        for cut in [1, 3, 7, bytes.len() - 1] {
            assert!(fields(&bytes[..cut]).is_err(), "{cut}");
        }
        assert!(fields(&[0xff; 12]).is_err() && fields(&[0x0b]).is_err());
    }

    #[test]
    fn negative_numbers_and_floats_keep_all_their_bits() {
        let bytes = Message::new().int(1, -2).into_bytes();
        assert_eq!(bytes, [0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
        assert_eq!(Message::new().float(2, 1.0).into_bytes(), [0x15, 0, 0, 0x80, 0x3f]);
        assert_eq!(Message::new().double(1, 1.0).into_bytes(), [0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
        assert_eq!(Message::new().int(16, 0).into_bytes(), [0x80, 0x01, 0]);
    }
}
