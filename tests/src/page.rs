//! A visit to the built page in a real browser.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use ferkd_data::store::{CHECKSUMS, MemoryFiles, ReadAt};
use ferkd_skip::not_installed;
use serde_json::{Value, json};
use xtask::serve::Server;

use crate::browser::{Browser, chromium};
use crate::repository;

/// One browser at a time: each takes what a small machine has.
static ONE: Mutex<()> = Mutex::new(());

/// A browser, and the page's address.
pub struct Visit {
    /// The browser.
    pub browser: Browser,
    /// The page's address, with its `/`.
    pub address: String,
    /// What is served: the page, and what a test puts beside it.
    pub root: tempfile::TempDir,
    /// What serves it.
    pub server: Server,
    /// Held until the visit ends.
    pub _one: MutexGuard<'static, ()>,
}

/// Visits the built page; none where it is to be skipped.
pub fn visit(with_webgpu: bool) -> Option<Visit> {
    visit_in("", with_webgpu)
}

/// The same where the page lies in a folder of its site: empty, or with a `/` at its end.
pub fn visit_in(folder: &str, with_webgpu: bool) -> Option<Visit> {
    let page = std::env::var_os("FERKD_PAGE").map_or_else(|| repository("dist"), PathBuf::from);
    if !page.join("index.html").exists() {
        not_installed("the page is not built: cargo xtask web");
        return None;
    }
    let Some(program) = chromium() else {
        not_installed("there is no Chromium: FERKD_CHROMIUM names one");
        return None;
    };
    let one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let root = tempfile::tempdir().unwrap();
    let at = root.path().join(folder);
    std::fs::create_dir_all(&at).unwrap();
    for entry in std::fs::read_dir(&page).unwrap() {
        let path = entry.unwrap().path().canonicalize().unwrap();
        std::os::unix::fs::symlink(&path, at.join(path.file_name().unwrap())).unwrap();
    }
    let server = xtask::serve::start(root.path(), 0).unwrap();
    let browser = Browser::start(&program, with_webgpu, (1280, 800));
    let address = format!("http://localhost:{}/{folder}", server.port);
    Some(Visit { browser, address, root, server, _one: one })
}

/// Colours of a screenshot: a blank or grey page has few.
pub fn colours(png: &[u8]) -> usize {
    let picture = image::load_from_memory(png).unwrap().to_rgb8();
    picture.pixels().map(|pixel| pixel.0).collect::<BTreeSet<_>>().len()
}

/// Looks at the scenes, with students of these settings, once everything that they need is there.
pub fn look_at_scenes(browser: &mut Browser, training: &Value) {
    browser
        .until("labels and teacher of the scenes", |state| state["teachers"].as_array().unwrap().len() == 2);
    browser.act("experiment", json!({ "data": "scenes", "training": training }));
    browser.until("the scenes' counts", |state| {
        state["experiment"]["data"] == "scenes" && !state["kinds"].is_null()
    });
}

/// Opens the page, and waits until it shows regions and their labels.
pub fn open(visit: &mut Visit) -> Value {
    let address = visit.address.clone();
    visit.browser.open(&address);
    let state = visit.browser.until("a photo with labels", |state| {
        state["shown"]["labels"].as_u64().unwrap_or(0) > 0 && state["frames"].as_u64().unwrap_or(0) > 2
    });
    visit.browser.until_true("document.getElementById('cover').hidden");
    // Who comes for the first time is told what this is.
    assert_eq!(state["welcome"], true);
    visit.browser.act("welcome", json!(false));
    visit.browser.until("the panes", |state| state["welcome"] == false);
    assert!(colours(&visit.browser.screenshot()) > 1000, "a page that is drawn has many colours");
    state
}

/// Fails if the page complained in the browser's console or in its own notices.
#[track_caller]
pub fn no_complaint(browser: &mut Browser) {
    let state = browser.state();
    assert_eq!(browser.complaints, Vec::<String>::new());
    let errors: Vec<&Value> =
        state["notices"].as_array().unwrap().iter().filter(|notice| notice["error"] == true).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

/// Writes the store of the demo's scenes into a folder, as `ferkd label` would.
pub fn write_scenes(at: &Path) {
    let archive = std::fs::read(repository("assets/playground/scenes-store.tar")).unwrap();
    let files = MemoryFiles::from_tar(&archive, "scenes").unwrap();
    let read = |name: &str| Some(files.read_at(name, 0, files.size(name).ok()? as usize).unwrap());
    std::fs::create_dir_all(at).unwrap();
    let sums = read(CHECKSUMS).unwrap();
    let listed = String::from_utf8(sums.clone()).unwrap();
    for (_, name) in listed.lines().filter_map(|line| line.split_once("  ")) {
        if let Some(bytes) = read(name) {
            std::fs::write(at.join(name), bytes).unwrap();
        }
    }
    std::fs::write(at.join(CHECKSUMS), sums).unwrap();
}
