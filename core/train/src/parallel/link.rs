//! The two connections of a node in the ring: one that it sends on, one that it hears from.
//!
//! Sending has a thread of its own, so that a node can send and hear at the same time, and so that it gives a sign of
//! life while it works on something else: evaluating takes a node longer than any silence that would be sensible.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::frame::{self, FrameKind, SMALL, lost};
use ferkd_method::error::{Error, ErrorKind, Result};

/// How often a node that sends nothing gives a sign of life, and how long a silence means that it is gone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heartbeat {
    pub interval: Duration,
    pub timeout: Duration,
}

impl Heartbeat {
    pub(super) const USUAL: Self =
        Self { interval: Duration::from_secs(5), timeout: Duration::from_secs(60) };
}

/// How long a node that leaves waits until what it said last is sent.
const PARTING: Duration = Duration::from_secs(5);

/// A frame to send.
struct Frame(FrameKind, u64, Vec<u8>);

/// The connection to the next node.
pub(super) struct Outgoing {
    peer: String,
    queue: Option<Sender<Frame>>,
    thread: Option<JoinHandle<io::Result<()>>>,
    /// Says by closing that everything is sent.
    sent: Receiver<()>,
    stream: TcpStream,
}

impl Outgoing {
    /// Sends on `stream`, to whom errors call `peer`.
    pub fn new(stream: TcpStream, peer: String, heartbeat: Heartbeat) -> Result<Self> {
        let mut writer = stream.try_clone().map_err(|error| lost(&peer, &error))?;
        let (queue, frames) = channel::<Frame>();
        let (done, sent) = channel();
        let thread = ferkd_data::threads::spawn(move || {
            let _done: Sender<()> = done;
            loop {
                match frames.recv_timeout(heartbeat.interval) {
                    Ok(Frame(kind, tag, body)) => frame::write(&mut writer, kind, tag, &body)?,
                    Err(RecvTimeoutError::Timeout) => frame::write(&mut writer, FrameKind::Beat, 0, &[])?,
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                }
            }
        })?;
        Ok(Self { peer, queue: Some(queue), thread: Some(thread), sent, stream })
    }

    /// Queues a frame to be sent. What waits there is never more than a step's: no step is done before all nodes have
    /// heard of it.
    ///
    /// # Errors
    /// A peer that is gone.
    pub fn send(&mut self, kind: FrameKind, tag: u64, body: Vec<u8>) -> Result<()> {
        let queued = self.queue.as_ref().map(|queue| queue.send(Frame(kind, tag, body)));
        if let Some(Ok(())) = queued {
            return Ok(());
        }
        self.queue = None;
        // The thread is over: it says why.
        let why = match self.thread.take().map(JoinHandle::join) {
            Some(Ok(Err(error))) => error,
            _ => io::ErrorKind::BrokenPipe.into(),
        };
        Err(lost(&self.peer, &why))
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.queue = None;
        // What is queued still goes out; a peer that takes nothing is not waited for for ever.
        let _ = self.sent.recv_timeout(PARTING);
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The connection from the previous node.
pub(super) struct Incoming {
    peer: String,
    stream: TcpStream,
    body: Vec<u8>,
}

impl Incoming {
    /// Hears from `stream`, whom errors call `peer`.
    pub fn new(stream: TcpStream, peer: String, heartbeat: Heartbeat) -> Result<Self> {
        stream.set_read_timeout(Some(heartbeat.timeout)).map_err(|error| lost(&peer, &error))?;
        Ok(Self { peer, stream, body: Vec::new() })
    }

    /// The next frame that is no sign of life: of this kind and tag, of `least` to `most` bytes.
    ///
    /// # Errors
    /// A peer that is gone, leaves with a reason, or sends another frame.
    pub fn receive(&mut self, kind: FrameKind, tag: u64, least: u64, most: u64) -> Result<&[u8]> {
        loop {
            let header = frame::read_header(&mut self.stream, &self.peer)?;
            match header.kind {
                FrameKind::Beat if header.len == 0 => {}
                FrameKind::Leave => {
                    let reason = frame::read_body(&mut self.stream, header, SMALL, &self.peer)?;
                    return Err(left(&String::from_utf8_lossy(&reason)));
                }
                _ if header.kind != kind || header.tag != tag || header.len < least || header.len > most => {
                    let problem = format!(
                        "it sent {:?} {:x} of {} bytes, where {kind:?} {tag:x} of {least} to {most} is due",
                        header.kind, header.tag, header.len
                    );
                    return Err(Error::new(ErrorKind::Damaged, &self.peer, problem)
                        .remedy("start all nodes again with --resume"));
                }
                _ => {
                    self.body = frame::read_body(&mut self.stream, header, most, &self.peer)?;
                    return Ok(&self.body);
                }
            }
        }
    }
}

/// What brings the end of training on one node is the end on all.
fn left(reason: &str) -> Error {
    Error::new(ErrorKind::Io, "another node", format!("it has left: {reason}"))
        .remedy("start all nodes again with --resume")
}

/// Numbers as bytes.
pub(super) fn bytes_of(values: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; 4 * values.len()];
    for (four, value) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(values) {
        *four = value.to_le_bytes();
    }
    bytes
}
