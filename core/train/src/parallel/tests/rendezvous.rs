//! Those who come, and those who should not.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use super::*;
use crate::parallel::frame::{self, FrameKind};
use crate::parallel::link::{Heartbeat, Incoming, Outgoing};
use ferkd_method::error::{ErrorKind, Result};

/// Long enough that no one who comes is missed.
const PATIENCE: Duration = Duration::from_secs(30);

fn meet(config: &TrainConfig, rendezvous: Rendezvous) -> Result<()> {
    let rendezvous = rendezvous.with_patience(PATIENCE);
    trainer(config, 6, 1).meet(rendezvous, &AtomicBool::new(false), &mut |_| ())
}

/// What node 1 of `of`, and another one that comes to it, end with.
fn pair(of: u32, other: &str, config: &TrainConfig) -> (Result<()>, Result<()>) {
    let first = Rendezvous::new(format!("1/{of}").parse().unwrap(), "127.0.0.1:0").unwrap();
    let address = first.address().to_owned();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| meet(&transformer(), first));
        let came = meet(config, Rendezvous::new(other.parse().unwrap(), &address).unwrap());
        (waiting.join().unwrap(), came)
    })
}

#[test]
fn a_node_that_trains_something_else_is_named_on_both_sides() {
    let wrong = [
        (2, "2/2", TrainConfig { batch: 6, ..transformer() }, "batch: 6 there, 8 now"),
        (2, "2/2", TrainConfig { lr: Some(0.3), ..transformer() }, "lr: 0.3 there, 0.2 now"),
        (2, "2/3", transformer(), "one of 3 nodes"),
        (3, "2/2", transformer(), "one of 2 nodes"),
    ];
    for (of, other, config, why) in wrong {
        let (waited, came) = pair(of, other, &config);
        for error in [waited.unwrap_err(), came.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Mismatch, "{error}");
            let error = error.to_string();
            assert!(error.contains(&format!("node {other}")) && error.contains(why), "{error}");
            assert!(error.contains("every node"), "{error}");
        }
    }
}

#[test]
fn other_images_are_other_settings() {
    let first = Rendezvous::new("1/2".parse().unwrap(), "127.0.0.1:0").unwrap();
    let second = Rendezvous::new("2/2".parse().unwrap(), first.address()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(meet(&transformer(), first).unwrap_err().to_string().contains("images")));
        let error = trainer(&transformer(), 7, 1).meet(second, &AtomicBool::new(false), &mut |_| ());
        assert!(error.unwrap_err().to_string().contains("images (their number, and SHA-256"));
    });
}

#[test]
fn the_same_node_twice_ends_all_three() {
    let first = Rendezvous::new("1/3".parse().unwrap(), "127.0.0.1:0").unwrap();
    let address = first.address().to_owned();
    std::thread::scope(|scope| {
        let one = scope.spawn(|| meet(&transformer(), first));
        let twins = [0, 1].map(|_| {
            let address = &address;
            scope.spawn(move || {
                meet(&transformer(), Rendezvous::new("2/3".parse().unwrap(), address).unwrap())
            })
        });
        let mut errors = vec![one.join().unwrap().unwrap_err().to_string()];
        errors.extend(twins.map(|twin| twin.join().unwrap().unwrap_err().to_string()));
        assert!(errors.iter().all(|error| error.contains("came as the same node")), "{errors:?}");
    });
}

#[test]
fn strangers_at_the_door_change_nothing() {
    let first = Rendezvous::new("1/2".parse().unwrap(), "127.0.0.1:0").unwrap();
    let address = first.address().to_owned();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| meet(&transformer(), first));
        let mut garbage = TcpStream::connect(&address).unwrap();
        garbage.write_all(b"GET / HTTP/1.1\r\nHost: somewhere\r\n\r\n").unwrap();
        drop(TcpStream::connect(&address).unwrap());
        // A frame that announces more than there is room for, and one that is no greeting.
        let mut hostile = Vec::new();
        frame::write(&mut hostile, FrameKind::JoinRequest, 0, b"{}").unwrap();
        hostile[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
        TcpStream::connect(&address).unwrap().write_all(&hostile).unwrap();
        frame::write(&mut TcpStream::connect(&address).unwrap(), FrameKind::JoinRequest, 0, b"{\"node\":7}")
            .unwrap();
        // Connections that are not from ferkd are closed.
        assert_eq!(garbage.read_to_end(&mut Vec::new()).unwrap_or(0), 0);
        meet(&transformer(), Rendezvous::new("2/2".parse().unwrap(), &address).unwrap()).unwrap();
        waiting.join().unwrap().unwrap();
    });
}

