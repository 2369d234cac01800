//! Nodes find each other: node 1 listens, the others come and say what they train, and each is told which node to send
//! to.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::frame::{self, FrameKind, SMALL};
use super::link::Heartbeat;
use super::node::Node;
use super::ring::Ring;
use super::settings::differences;
use ferkd_method::error::{Error, ErrorKind, Result};

/// How long nodes wait for each other: some begin late, or list their images for long.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// How long a peer may take to greet after it has connected.
const GREETING: Duration = Duration::from_secs(10);
/// How long nodes wait for their neighbours, once all have come.
const NEIGHBOURS: Duration = Duration::from_secs(60);
/// Between two checks for an awaited node.
const PAUSE: Duration = Duration::from_millis(20);

/// Where nodes meet, and which one this is.
#[derive(Debug)]
pub struct Rendezvous {
    node: Node,
    address: String,
    /// Node 1's, from the beginning: who comes early waits rather than tries again.
    listener: Option<TcpListener>,
    patience: Duration,
    heartbeat: Heartbeat,
}

/// How a node greets the first one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JoinRequest {
    pub program: String,
    pub node: Node,
    pub device: String,
    /// What has to be the same on all nodes, as TOML.
    pub settings: String,
    /// Port on which it waits for the node that sends to it.
    pub port: u16,
}

/// What the first node answers, once all have come.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Welcome {
    /// Tells this run from others.
    session: u64,
    /// The node to send to; the first one if none.
    next: Option<SocketAddr>,
}

/// How a node greets the one that it sends to.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Neighbour {
    session: u64,
    node: Node,
}

/// A node that has come.
struct Peer {
    stream: TcpStream,
    address: SocketAddr,
    port: u16,
}

impl Peer {
    /// Where it waits for its neighbour.
    fn listens_at(&self) -> SocketAddr {
        SocketAddr::new(self.address.ip(), self.port)
    }
}

impl Rendezvous {
    /// Node `node` of a meeting at `HOST:PORT`, an address of node 1's. Node 1 listens from now on.
    ///
    /// # Errors
    /// On node 1, an address that is not its own or is taken.
    pub fn new(node: Node, address: &str) -> Result<Self> {
        let unusable = |error: io::Error| {
            Error::usage("meet", format!("`{address}`: {error}"))
                .remedy("give HOST:PORT, an address of node 1 that all nodes reach, and a free port")
        };
        let places = address.to_socket_addrs();
        let listener = match (node.leads(), places) {
            (true, places) => {
                let places: Vec<SocketAddr> = places.map_err(unusable)?.collect();
                Some(TcpListener::bind(&places[..]).map_err(unusable)?)
            }
            // A name may be known a little later; an address without a port never is.
            (false, Err(error)) if error.kind() == io::ErrorKind::InvalidInput => {
                return Err(unusable(error));
            }
            (false, _) => None,
        };
        let address = match &listener {
            Some(listener) => listener.local_addr().map_err(unusable)?.to_string(),
            None => address.to_owned(),
        };
        Ok(Self { node, address, listener, patience: PATIENCE, heartbeat: Heartbeat::USUAL })
    }

    /// Waits for the others no longer than this.
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// This node.
    pub fn node(&self) -> Node {
        self.node
    }

    /// Where the nodes meet: on node 1 with the port that it listens on.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Waits for all nodes, checks that they train the same on the same kind of device, and joins them in a ring.
    ///
    /// # Errors
    /// A node that does not come in time, or is another than it should be; [`ErrorKind::Interrupted`] when `stop`
    /// was set.
    pub(super) fn join(self, request: JoinRequest, stop: &AtomicBool) -> Result<Ring> {
        let until = Deadline { at: Instant::now() + self.patience, stop };
        let (session, previous_at, next) = match &self.listener {
            Some(listener) => {
                let (session, next) = self.gather(listener, &request, &until)?;
                (session, listener.try_clone().map_err(|e| frame::lost(&self.address, &e))?, next)
            }
            None => self.come(request, &until)?,
        };
        let (node, address) = (self.node, next);
        let next_name = format!("node {} ({address})", node.next());
        let until = Deadline { at: Instant::now() + NEIGHBOURS, stop };
        let next = connect(&address.to_string(), &next_name, &until)?;
        say(&next, &next_name, FrameKind::Ring, &Neighbour { session, node })?;
        let previous = Neighbour { session, node: node.previous() };
        let (stream, from, _) =
            until.accept(&previous_at, &format!("node {}", previous.node), |stream, name| {
                match hear::<Neighbour>(stream, name, FrameKind::Ring)? {
                    neighbour if neighbour == previous => Ok(()),
                    _ => Err(Error::new(ErrorKind::Damaged, name, "it is of another run")),
                }
            })?;
        let previous_name = format!("node {} ({from})", previous.node);
        Ring::new(node, (next, next_name), (stream, previous_name), self.heartbeat)
    }

