//! The built page in a folder of its site, and without its server once it was visited.

use std::net::TcpStream;
use std::path::Path;

use ferkd_tests::browser::Browser;
use ferkd_tests::page::{Visit, no_complaint, open, visit_in};
use serde_json::{Value, json};

/// Where the page lies below its site.
const FOLDER: &str = "a/b/";

/// Waits until the page is kept, and the weights too.
fn wait_until_kept(browser: &mut Browser) {
    browser.until("weights and labels", |state| {
        state["loading"].as_object().unwrap().is_empty() && state["teachers"].as_array().unwrap().len() == 2
    });
    let is_kept = "navigator.serviceWorker.ready.then((kept) => kept.active.scriptURL)";
    assert!(browser.evaluate(is_kept).as_str().unwrap().ends_with("/a/b/sw.js"));
}

/// Loads the page again, and waits until it is another one that shows labels.
fn reload(browser: &mut Browser) -> Value {
    browser.evaluate("window.before = true");
    browser.call("Page.reload", json!({}));
    browser.until_true("!window.before && !!window.ferkd");
    browser.until("a photo with labels again", |state| state["shown"]["labels"].as_u64().unwrap_or(0) > 0)
}

#[test]
fn a_page_in_a_folder_comes_back_without_its_server() {
    let Some(mut visit) = visit_in(FOLDER, false) else { return };
    let first = open(&mut visit);
    wait_until_kept(&mut visit.browser);
    visit.server.stop();
    let begun = std::time::Instant::now();
    while TcpStream::connect(("127.0.0.1", visit.server.port)).is_ok() {
        assert!(begun.elapsed().as_secs() < 60, "the server goes on");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let browser = &mut visit.browser;
    let again = reload(browser);
    assert_eq!(again["kinds"], first["kinds"]);
    // Both teachers come out of the browser's cache, and the one of photos still answers.
    browser.until("the teachers", |state| state["teachers"].as_array().unwrap().len() == 2);
    browser.act("box", json!({ "top": 20, "left": 100, "height": 180, "width": 180, "flip": false }));
    browser.until("the box's label", |state| !state["box"]["label"].is_null());
    // The browser may note that no one answered; what the page itself says would be something else.
    browser.complaints.retain(|said| !said.contains("ERR_CONNECTION_REFUSED"));
    no_complaint(browser);
}

/// Puts a file with other words in the place of one of the page's, which are links to the build.
fn replace(at: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(at).unwrap();
    assert!(text.contains(from), "{}: expected {from}", at.display());
    std::fs::remove_file(at).unwrap();
    std::fs::write(at, text.replace(from, to)).unwrap();
}

/// Names of the caches that hold pages.
fn kept_pages(browser: &mut Browser) -> Vec<String> {
    let names = "caches.keys().then((names) => names.filter((name) => name.startsWith('ferkd-page:')))";
    serde_json::from_value(browser.evaluate(names)).unwrap()
}

#[test]
fn a_new_build_is_seen_at_once_and_the_old_one_is_kept_no_longer() {
    let Some(mut visit) = visit_in(FOLDER, false) else { return };
    open(&mut visit);
    wait_until_kept(&mut visit.browser);
    let before = kept_pages(&mut visit.browser);
    assert_eq!(before.len(), 1, "{before:?}");
    let page = visit.root.path().join(FOLDER);
    let worker = std::fs::read_to_string(page.join("sw.js")).unwrap();
    let version = worker.split_once("const VERSION = \"").unwrap().1.split('"').next().unwrap().to_owned();
    assert!(before[0].ends_with(&version), "{before:?}: {version}");
    replace(&page.join("sw.js"), &version, "another-build");
    replace(&page.join("index.html"), "<title>FerKD", "<title>Another build of FerKD");
    let Visit { browser, address, .. } = &mut visit;
    reload(browser);
    assert_eq!(browser.evaluate("document.title.startsWith('Another build')"), true);
    // The new one waits until no page of the old one is open any more.
    // It is installed first: a page that opens meanwhile would be the old one's, and keep that.
    let waits = "navigator.serviceWorker.getRegistration().then(async (kept) => {
        await kept.update();
        while (!kept.waiting) { await new Promise((then) => setTimeout(then, 100)); }
        return true;
    })";
    assert_eq!(browser.evaluate(waits), true);
    // The browser may see a moment later that the old page is gone, and a page that opens before that is the old one's too.
    for visit in 1.. {
        browser.open("about:blank");
        browser.until_true("document.readyState === 'complete' && location.href === 'about:blank'");
        std::thread::sleep(std::time::Duration::from_secs(visit));
        browser.open(address);
        browser.until("the page again", |state| state["shown"]["labels"].as_u64().unwrap_or(0) > 0);
        let kept = kept_pages(browser);
        if kept.len() == 1 && kept[0].ends_with("another-build") {
            break;
        }
        assert!(visit < 8, "kept are {kept:?}");
    }
    no_complaint(browser);
}
