//! Settings that are a number or one word, such as `mid = 0.3` or `mid = "auto"`.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// Writes a number, or the word that stands for none.
pub(crate) fn write<S: Serializer>(number: Option<f32>, word: &str, to: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => to.serialize_f32(number),
        None => to.serialize_str(word),
    }
}

/// Reads a number; none where the word stands.
pub(crate) fn read<'de, D: Deserializer<'de>>(word: &'static str, from: D) -> Result<Option<f32>, D::Error> {
    from.deserialize_any(NamedNumber(word))
}

/// Reads a number or the word from a flag's text.
///
/// # Errors
/// Text that is neither, in words.
pub(crate) fn parse(word: &str, text: &str) -> Result<Option<f32>, String> {
    match text.trim() {
        text if text == word => Ok(None),
        text => text.parse().map(Some).map_err(|_| format!("invalid value, expected a number or \"{word}\"")),
    }
}

struct NamedNumber(&'static str);

impl Visitor<'_> for NamedNumber {
    type Value = Option<f32>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number or \"{}\"", self.0)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Some(number as f32))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(number as f32))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(number as f32))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if text == self.0 { Ok(None) } else { Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)) }
    }
}