    /// Node 1: waits for the others, and tells each which node it sends to.
    fn gather(
        &self,
        listener: &TcpListener,
        own: &JoinRequest,
        until: &Deadline<'_>,
    ) -> Result<(u64, SocketAddr)> {
        let mut peers: BTreeMap<u32, Peer> = BTreeMap::new();
        let of = self.node.of();
        while peers.len() + 1 < of as usize {
            let missing: Vec<String> = (2..=of)
                .filter(|number| !peers.contains_key(number))
                .map(|number| self.node.sibling(number).to_string())
                .collect();
            let awaited = format!("node {}", missing.join(", "));
            let came =
                until.accept(listener, &awaited, |stream, name| hear(stream, name, FrameKind::JoinRequest));
            let admitted = came.and_then(|(stream, address, request): (_, _, JoinRequest)| {
                let checked = check(own, &request, address, &peers);
                if let Err(error) = &checked {
                    refuse(&stream, &error.to_string());
                }
                checked.map(|()| (request.node.number(), Peer { stream, address, port: request.port }))
            });
            match admitted {
                Ok((number, peer)) => drop(peers.insert(number, peer)),
                Err(error) => {
                    let reason = format!("node 1 has left: {error}");
                    peers.values().for_each(|peer| refuse(&peer.stream, &reason));
                    return Err(error);
                }
            }
        }
        let session = session();
        for (number, peer) in &peers {
            let next = peers.get(&(number + 1)).map(Peer::listens_at);
            let name = format!("node {} ({})", self.node.sibling(*number), peer.address);
            say(&peer.stream, &name, FrameKind::Welcome, &Welcome { session, next })?;
        }
        match peers.get(&2) {
            Some(second) => Ok((session, second.listens_at())),
            None => Err(Error::usage("node", "there is no second one")),
        }
    }

    /// The others: greet node 1, and hear from it which node to send to.
    fn come(&self, mut request: JoinRequest, until: &Deadline<'_>) -> Result<(u64, TcpListener, SocketAddr)> {
        let name = format!("node 1/{} ({})", self.node.of(), self.address);
        let first = connect(&self.address, &name, until)?;
        let failed = |error: io::Error| frame::lost(&name, &error);
        // The neighbour comes the way that leads to node 1 too.
        let listener = TcpListener::bind((first.local_addr().map_err(failed)?.ip(), 0)).map_err(failed)?;
        request.port = listener.local_addr().map_err(failed)?.port();
        say(&first, &name, FrameKind::JoinRequest, &request)?;
        until.wait_for_bytes(&first, &name)?;
        let Welcome { session, next } = hear(&first, &name, FrameKind::Welcome)?;
        let next = next.map_or_else(|| first.peer_addr().map_err(failed), Ok)?;
        Ok((session, listener, next))
    }
}

/// Whether a node belongs to this run.
fn check(
    own: &JoinRequest,
    other: &JoinRequest,
    address: SocketAddr,
    peers: &BTreeMap<u32, Peer>,
) -> Result<()> {
    let name = format!("node {} ({address})", other.node);
    let wrong = |problem: String, remedy: &str| Err(Error::mismatch(&name, problem).remedy(remedy));
    if other.program != own.program {
        let problem = format!("it runs ferkd {}, and node 1 runs {}", other.program, own.program);
        return wrong(problem, "start the same build of ferkd on every node");
    }
    if other.node.of() != own.node.of() {
        let problem =
            format!("it is one of {} nodes, and node 1 is one of {}", other.node.of(), own.node.of());
        return wrong(problem, "give every node the same N in --node I/N");
    }
    if other.node.leads() {
        return wrong(
            "it came as node 1, which waits here".into(),
            "give every node its own I in --node I/N",
        );
    }
    if let Some(peer) = peers.get(&other.node.number()) {
        let problem = format!("{} came as the same node", peer.address);
        return wrong(problem, "give every node its own I in --node I/N");
    }
    if other.device != own.device {
        let problem = format!("it computes on {}, and node 1 on {}", other.device, own.device);
        return wrong(problem, "use one kind of device: others do not compute the same bits");
    }
    if address.ip().is_loopback() != peers.values().all(|peer| peer.address.ip().is_loopback())
        && !peers.is_empty()
    {
        let problem =
            "some nodes came from other machines, and some over this machine's own loopback address";
        return wrong(problem.into(), "give --meet an address of node 1 that all machines reach");
    }
    let tables = (other.settings.parse::<toml::Table>(), own.settings.parse::<toml::Table>());
    let (Ok(theirs), Ok(ours)) = tables else {
        return wrong("its settings cannot be read".into(), "start the same build of ferkd on every node");
    };
    match differences(&theirs, &ours) {
        same if same.is_empty() => Ok(()),
        differences => {
            let problem = format!("it trains with other settings than node 1; {}", differences.join("; "));
            wrong(problem, "give every node the same settings, images and store")
        }
    }
}

