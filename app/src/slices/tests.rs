//! Stores and runs whose bytes come late, in pieces, or not at all.

use std::collections::BTreeMap;

use ferkd_data::census::Census;
use ferkd_data::store::{CHECKSUMS, MemoryFiles, ReadAt, Store};
use ferkd_method::Result;
use ferkd_method::mining::Confidence;

use super::blocks::TRIES;
use super::*;
use crate::dataset::{DataSet, Pictures, unpack};
use crate::experiment::{Data, Experiment};
use crate::labels::census::CensusStudy;
use crate::monitor::Status;
use crate::run::{CONFIG, METRICS};
use crate::state::State;

/// Files as a server has them.
type Server = BTreeMap<String, Vec<u8>>;

const SCENES: &[u8] = include_bytes!("../../../assets/playground/scenes-store.tar");

/// The files of the scenes' store.
fn scenes() -> Server {
    let files = MemoryFiles::from_tar(SCENES, "scenes").unwrap();
    let read = |name: &str| files.read_at(name, 0, files.size(name).unwrap() as usize).unwrap();
    let sums = String::from_utf8(read(CHECKSUMS)).unwrap();
    let names = sums.lines().filter_map(|line| line.split_once("  ").map(|(_, name)| name.to_owned()));
    names
        .filter(|name| files.size(name).is_ok())
        .chain([CHECKSUMS.into()])
        .map(|name| (name.clone(), read(&name)))
        .collect()
}

/// Answers everything that is wanted; how many fetches that took.
fn serve(blocks: &Blocks, server: &Server) -> usize {
    let wanted = blocks.take_wanted(8);
    for want in &wanted {
        let fetched = match server.get(&want.file) {
            None => Fetched::Missing,
            Some(bytes) => {
                let from = (want.offset as usize).min(bytes.len());
                let to = (from + want.len as usize).min(bytes.len());
                Fetched::Bytes(bytes[from..to].to_vec(), bytes.len() as u64)
            }
        };
        blocks.deliver(want, fetched);
    }
    wanted.len()
}

/// Tries again after every fetch, as the frames of a page do.
fn until<T>(blocks: &Blocks, server: &Server, mut read: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 0..1000 {
        match read() {
            Err(error) if error.is_pending() => {
                assert!(serve(blocks, server) > 0, "{error}: nothing is asked for");
            }
            other => return other,
        }
    }
    panic!("it never comes");
}

#[test]
fn a_store_that_comes_in_blocks_is_the_store() {
    let (server, whole) = (scenes(), unpack(SCENES, "scenes").unwrap());
    // Room for three blocks: they come and go.
    let blocks = Blocks::unknown().keeping(3 * BLOCK as usize);
    let store = until(&blocks, &server, || Store::open_slices(Box::new(blocks.clone()))).unwrap();
    assert_eq!(store.manifest(), whole.manifest());
    for image in (0..store.len()).step_by(37).chain([store.len() - 1]) {
        assert_eq!(until(&blocks, &server, || store.image(image)).unwrap(), whole.image(image).unwrap());
        assert_eq!(until(&blocks, &server, || store.regions(image)).unwrap(), whole.regions(image).unwrap());
        assert_eq!(until(&blocks, &server, || store.labels(image)).unwrap(), whole.labels(image).unwrap());
        assert!(blocks.held() <= 3 * BLOCK as usize);
    }
    drop(store);
    assert!(blocks.is_forgotten());
}

#[test]
fn who_gives_no_parts_gives_the_whole() {
    let server = scenes();
    let blocks = Blocks::unknown();
    let whole = |blocks: &Blocks| {
        for want in blocks.take_wanted(8) {
            let fetched =
                server.get(&want.file).map_or(Fetched::Missing, |bytes| Fetched::Whole(bytes.clone()));
            blocks.deliver(&want, fetched);
        }
    };
    for (name, bytes) in &server {
        let read = || {
            let size = blocks.size(name)?;
            blocks.read_at(name, 0, size as usize)
        };
        let found = loop {
            match read() {
                Err(error) if error.is_pending() => whole(&blocks),
                other => break other.unwrap(),
            }
        };
        assert_eq!(&found, bytes);
    }
}

#[test]
fn what_cannot_be_had_is_an_error_with_the_files_name() {
    let blocks = Blocks::unknown();
    for _ in 0..TRIES {
        assert!(blocks.read_at("a", 0, 1).unwrap_err().is_pending());
        for want in blocks.take_wanted(8) {
            blocks.deliver(&want, Fetched::Failed("the line is dead".into()));
        }
    }
    let error = blocks.read_at("a", 0, 1).unwrap_err();
    assert!(!error.is_pending() && error.to_string().contains("a: the line is dead"), "{error}");
    // Fewer bytes than there should be are no answer either.
    let blocks = Blocks::of([("b".to_owned(), 10)]);
    for _ in 0..TRIES {
        assert!(blocks.read_at("b", 2, 4).unwrap_err().is_pending());
        for want in blocks.take_wanted(8) {
            blocks.deliver(&want, Fetched::Bytes(vec![0; 3], 10));
        }
    }
    assert!(blocks.read_at("b", 2, 4).unwrap_err().to_string().contains("3 bytes came of 10"));
    // Nothing is asked for beyond a file's end, or more than can be kept.
    let blocks = Blocks::of([("c".to_owned(), 10), ("d".to_owned(), u64::MAX)]).keeping(100);
    for error in [
        blocks.read_at("c", 8, 3).unwrap_err(),
        blocks.read_at("c", u64::MAX, 3).unwrap_err(),
        blocks.read_at("d", 0, 101).unwrap_err(),
        blocks.size("e").unwrap_err(),
    ] {
        assert!(!error.is_pending(), "{error}");
    }
    assert_eq!(blocks.take_wanted(8), []);
}

