//! A server of static files, for looking at the page and for its tests. It hears this machine alone.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A folder that is served.
pub struct Server {
    /// Where it is heard.
    pub port: u16,
    is_stopped: Arc<AtomicBool>,
}

impl Server {
    /// Hears no one any more; what is being answered still is.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        // It waits for a visitor: this one is its last. Where it cannot be reached, it is stopped already.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// Serves a folder on a thread for each visitor, until it is stopped or the program ends; on any free port for 0.
///
/// # Errors
/// The port is taken.
pub fn start(folder: &Path, port: u16) -> std::io::Result<Server> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let port = listener.local_addr()?.port();
    let folder = folder.to_path_buf();
    let is_stopped = Arc::new(AtomicBool::new(false));
    let server = Server { port, is_stopped: is_stopped.clone() };
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if is_stopped.load(Ordering::SeqCst) {
                return;
            }
            let folder = folder.clone();
            std::thread::spawn(move || {
                // A visitor that hangs up is no matter.
                let _ = answer(stream, &folder);
            });
        }
    });
    Ok(server)
}

fn answer(mut stream: TcpStream, folder: &Path) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut first, mut wanted) = (String::new(), None);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("range")
        {
            wanted = Some(value.trim().to_owned());
        }
    }
    let mut words = first.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let found = file(folder, target).and_then(|path| {
        let file = std::fs::File::open(&path).ok()?;
        let size = file.metadata().ok().filter(std::fs::Metadata::is_file)?.len();
        Some((path, file, size))
    });
    let (status, kind, bytes, range) = match found {
        Some((path, mut file, size)) => {
            let mut read = |part: std::ops::Range<u64>| {
                // Only what is asked for: a store may be larger than memory.
                let mut bytes = vec![0; (part.end - part.start) as usize];
                file.seek(SeekFrom::Start(part.start))?;
                file.read_exact(&mut bytes).map(|()| bytes)
            };
            match wanted.map(|wanted| range(&wanted, size)) {
                None => ("200 OK", kind(&path), read(0..size)?, None),
                Some(Some(part)) => {
                    let said = format!("bytes {}-{}/{size}", part.start, part.end - 1);
                    ("206 Partial Content", kind(&path), read(part)?, Some(said))
                }
                Some(None) => {
                    ("416 Range Not Satisfiable", kind(&path), Vec::new(), Some(format!("bytes */{size}")))
                }
            }
        }
        None => ("404 Not Found", "text/plain; charset=utf-8", b"There is no such file.\n".to_vec(), None),
    };
    let range = range.map_or_else(String::new, |said| format!("content-range: {said}\r\n"));
    // A page that was built again is to be seen: nothing is kept.
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n{range}accept-ranges: bytes\r\ncache-control: no-cache\r\nconnection: close\r\n\r\n",
        bytes.len()
    )?;
    if method != "HEAD" {
        stream.write_all(&bytes)?;
    }
    stream.flush()
}

/// The bytes that a `range` header asks for, if there are any: one range from an offset on.
fn range(wanted: &str, size: u64) -> Option<std::ops::Range<u64>> {
    let (from, to) = wanted.strip_prefix("bytes=")?.split_once('-')?;
    let from: u64 = from.trim().parse().ok()?;
    let to = if to.trim().is_empty() { size } else { to.trim().parse::<u64>().ok()?.saturating_add(1) };
    let part = from..to.min(size);
    (!part.is_empty()).then_some(part)
}

/// The file that is asked for, if it lies within the folder; of a folder, its index.
fn file(folder: &Path, target: &str) -> Option<PathBuf> {
    let path = target.split(['?', '#']).next()?.trim_start_matches('/');
    let path = if path.is_empty() || path.ends_with('/') { format!("{path}index.html") } else { path.into() };
    let path = Path::new(&path);
    path.components().all(|part| matches!(part, Component::Normal(_))).then(|| folder.join(path))
}

fn kind(path: &Path) -> &'static str {
    match path.extension().and_then(|end| end.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript",
        "wasm" => "application/wasm",
        "css" => "text/css",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "png" => "image/png",
        "jpg" => "image/jpeg",
        "svg" => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_lies_within_the_file() {
        assert_eq!(range("bytes=0-3", 10), Some(0..4));
        assert_eq!(range("bytes=4-", 10), Some(4..10));
        assert_eq!(range("bytes=8-99", 10), Some(8..10));
        for wrong in ["bytes=10-12", "bytes=5-4", "bytes=-3", "lines=1-2", "bytes=0-18446744073709551615x"] {
            assert_eq!(range(wrong, 10), None, "{wrong}");
        }
    }

    #[test]
    fn a_server_that_is_stopped_is_heard_no_more() {
        let server = start(Path::new("."), 0).unwrap();
        let reach = || TcpStream::connect((Ipv4Addr::LOCALHOST, server.port));
        assert!(reach().is_ok());
        server.stop();
        let begun = std::time::Instant::now();
        while reach().is_ok() {
            assert!(begun.elapsed() < Duration::from_secs(60), "it goes on");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn nothing_outside_of_the_folder_is_served() {
        let folder = Path::new("dist");
        assert_eq!(file(folder, "/"), Some(folder.join("index.html")));
        assert_eq!(file(folder, "/assets/a.tar?v=1"), Some(folder.join("assets/a.tar")));
        assert_eq!(file(folder, "/a/b/?open=store"), Some(folder.join("a/b/index.html")));
        assert_eq!(file(folder, "/../secret"), None);
        assert_eq!(file(folder, "//etc/passwd"), Some(folder.join("etc/passwd")));
    }
}
