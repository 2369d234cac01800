//! Fingers on the screen, one by one: egui tells of a gesture as a whole, and a box is drawn between two fingers.

use std::collections::BTreeMap;

use egui::{Context, Event, Pos2, TouchDeviceId, TouchId, TouchPhase};

/// Fingers that are down, and whether two of them were since the last time that none was.
#[derive(Debug, Clone, Default, PartialEq)]
struct Fingers {
    down: BTreeMap<(TouchDeviceId, TouchId), Pos2>,
    /// Holds through the frame in which the last finger is lifted: what egui takes for a click then was none.
    were_two: bool,
}

impl Fingers {
    fn follow(mut self, events: &[Event]) -> Self {
        if self.down.is_empty() {
            self.were_two = false;
        }
        for event in events {
            let Event::Touch { device_id, id, phase, pos, .. } = event else { continue };
            match phase {
                TouchPhase::Start | TouchPhase::Move => self.down.insert((*device_id, *id), *pos),
                TouchPhase::End | TouchPhase::Cancel => self.down.remove(&(*device_id, *id)),
            };
            self.were_two |= self.down.len() == 2;
        }
        self
    }
}

fn id() -> egui::Id {
    egui::Id::unique("fingers")
}

fn fingers(ctx: &Context) -> Fingers {
    ctx.data(|data| data.get_temp(id())).unwrap_or_default()
}

/// Takes in what fingers did; once a frame, before anything asks for them.
pub(crate) fn hear(ctx: &Context) {
    if !has_screen(ctx) {
        return;
    }
    let before = fingers(ctx);
    let mut now = ctx.input(|input| before.follow(&input.events));
    if !ctx.input(egui::InputState::any_touches) {
        // A window that lost the focus may never be told that a finger was lifted.
        now.down.clear();
    }
    ctx.data_mut(|data| data.insert_temp(id(), now));
}

/// Whether the reader was seen to touch the screen.
pub(crate) fn has_screen(ctx: &Context) -> bool {
    ctx.input(egui::InputState::has_touch_screen)
}

/// Where the two fingers are, in points, while exactly two are down.
pub(crate) fn two(ctx: &Context) -> Option<[Pos2; 2]> {
    let down: Vec<Pos2> = fingers(ctx).down.into_values().collect();
    down.try_into().ok()
}

/// Whether two fingers were down since the last time that none was: no click is meant.
pub(crate) fn were_two(ctx: &Context) -> bool {
    fingers(ctx).were_two
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(finger: u64, phase: TouchPhase, x: f32) -> Event {
        let (device_id, id) = (TouchDeviceId(0), TouchId(finger));
        Event::Touch { device_id, id, phase, pos: Pos2::new(x, 0.0), force: None }
    }

    #[test]
    fn fingers_come_and_go() {
        let start = [touch(1, TouchPhase::Start, 1.0), touch(2, TouchPhase::Start, 5.0)];
        let two = Fingers::default().follow(&start).follow(&[touch(2, TouchPhase::Move, 9.0)]);
        assert_eq!(two.down.values().map(|at| at.x).collect::<Vec<_>>(), [1.0, 9.0]);
        assert!(two.were_two);
        let ends = [touch(1, TouchPhase::End, 1.0), touch(2, TouchPhase::Cancel, 9.0)];
        let none = two.follow(&ends);
        assert!(none.down.is_empty() && none.were_two, "the frame of the last finger is still the gesture's");
        assert_eq!(none.follow(&[]), Fingers::default());
        // One finger after another is a click each.
        let one = Fingers::default().follow(&start[..1]).follow(&ends[..1]).follow(&start[1..]);
        assert!(!one.were_two);
    }
}
