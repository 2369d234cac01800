//! Lets another clone use what was compiled of sources that have not changed: for `.ci/run`, which compiles this file alone,
//! before anything else.
//!
//! ```text
//! unchanged begin TARGET   before building: in the root of a clone, TARGET being the folder of compiled programs
//! unchanged end TARGET     after it
//! ```
//!
//! Cargo compiles a crate again where one of its files is younger than what was compiled of it, and in a fresh clone every
//! file is. TARGET keeps a list of the clone's files and folders: a checksum of each, and since when it has been that one.
//! What still has its checksum gets that time back; everything else counts as changed now. So no file is ever older than
//! what it holds.
//!
//! The list does not count where something else was built into TARGET since, for that may be of other sources and is
//! younger; where the last run was interrupted; or where the clone lies elsewhere, for programs know their clone. Then
//! all counts as changed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// The list, in the folder of compiled programs.
const LIST: &str = "unchanged.txt";

/// What is no source, wherever it lies.
const NO_SOURCES: [&str; 6] = [".git", "target", "dist", "node_modules", "__pycache__", ".pytest_cache"];

/// Where cargo keeps when it compiled what.
const FINGERPRINTS: &str = ".fingerprint";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["begin", target] => std::env::current_dir()
            .map_err(|error| format!("the working folder: {error}"))
            .and_then(|root| begin(&root, Path::new(target), SystemTime::now()))
            .map(|(kept, all)| println!("{kept} of {all} files and folders are as they were compiled")),
        ["end", target] => end(Path::new(target), SystemTime::now()),
        _ => Err("expected `begin TARGET` or `end TARGET`".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A checksum, and since when, in nanoseconds since 1970.
type Since = (u64, u64);

/// What is known of a clone, by path below its root.
#[derive(Debug, Default, PartialEq)]
struct List {
    root: PathBuf,
    paths: BTreeMap<String, Since>,
    /// When the run that wrote it had ended.
    ended: Option<u64>,
}

impl List {
    /// A list of the text that [`Self::text`] gives, with [`end`]'s last line; none where it is anything else.
    fn parse(text: &str) -> Option<Self> {
        let mut list = Self::default();
        for line in text.lines() {
            match line.split_once(' ')? {
                ("root", root) => list.root = root.into(),
                ("ended", when) => list.ended = Some(when.parse().ok()?),
                (sum, rest) => {
                    let (since, path) = rest.split_once(' ')?;
                    let since = (u64::from_str_radix(sum, 16).ok()?, since.parse().ok()?);
                    list.paths.insert(path.to_owned(), since);
                }
            }
        }
        Some(list)
    }

    fn text(&self) -> String {
        let paths = self.paths.iter().map(|(path, (sum, since))| format!("{sum:016x} {since} {path}\n"));
        format!("root {}\n", self.root.display()) + &paths.collect::<String>()
    }
}

/// Gives what has not changed its time back; how many that are, and of how many.
fn begin(root: &Path, target: &Path, now: SystemTime) -> Result<(usize, usize), String> {
    fs::create_dir_all(target).map_err(|error| format!("{}: {error}", target.display()))?;
    let at = target.join(LIST);
    let before = fs::read_to_string(&at).ok().and_then(|text| List::parse(&text)).unwrap_or_default();
    let is_ours = match before.ended {
        Some(ended) => before.root == root && !is_younger(target, ended)?,
        None => false,
    };
    let mut list = List { root: root.into(), ..List::default() };
    let mut kept = 0;
    for (path, sum) in sums(root)? {
        let since = before.paths.get(&path).filter(|(was, _)| is_ours && *was == sum);
        kept += usize::from(since.is_some());
        list.paths.insert(path, (sum, since.map_or(nanoseconds(now), |&(_, since)| since)));
    }
    // Before the times: if this stops between the two, the list has no end, and nothing is kept the next time.
    let part = at.with_extension("part");
    fs::write(&part, list.text())
        .and_then(|()| fs::rename(&part, &at))
        .map_err(|error| format!("{}: {error}", at.display()))?;
    for (path, &(_, since)) in &list.paths {
        let path = root.join(path);
        let set = || File::open(&path)?.set_modified(SystemTime::UNIX_EPOCH + Duration::from_nanos(since));
        set().map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok((kept, list.paths.len()))
}

/// Says in the list that what was compiled up to now is of its sources.
fn end(target: &Path, now: SystemTime) -> Result<(), String> {
    let at = target.join(LIST);
    let append = || -> std::io::Result<()> {
        let text = fs::read_to_string(&at)?;
        let part = at.with_extension("part");
        fs::write(&part, format!("{text}ended {}\n", nanoseconds(now)))?;
        fs::rename(&part, &at)
    };
    append().map_err(|error| format!("{}: {error}", at.display()))
}

/// Files and folders below a clone's root, each with a checksum of its bytes, or of the names in it.
fn sums(root: &Path) -> Result<Vec<(String, u64)>, String> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        let at = root.join(&folder);
        let failed = |error: std::io::Error| format!("{}: {error}", at.display());
        let mut names = Vec::new();
        for entry in fs::read_dir(&at).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if NO_SOURCES.iter().any(|other| name == *other) {
                continue;
            }
            let kind = entry.file_type().map_err(failed)?;
            // A line holds a path: names that it cannot hold are of no crate here, and count as changed ever.
            if let Some(path) = folder.join(&name).to_str().filter(|path| !path.contains('\n')) {
                if kind.is_dir() {
                    folders.push(path.into());
                } else if kind.is_file() {
                    let bytes = fs::read(entry.path()).map_err(failed)?;
                    found.push((path.to_owned(), checksum(&[&bytes])));
                }
            }
            names.push(name);
        }
        names.sort();
        let names: Vec<_> = names.iter().map(|name| name.as_encoded_bytes()).collect();
        if let Some(path) = folder.to_str().filter(|path| !path.is_empty()) {
            found.push((path.to_owned(), checksum(&names)));
        }
    }
    Ok(found)
}

