//! What makes a laid out page work without a network, and look like something where it is linked to.

use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::Path;

use super::constants::fill;
use super::module;

/// The service worker, with its constants still open.
const WORKER: &str = "sw.js";

/// A picture for those who link to the page; its visitors do not need it.
const PREVIEW: &str = "preview.jpg";

/// Weights and labels, which the page keeps itself.
const ASSETS: &str = "assets";

/// The environment variable with the address that the page will have, for its preview: that must be absolute.
const ADDRESS: &str = "FERKD_PAGE_ADDRESS";

/// Completes a page that is laid out in `dist`: the service worker of `web`, filled in, and its own address where
/// that is known.
pub fn complete(web: &Path, dist: &Path) -> Result<(), String> {
    if let Some(address) = std::env::var_os(ADDRESS).filter(|address| !address.is_empty()) {
        let index = dist.join("index.html");
        let html = read_text(&index)?;
        write(&index, &with_address(&html, &address.to_string_lossy())?)?;
    }
    let files = files(dist)?;
    let worker = filled(&read_text(&web.join(WORKER))?, &version(dist, &files)?, &files)?;
    write(&dist.join(WORKER), &worker)
}

fn read_text(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Everything that the page's program is of, relative to `dist`, in the order of names.
fn files(dist: &Path) -> Result<Vec<String>, String> {
    let (mut found, mut folders) = (Vec::new(), vec![String::new()]);
    while let Some(folder) = folders.pop() {
        let at = dist.join(&folder);
        let entries = fs::read_dir(&at).map_err(|error| format!("{}: {error}", at.display()))?;
        for entry in entries {
            let entry = entry.map_err(|error| format!("{}: {error}", at.display()))?;
            let path = format!("{folder}{}", entry.file_name().to_string_lossy());
            match entry.path().is_dir() {
                true if path == ASSETS => {}
                true => folders.push(format!("{path}/")),
                false if [WORKER, PREVIEW].contains(&path.as_str()) => {}
                false => found.push(path),
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A checksum over names and bytes: another one for every other build.
fn version(dist: &Path, files: &[String]) -> Result<String, String> {
    let mut sum = DefaultHasher::new();
    for file in files {
        let path = dist.join(file);
        let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        sum.write(file.as_bytes());
        sum.write_u64(bytes.len() as u64);
        sum.write(&bytes);
    }
    Ok(format!("{:016x}", sum.finish()))
}

/// The service worker for these files: those of the module that computes ONNX files are kept once it was needed.
fn filled(worker: &str, version: &str, files: &[String]) -> Result<String, String> {
    let (later, first): (Vec<&str>, Vec<&str>) =
        files.iter().map(String::as_str).partition(|file| module::is_part(file));
    let listed = |files: &[&str]| serde_json::to_string(files).map_err(|error| error.to_string());
    let version = ("\"{version}\"", format!("\"{version}\""));
    fill(worker, WORKER, &[version, ("[\"{files}\"]", listed(&first)?), ("[\"{later}\"]", listed(&later)?)])
}

/// The page with the absolute address of its preview.
fn with_address(html: &str, address: &str) -> Result<String, String> {
    if !(address.starts_with("https://") || address.starts_with("http://"))
        || address.contains(['"', '<', '>'])
    {
        return Err(format!("{ADDRESS}: expected an address that begins with https://, found {address}"));
    }
    let (place, folder) = (format!("content=\"{PREVIEW}\""), address.trim_end_matches('/'));
    if !html.contains(&place) {
        return Err(format!("index.html: expected {place}"));
    }
    Ok(html.replace(&place, &format!("content=\"{folder}/{PREVIEW}\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../web")
    }

    #[test]
    fn the_worker_lists_what_the_program_is_of_and_no_more() {
        let dist = std::env::temp_dir().join(format!("ferkd-offline-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dist);
        fs::create_dir_all(dist.join(ASSETS)).unwrap();
        fs::create_dir_all(dist.join("snippets/a")).unwrap();
        let files = ["index.html", "ferkd-web.js", "snippets/a/inline.js", "assets/weights", "preview.jpg"];
        for file in files.into_iter().chain(["ferkd-onnx-12.js"]) {
            fs::write(dist.join(file), file).unwrap();
        }
        complete(&web(), &dist).unwrap();
        let worker = fs::read_to_string(dist.join(WORKER)).unwrap();
        let listed = r#"const FILES = ["ferkd-web.js","index.html","snippets/a/inline.js"];"#;
        assert!(worker.contains(listed), "{worker}");
        assert!(worker.contains(r#"const LATER = ["ferkd-onnx-12.js"];"#), "{worker}");
        assert!(!worker.contains("{version}"), "{worker}");
        // Laid out again it is the same, with another program another one.
        complete(&web(), &dist).unwrap();
        assert_eq!(fs::read_to_string(dist.join(WORKER)).unwrap(), worker);
        fs::write(dist.join("ferkd-web.js"), "new").unwrap();
        complete(&web(), &dist).unwrap();
        assert_ne!(fs::read_to_string(dist.join(WORKER)).unwrap(), worker);
        fs::remove_dir_all(&dist).unwrap();
    }

    #[test]
    fn the_preview_gets_the_address_of_the_page() {
        let html = fs::read_to_string(web().join("index.html")).unwrap();
        let found = with_address(&html, "https://example.org/ferkd/").unwrap();
        assert!(found.contains("content=\"https://example.org/ferkd/preview.jpg\""), "{found}");
        assert!(with_address(&html, "example.org").is_err());
        assert!(with_address("<p>", "https://example.org").is_err());
    }
}
