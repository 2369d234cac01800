//! Sums over all nodes, each sending to the next (the ring of Patarasuk and Yuan, 2009).
//!
//! The row is cut into as many pieces as there are nodes. In N - 1 rounds every piece goes around and is added to;
//! in N - 1 more the sums go around. A node sends 2 (N - 1) / N of the row, however many nodes there are. A piece is
//! added up along one path, so that its sum is the same bits on all nodes, and the same in every run.

use std::net::TcpStream;

use super::frame::FrameKind;
use super::link::{Heartbeat, Incoming, Outgoing, bytes_of};
use super::node::Node;
use ferkd_data::batches::share::Share;
use ferkd_method::error::{Error, Result};

/// The connections of this node, once all have met.
pub(crate) struct Ring {
    node: Node,
    next: Outgoing,
    previous: Incoming,
}

impl Ring {
    /// Joins both connections; names are what errors call the peers.
    pub(super) fn new(
        node: Node,
        next: (TcpStream, String),
        previous: (TcpStream, String),
        heartbeat: Heartbeat,
    ) -> Result<Self> {
        Ok(Self {
            node,
            next: Outgoing::new(next.0, next.1, heartbeat)?,
            previous: Incoming::new(previous.0, previous.1, heartbeat)?,
        })
    }

    /// This node.
    pub fn node(&self) -> Node {
        self.node
    }

    /// Adds up what all nodes hold in `row`, which is of the same length on all; `step` keeps sums apart.
    ///
    /// # Errors
    /// A node that is gone or at another step.
    pub fn all_reduce(&mut self, row: &mut [f32], step: u64) -> Result<()> {
        let Share { number: own, of } = self.node.share();
        let len = row.len();
        // Pieces are counted backwards from a node's own, which it sends first.
        let piece = |behind: usize| Share { number: (own + 2 * of - behind) % of, of }.range(len);
        let tag = |round: usize| step << 16 | round as u64;
        for round in 0..of - 1 {
            self.next.send(FrameKind::Sum, tag(round), bytes_of(&row[piece(round)]))?;
            let due = piece(round + 1);
            let bytes = 4 * due.len() as u64;
            let received = self.previous.receive(FrameKind::Sum, tag(round), bytes, bytes)?;
            for (value, four) in row[due].iter_mut().zip(received.as_chunks::<4>().0) {
                *value += f32::from_le_bytes(*four);
            }
        }
        for round in 0..of - 1 {
            // The piece that came last is whole: the one after this node's own.
            let tag = tag(of + round);
            self.next.send(FrameKind::Sum, tag, bytes_of(&row[piece(of - 1 + round)]))?;
            let due = piece(of + round);
            let bytes = 4 * due.len() as u64;
            let received = self.previous.receive(FrameKind::Sum, tag, bytes, bytes)?;
            for (value, four) in row[due].iter_mut().zip(received.as_chunks::<4>().0) {
                *value = f32::from_le_bytes(*four);
            }
        }
        Ok(())
    }

    /// Hands `state` of step `step` from the first node on; the others get it, at most `most` bytes.
    ///
    /// # Errors
    /// A node that is gone.
    pub fn broadcast(&mut self, state: Option<Vec<u8>>, most: u64) -> Result<Vec<u8>> {
        let state = match state {
            Some(state) => state,
            None => self.previous.receive(FrameKind::State, 0, 0, most)?.to_vec(),
        };
        if !self.node.next().leads() {
            self.next.send(FrameKind::State, 0, state.clone())?;
        }
        Ok(state)
    }

    /// Tells the others why this node leaves. They hear it at their next step.
    pub fn leave(&mut self, error: &Error) {
        // A reason that came from another node is passed on as it is.
        let reason = match error.problem().strip_prefix("it has left: ") {
            Some(reason) if error.subject() == "another node" => reason.to_owned(),
            _ => format!("node {}: {}: {}", self.node, error.subject(), error.problem()),
        };
        // Where the next node is gone too, there is none to be told.
        let _ = self.next.send(FrameKind::Leave, 0, reason.into_bytes());
    }
}