/// How long to wait, and what ends it earlier.
struct Deadline<'a> {
    at: Instant,
    stop: &'a AtomicBool,
}

impl Deadline<'_> {
    /// Waits a little.
    ///
    /// # Errors
    /// The time is over, or `stop` was set.
    fn pause(&self, awaited: &str, problem: &dyn Fn() -> String) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Interrupted, awaited, "stopped while it was waited for"));
        }
        if Instant::now() >= self.at {
            return Err(Error::new(ErrorKind::Io, awaited, problem())
                .remedy("start all nodes, with the same --meet; check that a firewall lets them through"));
        }
        std::thread::sleep(PAUSE);
        Ok(())
    }

    /// The first who comes and greets as it should. Others are strangers: whatever looks for open ports is no reason
    /// to end a run.
    fn accept<T>(
        &self,
        listener: &TcpListener,
        awaited: &str,
        greet: impl Fn(&TcpStream, &str) -> Result<T>,
    ) -> Result<(TcpStream, SocketAddr, T)> {
        let failed = |error: io::Error| frame::lost(awaited, &error);
        listener.set_nonblocking(true).map_err(failed)?;
        let mut strangers = String::new();
        loop {
            match listener.accept() {
                Ok((stream, from)) => {
                    stream.set_nonblocking(false).map_err(failed)?;
                    match greet(&stream, &from.to_string()) {
                        // A node of another version is a node.
                        Err(error) if error.kind() == ErrorKind::Mismatch => {
                            refuse(&stream, &error.to_string());
                            return Err(error);
                        }
                        Err(error) => strangers = format!("; someone else did: {error}"),
                        Ok(greeted) => return Ok((stream, from, greeted)),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.pause(awaited, &|| format!("it did not come{strangers}"))?;
                }
                // Who came has gone already.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Waits until there is something to read, or the other end has closed.
    fn wait_for_bytes(&self, stream: &TcpStream, peer: &str) -> Result<()> {
        stream.set_nonblocking(true).map_err(|error| frame::lost(peer, &error))?;
        loop {
            match stream.peek(&mut [0]) {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.pause(peer, &|| "it still waits for other nodes".into())?;
                }
                Err(error) => return Err(frame::lost(peer, &error)),
            }
        }
        stream.set_nonblocking(false).map_err(|error| frame::lost(peer, &error))
    }
}

/// Connects to the listener at `address`, trying again while there is none.
fn connect(address: &str, peer: &str, until: &Deadline<'_>) -> Result<TcpStream> {
    loop {
        let mut why = String::new();
        match address.to_socket_addrs() {
            Ok(places) => {
                for place in places {
                    match TcpStream::connect_timeout(&place, GREETING) {
                        Ok(stream) => {
                            stream.set_nodelay(true).map_err(|error| frame::lost(peer, &error))?;
                            return Ok(stream);
                        }
                        Err(error) => why = format!(": {error}"),
                    }
                }
            }
            Err(error) => why = format!(": {error}"),
        }
        until.pause(peer, &|| format!("it cannot be reached{why}"))?;
    }
}

/// Tells a peer why it is not taken. Whether it still listens does not matter.
fn refuse(stream: &TcpStream, why: &str) {
    let _ = frame::write(&mut &*stream, FrameKind::Leave, 0, why.as_bytes());
}

/// Sends a greeting.
fn say(stream: &TcpStream, peer: &str, kind: FrameKind, what: &impl Serialize) -> Result<()> {
    let body = serde_json::to_vec(what).map_err(|e| Error::mismatch(peer, e.to_string()))?;
    frame::write(&mut &*stream, kind, 0, &body).map_err(|error| frame::lost(peer, &error))
}

/// Hears a greeting, or why there is none.
fn hear<T: for<'de> Deserialize<'de>>(stream: &TcpStream, peer: &str, kind: FrameKind) -> Result<T> {
    stream.set_read_timeout(Some(GREETING)).map_err(|error| frame::lost(peer, &error))?;
    let mut stream: &mut dyn Read = &mut &*stream;
    let header = frame::read_header(&mut stream, peer)?;
    let body = frame::read_body(&mut stream, header, SMALL, peer)?;
    if header.kind == FrameKind::Leave {
        return Err(Error::mismatch(peer, format!("it refused: {}", String::from_utf8_lossy(&body))));
    }
    let unknown = |problem: String| {
        Error::new(ErrorKind::Damaged, peer, problem).remedy("start the same build of ferkd on every node")
    };
    if header.kind != kind {
        return Err(unknown(format!("it sent {:?} where {kind:?} is due", header.kind)));
    }
    serde_json::from_slice(&body).map_err(|e| unknown(format!("its greeting cannot be read: {e}")))
}

/// A number that no other run has.
fn session() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // The standard library seeds its hashers from the system's randomness.
    RandomState::new().hash_one(std::process::id())
}
