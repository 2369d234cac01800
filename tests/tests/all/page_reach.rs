//! The built page for those who do not see it, or do not want things to move.

use ferkd_tests::page::{no_complaint, open, visit};
use serde_json::{Value, json};

/// What the hidden elements of a role are called.
fn names(role: &str) -> String {
    format!(
        "[...document.querySelectorAll('#mirror [role={role}]')].map((one) => one.getAttribute('aria-label'))"
    )
}

#[test]
fn a_screen_reader_finds_panes_kinds_and_counts_and_can_click() {
    let Some(mut visit) = visit(false) else { return };
    let state = open(&mut visit);
    let browser = &mut visit.browser;
    browser.until_true(&format!("{}.length >= 3", names("region")));
    let panes = browser.evaluate(&names("region"));
    for pane in ["Image", "Confidence", "Label", "Training"] {
        assert!(panes.as_array().unwrap().contains(&json!(pane)), "{pane}: {panes}");
    }
    // The same numbers as on the canvas.
    let of = |kind: &str| format!("{} {kind} (", state["kinds"][kind]);
    let histogram = "#mirror [role=img][aria-label=\"Histogram of confidence\"]";
    let said = format!("document.querySelector('{histogram}')?.getAttribute('aria-description') || ''");
    browser.until_true(&format!("({said}).includes('{}')", of("important")));
    let said = browser.evaluate(&said);
    for kind in ["discarded", "context", "important", "trivial"] {
        assert!(said.as_str().unwrap().contains(&of(kind)), "{said}: expected {}", of(kind));
    }
    assert!(said.as_str().unwrap().contains("thresholds low"), "{said}");
    // A field has its value, and what cannot be done says so.
    let mid =
        "document.querySelector('#mirror [role=spinbutton][aria-label=mid]').getAttribute('aria-valuenow')";
    let mid: f64 = browser.evaluate(mid).as_str().unwrap().parse().unwrap();
    let expected = state["experiment"]["quantiles"]["mid"].as_f64().unwrap();
    assert!((mid - expected).abs() < 1e-3, "{mid}, expected {expected}");
    let undo =
        "document.querySelector('#mirror [role=button][aria-label=Undo]').getAttribute('aria-disabled')";
    assert_eq!(browser.evaluate(undo), "true");
    // What is clicked there is clicked on the canvas.
    browser.until("the scenes", |state| state["loading"].as_object().unwrap().is_empty());
    browser
        .until_true("!document.querySelector('#mirror [aria-label=Scenes]').hasAttribute('aria-disabled')");
    browser.evaluate("document.querySelector('#mirror [role=button][aria-label=Scenes]').click()");
    browser.until("the scenes", |state| state["experiment"]["data"] == "scenes");
    // No one sees it, and the keyboard does not go there.
    let place = "JSON.stringify([document.getElementById('mirror').getBoundingClientRect().width, \
                 document.querySelectorAll('#mirror [tabindex=\"0\"]').length])";
    assert_eq!(browser.evaluate(place), "[1,0]");
    no_complaint(browser);
}

#[test]
fn nothing_moves_where_the_reader_does_not_want_it() {
    for (wanted, still) in [("reduce", true), ("no-preference", false)] {
        let Some(mut visit) = visit(false) else { return };
        let features = json!([{ "name": "prefers-reduced-motion", "value": wanted }]);
        visit.browser.call("Emulation.setEmulatedMedia", json!({ "features": features }));
        let state: Value = open(&mut visit);
        assert_eq!(state["animation_s"].as_f64() == Some(0.0), still, "{}", state["animation_s"]);
        no_complaint(&mut visit.browser);
    }
}