#[test]
fn an_address_of_something_else_is_said() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").unwrap();
            let _ = stream.read(&mut [0; 4096]);
        });
        let error = meet(&transformer(), Rendezvous::new("2/2".parse().unwrap(), &address).unwrap());
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains(&address) && error.contains("an invalid frame: expected one of ferkd's"),
            "{error}"
        );
        assert!(error.contains("--meet"), "{error}");
    });
}

#[test]
fn who_waits_in_vain_says_for_whom() {
    let join = |rendezvous: Rendezvous, stop: bool| {
        let rendezvous = rendezvous.with_patience(Duration::from_millis(100));
        trainer(&transformer(), 6, 1).meet(rendezvous, &AtomicBool::new(stop), &mut |_| ()).unwrap_err()
    };
    let first = || Rendezvous::new("1/3".parse().unwrap(), "127.0.0.1:0").unwrap();
    let error = join(first(), false).to_string();
    assert!(error.contains("node 2/3, 3/3: it did not come") && error.contains("--meet"), "{error}");
    // A port that no one listens on.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let second = || Rendezvous::new("2/3".parse().unwrap(), &nobody).unwrap();
    let error = join(second(), false).to_string();
    assert!(error.contains(&nobody) && error.contains("cannot be reached"), "{error}");
    for rendezvous in [first(), second()] {
        assert_eq!(join(rendezvous, true).kind(), ErrorKind::Interrupted);
    }
    let taken = first();
    for address in [taken.address(), "127.0.0.1", "nowhere"] {
        let error = Rendezvous::new("1/3".parse().unwrap(), address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    }
}

/// Both ends of a connection.
fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (one, listener.accept().unwrap().0)
}

#[test]
fn a_link_skips_signs_of_life_and_refuses_what_is_not_due() {
    let usual = |stream| Incoming::new(stream, "node 2/2".into(), Heartbeat::USUAL).unwrap();
    let (mut to, from) = connection();
    let mut from = usual(from);
    for _ in 0..3 {
        frame::write(&mut to, FrameKind::Beat, 0, &[]).unwrap();
    }
    frame::write(&mut to, FrameKind::Sum, 5, &[1, 2, 3, 4]).unwrap();
    assert_eq!(from.receive(FrameKind::Sum, 5, 4, 4).unwrap(), [1, 2, 3, 4]);
    for (kind, tag, bytes) in [(FrameKind::Sum, 6, 4), (FrameKind::Sum, 5, 8), (FrameKind::State, 5, 4)] {
        let (mut to, from) = connection();
        frame::write(&mut to, kind, tag, &vec![0; bytes]).unwrap();
        let error = usual(from).receive(FrameKind::Sum, 5, 4, 4).unwrap_err().to_string();
        assert!(error.starts_with("node 2/2: it sent") && error.contains("is due"), "{error}");
    }
}

#[test]
fn silence_is_an_end_too() {
    let (_open, from) = connection();
    let heartbeat = Heartbeat { interval: Duration::from_secs(5), timeout: Duration::from_millis(50) };
    let mut from = Incoming::new(from, "node 2/2".into(), heartbeat).unwrap();
    let error = from.receive(FrameKind::Sum, 0, 4, 4).unwrap_err().to_string();
    assert!(error.starts_with("node 2/2: nothing was heard"), "{error}");
}

#[test]
fn an_idle_link_gives_signs_of_life_and_delivers_what_was_said_last() {
    let (to, mut from) = connection();
    let heartbeat = Heartbeat { interval: Duration::from_millis(1), timeout: Duration::from_secs(60) };
    let mut link = Outgoing::new(to, "node 2/2".into(), heartbeat).unwrap();
    assert_eq!(frame::read_header(&mut from, "node 1/2").unwrap().kind, FrameKind::Beat);
    link.send(FrameKind::Leave, 0, b"because".to_vec()).unwrap();
    drop(link);
    let mut from = Incoming::new(from, "node 1/2".into(), Heartbeat::USUAL).unwrap();
    let error = from.receive(FrameKind::Sum, 0, 4, 4).unwrap_err().to_string();
    assert!(error.contains("it has left: because"), "{error}");
}
