//! What goes over a connection: frames with a header of 24 bytes, numbers little-endian.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | `FKD+` |
//! | 4..6 | version of the protocol |
//! | 6..8 | kind of the frame |
//! | 8..16 | tag: step and round of a sum, else 0 |
//! | 16..24 | bytes that follow |

use std::io::{self, Read, Write};

use ferkd_method::error::{Error, ErrorKind, Result};

/// What every frame begins with.
const MAGIC: [u8; 4] = *b"FKD+";
/// Version of the protocol: of frames, greetings and sums.
pub(super) const VERSION: u16 = 1;
/// Most bytes of a greeting or a reason.
pub(super) const SMALL: u64 = 1 << 18;

/// Most bytes that room is made for before they arrive.
const ROOM: u64 = 1 << 26;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum FrameKind {
    /// A node greets the first one.
    JoinRequest = 1,
    /// All have come, and whom each sends to.
    Welcome = 2,
    /// A greeting is refused; or someone leaves: why, as text.
    Leave = 3,
    /// A node greets the one that it sends to.
    Ring = 4,
    /// Weights, optimizer and average.
    State = 5,
    /// A piece of a sum.
    Sum = 6,
    /// Nothing: the sender is alive.
    Beat = 7,
}

impl FrameKind {
    const ALL: [Self; 7] =
        [Self::JoinRequest, Self::Welcome, Self::Leave, Self::Ring, Self::State, Self::Sum, Self::Beat];
}

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub kind: FrameKind,
    pub tag: u64,
    /// Bytes that follow.
    pub len: u64,
}

/// Writes a frame.
pub(super) fn write(to: &mut impl Write, kind: FrameKind, tag: u64, body: &[u8]) -> io::Result<()> {
    let mut header = [0; 24];
    header[..4].copy_from_slice(&MAGIC);
    header[4..6].copy_from_slice(&VERSION.to_le_bytes());
    header[6..8].copy_from_slice(&(kind as u16).to_le_bytes());
    header[8..16].copy_from_slice(&tag.to_le_bytes());
    header[16..].copy_from_slice(&(body.len() as u64).to_le_bytes());
    to.write_all(&header)?;
    to.write_all(body)?;
    to.flush()
}

/// Reads a frame's header; `peer` is what errors call the other end.
///
/// # Errors
/// A connection that ended or fell silent, bytes that are not a frame, another version of the protocol.
pub(super) fn read_header(from: &mut impl Read, peer: &str) -> Result<Header> {
    let mut bytes = [0; 24];
    from.read_exact(&mut bytes).map_err(|error| lost(peer, &error))?;
    let number = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let long = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
    if bytes[..4] != MAGIC {
        return Err(Error::new(
            ErrorKind::Damaged,
            peer,
            "it sent an invalid frame: expected one of ferkd's",
        )
        .remedy("check that --meet names the address of node 1, and that nothing else listens there"));
    }
    if number(4) != VERSION {
        let problem = format!("it uses version {} of the protocol, and this is {VERSION}", number(4));
        return Err(Error::mismatch(peer, problem).remedy("start the same version of ferkd on every node"));
    }
    match FrameKind::ALL.into_iter().find(|kind| *kind as u16 == number(6)) {
        Some(kind) => Ok(Header { kind, tag: long(8), len: long(16) }),
        None => Err(Error::new(ErrorKind::Damaged, peer, format!("it sent a frame of kind {}", number(6)))
            .remedy("start the same version of ferkd on every node")),
    }
}

/// Reads the body of a frame of at most `most` bytes. A length alone costs little: room is made as bytes arrive.
///
/// # Errors
/// A longer body, or a connection that ends within it.
pub(super) fn read_body(from: &mut impl Read, header: Header, most: u64, peer: &str) -> Result<Vec<u8>> {
    let Header { kind, len, .. } = header;
    if len > most {
        let problem = format!("it sent {len} bytes as {kind:?}, where {most} are possible");
        return Err(
            Error::new(ErrorKind::Damaged, peer, problem).remedy("start all nodes again with --resume")
        );
    }
    let mut body = Vec::with_capacity(len.min(ROOM) as usize);
    from.take(len).read_to_end(&mut body).map_err(|error| lost(peer, &error))?;
    if body.len() as u64 != len {
        return Err(lost(peer, &io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(body)
}

/// A connection that is of no use any more.
pub(super) fn lost(peer: &str, error: &io::Error) -> Error {
    let problem = match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "it has left: the connection ended".to_owned()
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "nothing was heard of it any more".to_owned(),
        _ => format!("the connection failed: {error}"),
    };
    Error::new(ErrorKind::Io, peer, problem)
        .remedy("see what it says itself; start all nodes again with --resume")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        let mut bytes = Vec::new();
        write(&mut bytes, FrameKind::Sum, 7 << 32 | 3, b"gradients").unwrap();
        let mut from = &bytes[..];
        let header = read_header(&mut from, "node 2/2").unwrap();
        assert_eq!(header, Header { kind: FrameKind::Sum, tag: 7 << 32 | 3, len: 9 });
        assert_eq!(read_body(&mut from, header, 9, "node 2/2").unwrap(), b"gradients");
        assert!(from.is_empty());
    }

    #[test]
    fn what_is_cut_short_or_foreign_names_the_peer() {
        let mut whole = Vec::new();
        write(&mut whole, FrameKind::Sum, 0, b"gradients").unwrap();
        let read = |bytes: &[u8], most| {
            let mut from = bytes;
            let header = read_header(&mut from, "node 2/2")?;
            read_body(&mut from, header, most, "node 2/2")
        };
        for end in 0..whole.len() {
            let error = read(&whole[..end], 9).unwrap_err().to_string();
            assert!(error.starts_with("node 2/2: it has left") && error.contains("--resume"), "{error}");
        }
        let corrupted = |at: usize, byte: u8| {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            read(&bytes, 9).unwrap_err().to_string()
        };
        assert!(corrupted(0, b'G').contains("invalid frame"));
        assert!(corrupted(4, 9).contains("version 9"));
        assert!(corrupted(6, 99).contains("kind 99"));
        assert!(corrupted(22, 1).contains("are possible"));
        assert!(read(&whole, 8).unwrap_err().to_string().contains("9 bytes as Sum, where 8"));
    }
}