#[test]
fn the_end_of_a_long_file_is_fetched_ahead_of_who_reads_it_in_order() {
    let server = Server::from([("long".to_owned(), vec![7; 6 * BLOCK as usize])]);
    let blocks = Blocks::unknown();
    let mut rounds = 0;
    for block in 0..6 {
        loop {
            match blocks.size("long").and_then(|_| blocks.read_at("long", block * BLOCK, BLOCK as usize)) {
                Err(error) if error.is_pending() => {
                    rounds += 1;
                    serve(&blocks, &server);
                }
                other => break assert_eq!(other.unwrap().len() as u64, BLOCK),
            }
        }
    }
    assert!(rounds <= 3, "{rounds} waits for six blocks");
}

#[test]
fn a_census_asks_for_the_next_files_before_it_comes_to_them() {
    let (server, whole) = (scenes(), unpack(SCENES, "scenes").unwrap());
    let files = whole.manifest().shards() as usize;
    assert!(files > 4, "{files}");
    let blocks = Blocks::unknown();
    let store = until(&blocks, &server, || Store::open_slices(Box::new(blocks.clone()))).unwrap();
    let set = DataSet::of_store("store", store, Pictures::None);
    let (mut census, key) = (CensusStudy::default(), (Data::Yours, Confidence::Max, 0));
    let mut rounds = 0;
    while census.found(key).is_none() {
        census.advance(key, &set);
        rounds += 1;
        serve(&blocks, &server);
    }
    assert_eq!(
        census.found(key).unwrap().as_ref().unwrap(),
        &Census::of_store(&whole, Confidence::Max).unwrap()
    );
    // One after the other, each file takes a wait for its length and one for its labels.
    assert!(rounds < 2 * files, "{rounds} waits for {files} files");
}

/// Frames until nothing is on its way.
fn frames(state: &mut State, blocks: &Blocks, server: &Server, count: usize) {
    for _ in 0..count {
        state.refresh();
        serve(blocks, server);
    }
}

#[test]
fn a_store_opens_in_the_window_while_its_blocks_come() {
    let server = scenes();
    let mut state = State::new(Experiment::default());
    let blocks = Blocks::unknown();
    state.open_blocks("store", blocks.clone(), true);
    assert!(state.is_waiting());
    frames(&mut state, &blocks, &server, 40);
    assert!(state.notices.is_empty(), "{:?}", state.notices);
    assert_eq!((state.experiment.data, state.set().unwrap().len()), (Data::Yours, 1348));
    let settings = state.experiment.settings;
    let whole = unpack(SCENES, "scenes").unwrap();
    let expected = ferkd_data::mine::mine(&whole, &settings.rule(), settings.confidence).unwrap().kinds;
    assert_eq!(state.kinds(&settings), Some(expected));
    assert_eq!(state.shown().unwrap().labels.len(), 16);
    // What is neither is said in words.
    let mut state = State::new(Experiment::default());
    let blocks = Blocks::unknown();
    state.open_blocks("https://example.org/x", blocks.clone(), true);
    frames(&mut state, &blocks, &Server::new(), 4);
    let said = &state.notices.last().unwrap().text;
    assert!(said.contains("example.org/x") && said.contains("manifest.json"), "{said}");
    assert!(!state.is_waiting());
}

#[test]
fn a_run_is_followed_as_its_log_grows_and_begins_anew() {
    let line = |step: u64| {
        format!(
            "{{\"event\":\"evaluation\",\"step\":{step},\"epoch\":{step}.0,\"top1\":0.5,\"top5\":0.9,\"loss\":1.0,\"best\":true}}\n"
        )
    };
    let config = "images = \"x\"\nstore = \"y\"\nsupervision = \"ferkd\"\nepsilon = 0.25\n";
    let log = format!("{}{}", line(1), line(2));
    let mut server = Server::from([
        (METRICS.to_owned(), log.into_bytes()),
        (CONFIG.to_owned(), config.as_bytes().to_vec()),
    ]);
    let mut state = State::new(Experiment::default());
    let blocks = Blocks::unknown();
    state.open_blocks("run", blocks.clone(), true);
    frames(&mut state, &blocks, &server, 8);
    assert!(state.notices.is_empty(), "{:?}", state.notices);
    let points = |state: &State| state.runs.current.as_ref().unwrap().monitor.accuracy.len();
    assert_eq!((points(&state), state.experiment.settings.epsilon), (2, 0.25));
    let grow = |server: &mut Server, text: &str| server.get_mut(METRICS).unwrap().extend(text.as_bytes());
    grow(&mut server, &line(3)[..20]);
    let again = |state: &mut State| state.runs.current.as_mut().unwrap().log.as_mut().unwrap().look_again();
    again(&mut state);
    frames(&mut state, &blocks, &server, 3);
    assert_eq!(points(&state), 2);
    grow(&mut server, &line(3)[20..]);
    grow(&mut server, "{\"event\":\"done\",\"job\":\"train\",\"time_s\":1.0}\n");
    again(&mut state);
    frames(&mut state, &blocks, &server, 3);
    assert_eq!((points(&state), &state.runs.current.as_ref().unwrap().monitor.status), (3, &Status::Done));
    // Resumed: the log is written again, shorter than it was.
    server.insert(METRICS.into(), line(1).into_bytes());
    again(&mut state);
    frames(&mut state, &blocks, &server, 5);
    assert_eq!(points(&state), 1);
    // A server that has lost it: said once, and not asked for again.
    server.remove(METRICS);
    again(&mut state);
    frames(&mut state, &blocks, &server, 5);
    assert_eq!(state.notices.len(), 1);
    assert!(!state.runs.current.as_ref().unwrap().is_followed);
}
