//! The literals of protocol 0, which are text.

use std::borrow::Cow;

use super::cursor::Problem;
use super::values::Node;

/// UTF-8, as names and text have it.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(bytes).map_err(|_| "text that is not UTF-8".to_owned())
}

/// An integer in decimal digits, with or without Python 2's `L`; `00` and `01` are booleans.
pub(super) fn integer<'a>(line: &[u8]) -> Result<Node<'a>, Problem> {
    match line {
        b"00" => return Ok(Node::Bool(false)),
        b"01" => return Ok(Node::Bool(true)),
        _ => {}
    }
    let digits = utf8(line)?;
    let digits = digits.strip_suffix('L').unwrap_or(digits);
    digits
        .parse()
        .map(Node::Int)
        .map_err(|_| format!("invalid integer `{}`: expected one of 64 bits", shown(digits)))
}

/// A float in decimal digits.
pub(super) fn float<'a>(line: &[u8]) -> Result<Node<'a>, Problem> {
    let digits = utf8(line)?;
    digits
        .parse()
        .map(Node::Float)
        .map_err(|_| format!("invalid float `{}`: expected a number", shown(digits)))
}

/// A string as Python 2's `repr` writes it.
pub(super) fn quoted(line: &[u8]) -> Result<Vec<u8>, Problem> {
    let ([b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"']) = line else {
        return Err("a string without its quotes".into());
    };
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'r') => b'\r',
            Some(b'x') => {
                let digit = |digit: Option<u8>| digit.and_then(|d| char::from(d).to_digit(16));
                match (digit(rest.next()), digit(rest.next())) {
                    (Some(high), Some(low)) => (16 * high + low) as u8,
                    _ => return Err("a string with a broken escape".into()),
                }
            }
            Some(same @ (b'\\' | b'\'' | b'"')) => same,
            _ => return Err("a string with a broken escape".into()),
        });
    }
    Ok(bytes)
}

/// Text as Python's `raw-unicode-escape` writes it: Latin-1 with `\uXXXX` and `\UXXXXXXXX`.
pub(super) fn raw_unicode(line: &[u8]) -> Result<Cow<'_, str>, Problem> {
    if line.is_ascii() && !line.contains(&b'\\') {
        return utf8(line).map(Cow::Borrowed);
    }
    let mut text = String::with_capacity(line.len());
    let mut at = 0;
    while let Some(&byte) = line.get(at) {
        let digits = match (byte, line.get(at + 1)) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => {
                text.push(char::from(byte));
                at += 1;
                continue;
            }
        };
        let code = line.get(at + 2..at + 2 + digits).and_then(|code| std::str::from_utf8(code).ok());
        let code = code.and_then(|code| u32::from_str_radix(code, 16).ok());
        text.push(code.and_then(char::from_u32).ok_or("text with a broken escape")?);
        at += 2 + digits;
    }
    Ok(Cow::Owned(text))
}

/// What a file says, cut short and without control characters.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_debug).collect()
}
