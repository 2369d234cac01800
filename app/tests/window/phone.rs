//! The window on a phone's screen, under fingers.

use egui::accesskit::Role;
use egui::{Event, Modifiers, PointerButton, Pos2, Rect, TouchDeviceId, TouchId, TouchPhase, pos2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use ferkd_app::Inspector;
use ferkd_app::experiment::Experiment;
use ferkd_app::pane_kind::PaneKind;

use crate::common::open;

type Window = Harness<'static, Inspector>;

/// A window as large as a phone's screen: 360 x 780 points.
fn phone() -> Window {
    let mut window = open(Experiment::default());
    window.set_size(vec2(360.0, 780.0));
    window.run_steps(4);
    window
}

/// The same, after a touch at a place where nothing is: the window knows a touch screen.
fn touched_phone() -> Window {
    let mut window = phone();
    for phase in [TouchPhase::Start, TouchPhase::End] {
        first(&mut window, phase, pos2(358.0, 778.0));
        window.run_steps(1);
    }
    window
}

fn finger(window: &Window, number: u64, phase: TouchPhase, pos: Pos2) {
    let (device_id, id) = (TouchDeviceId(0), TouchId(number));
    window.event(Event::Touch { device_id, id, phase, pos, force: None });
}

/// A frame in which the first finger does something: it is the pointer too, as browsers and systems have it.
fn first(window: &mut Window, phase: TouchPhase, pos: Pos2) {
    let button = |pressed| Event::PointerButton {
        pos,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    finger(window, 1, phase, pos);
    match phase {
        TouchPhase::Start => window.event(button(true)),
        TouchPhase::Move => window.event(Event::PointerMoved(pos)),
        TouchPhase::End | TouchPhase::Cancel => {
            window.event(button(false));
            window.event(Event::PointerGone);
        }
    }
    window.run_steps(1);
}

/// A frame in which the second finger does something.
fn second(window: &mut Window, phase: TouchPhase, pos: Pos2) {
    finger(window, 2, phase, pos);
    window.run_steps(1);
}

fn photo(window: &Window) -> Rect {
    window.get_by_role_and_label(Role::Image, "n02124075/chelsea.jpg").rect()
}

#[test]
fn everything_lies_within_the_screen() {
    let mut window = phone();
    let photo = photo(&window);
    assert!(photo.left() >= 0.0 && photo.right() <= 360.0 && photo.width() > 320.0, "{photo:?}");
    for name in ["FerKD", "Photos", "Scenes", "Yours", "Menu", "Tools"] {
        let rect = window.get_by_role_and_label(Role::Button, name).rect();
        assert!(rect.left() >= 0.0 && rect.right() <= 360.0, "{name}: {rect:?}");
    }
    // One row: what is in the bar stands level.
    let top = |name| window.get_by_role_and_label(Role::Button, name).rect().center().y;
    assert!((top("Photos") - top("Menu")).abs() < 4.0, "{} {}", top("Photos"), top("Menu"));
    window.get_by_role_and_label(Role::Button, "Menu").click();
    window.run_steps(3);
    for name in ["Files…", "Undo", "Copy link", "Help", "Dark"] {
        let rect = window.get_by_label(name).rect();
        assert!(rect.left() >= 0.0 && rect.right() <= 360.0, "{name}: {rect:?}");
    }
}

#[test]
fn two_fingers_draw_a_box_and_no_click_takes_it_away() {
    let mut window = touched_phone();
    let photo = photo(&window);
    let (a, b) = (photo.min + vec2(40.0, 30.0), photo.min + vec2(160.0, 130.0));
    first(&mut window, TouchPhase::Start, a);
    second(&mut window, TouchPhase::Start, b - vec2(30.0, 30.0));
    second(&mut window, TouchPhase::Move, b);
    let drawn = |window: &mut Window| {
        let state = window.state_mut().state();
        let size = state.shown().unwrap().size;
        (state.teachers.probe.as_ref().unwrap().region, size)
    };
    let (region, (width, _)) = drawn(&mut window);
    let scale = photo.width() / width as f32;
    for (found, expected) in
        [(region.left, 40.0), (region.top, 30.0), (region.width, 120.0), (region.height, 100.0)]
    {
        assert!((found as f32 * scale - expected).abs() < 2.0, "{region:?} at {scale} points a pixel");
    }
    // The first finger goes nearly where it came: no click, and the other one draws nothing alone.
    first(&mut window, TouchPhase::End, a);
    second(&mut window, TouchPhase::Move, b + vec2(20.0, 20.0));
    second(&mut window, TouchPhase::End, b);
    window.run_steps(2);
    assert_eq!(drawn(&mut window).0, region);
}

#[test]
fn one_finger_scrolls_over_the_photo() {
    let mut window = touched_phone();
    let before = photo(&window);
    let mut at = before.center();
    first(&mut window, TouchPhase::Start, at);
    for _ in 0..6 {
        at.y -= 15.0;
        first(&mut window, TouchPhase::Move, at);
    }
    let after = photo(&window);
    first(&mut window, TouchPhase::End, at);
    assert!(after.top() < before.top() - 60.0, "{before:?}, then {after:?}");
    assert!(window.state_mut().state().teachers.probe.is_none(), "no box is drawn");
}

#[test]
fn a_finger_takes_a_threshold() {
    let mut window = touched_phone();
    window.state_mut().focus(PaneKind::Confidence);
    window.run_steps(60);
    let before = window.state_mut().state().experiment.settings;
    let mid = window.state_mut().state().thresholds(&before).unwrap().mid;
    let rect = window.get_by_role_and_label(Role::Figure, "Histogram of confidence").rect();
    let at = |c: f32| pos2(rect.left() + 4.0 + c * (rect.width() - 8.0), rect.center().y);
    // Beside it, as fingers are.
    first(&mut window, TouchPhase::Start, at(mid) + vec2(10.0, 0.0));
    for c in [mid + 0.05, mid + 0.1, mid + 0.15] {
        first(&mut window, TouchPhase::Move, at(c));
    }
    first(&mut window, TouchPhase::End, at(mid + 0.15));
    window.run_steps(2);
    let after = window.state_mut().state().experiment.settings;
    let found = window.state_mut().state().thresholds(&after).unwrap().mid;
    assert!((found - (mid + 0.15)).abs() < 0.05, "{mid}, then {found}");
}