fn checksum(parts: &[&[u8]]) -> u64 {
    let mut sum = DefaultHasher::new();
    for part in parts {
        sum.write_u64(part.len() as u64);
        sum.write(part);
    }
    sum.finish()
}

/// Whether something below a folder was compiled later than that.
fn is_younger(target: &Path, ended: u64) -> Result<bool, String> {
    let mut folders = vec![(target.to_path_buf(), false)];
    while let Some((folder, is_fingerprint)) = folders.pop() {
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let data = entry.metadata().map_err(failed)?;
            if is_fingerprint && data.is_file() && data.modified().map_err(failed).map(nanoseconds)? > ended {
                return Ok(true);
            }
            // Below these lie libraries and what build scripts wrote: many files, and no times that cargo reads.
            let is_large = ["deps", "build", "incremental", "examples"].iter().any(|other| name == *other);
            if data.is_dir() && !is_large {
                folders.push((entry.path(), is_fingerprint || name == FINGERPRINTS));
            }
        }
    }
    Ok(false)
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clone and its folder of compiled programs, both gone at the end.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let at = std::env::temp_dir().join(format!("ferkd-unchanged-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&at);
            let place = Self(at);
            place.clone_anew("clone");
            fs::create_dir_all(place.target().join("debug/.fingerprint/a-12")).unwrap();
            place
        }

        fn clone_anew(&self, name: &str) -> PathBuf {
            let root = self.0.join(name);
            let _ = fs::remove_dir_all(&root);
            fs::create_dir_all(root.join("a/src")).unwrap();
            fs::create_dir_all(root.join("target")).unwrap();
            fs::write(root.join("a/src/lib.rs"), "one").unwrap();
            fs::write(root.join("b.rs"), "two").unwrap();
            root
        }

        fn target(&self) -> PathBuf {
            self.0.join("programs")
        }

        fn build(&self, when: SystemTime) {
            let at = self.target().join("debug/.fingerprint/a-12/invoked.timestamp");
            fs::write(&at, "").unwrap();
            File::open(&at).unwrap().set_modified(when).unwrap();
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + second)
    }

    fn time(path: PathBuf) -> SystemTime {
        fs::metadata(path).unwrap().modified().unwrap()
    }

    #[test]
    fn what_has_not_changed_keeps_its_time_and_what_was_taken_back_does_not() {
        let place = Place::new("times");
        let root = place.clone_anew("clone");
        // a, a/src, a/src/lib.rs, b.rs.
        assert_eq!(begin(&root, &place.target(), at(0)), Ok((0, 4)));
        place.build(at(1));
        end(&place.target(), at(2)).unwrap();
        let root = place.clone_anew("clone");
        fs::write(root.join("b.rs"), "three").unwrap();
        assert_eq!(begin(&root, &place.target(), at(10)), Ok((3, 4)));
        assert_eq!(time(root.join("a/src/lib.rs")), at(0));
        assert_eq!(time(root.join("a/src")), at(0));
        assert_eq!(time(root.join("b.rs")), at(10));
        place.build(at(11));
        end(&place.target(), at(12)).unwrap();
        // As at first, but younger than what was compiled of it in between.
        let root = place.clone_anew("clone");
        assert_eq!(begin(&root, &place.target(), at(20)), Ok((3, 4)));
        assert_eq!(time(root.join("b.rs")), at(20));
        end(&place.target(), at(21)).unwrap();
        // A file more changes its folder too.
        let root = place.clone_anew("clone");
        fs::write(root.join("a/src/more.rs"), "").unwrap();
        assert_eq!(begin(&root, &place.target(), at(30)), Ok((3, 5)));
        assert_eq!(time(root.join("a/src")), at(30));
        assert_eq!(time(root.join("a/src/lib.rs")), at(0));
    }

    #[test]
    fn nothing_is_kept_of_a_run_that_did_not_end_of_another_clone_or_beside_another_build() {
        let place = Place::new("nothing");
        let root = place.clone_anew("clone");
        let run = |root: &Path, second: u64| {
            let done = begin(root, &place.target(), at(second)).unwrap();
            place.build(at(second + 1));
            done.0
        };
        assert_eq!(run(&root, 0), 0);
        assert_eq!(run(&root, 10), 0, "the run before did not end");
        end(&place.target(), at(12)).unwrap();
        assert_eq!(run(&root, 20), 4);
        end(&place.target(), at(22)).unwrap();
        place.build(at(23));
        assert_eq!(run(&root, 30), 0, "something was compiled after it");
        end(&place.target(), at(32)).unwrap();
        let other = place.clone_anew("other");
        assert_eq!(run(&other, 40), 0, "the clone lies elsewhere");
        end(&place.target(), at(42)).unwrap();
        assert_eq!(run(&other, 50), 4);
        fs::write(place.target().join(LIST), "no list").unwrap();
        assert_eq!(run(&other, 60), 0, "the list is not one");
    }
}
