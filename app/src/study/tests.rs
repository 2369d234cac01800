//! What is found out about the demo's scenes, against the plainest way to count it.

use std::collections::HashSet;

use ferkd_method::mining::RegionKind;
use ferkd_train::demo::settings::is_mistake;

use super::review::{MOST_LISTED, ReviewStudy, Wanted, What};
use crate::panes::testing::scenes;
use crate::state::State;
use crate::verdict::Verdict;

fn reviewed(state: &State, what: What) -> ReviewStudy {
    let mut review = ReviewStudy::of(what);
    loop {
        review.advance(&state.question(), true);
        assert_eq!(review.error, None);
        if review.walk.is_done() {
            review.len().unwrap();
            return review;
        }
    }
}

fn listed(review: &mut ReviewStudy, state: &State) -> usize {
    review.list(&state.question());
    review.len().unwrap()
}

#[test]
fn disagreements_are_those_of_the_store_with_the_largest_margin_first() {
    let state = scenes();
    let review = reviewed(&state, What::Disagreements);
    let store = state.set().unwrap().store().unwrap().clone();
    let (mut expected, mut regions) = (Vec::new(), 0);
    for image in 0..store.len() {
        let class = store.class(image).unwrap().unwrap();
        for (label, region) in store.labels(image).unwrap().iter().zip(0u32..) {
            regions += 1;
            if label.prediction() != Some(class) {
                expected.push((image, region));
            }
        }
    }
    assert!(expected.len() > 100 && expected.len() < regions as usize);
    assert_eq!((review.regions, review.count), (regions, expected.len() as u64));
    let margins: Vec<f64> = review.lines().map(|(one, _)| one.weight(What::Disagreements)).collect();
    assert!(margins.is_sorted_by(|a, b| a >= b));
    let mut listed: Vec<(u64, u32)> = review.lines().map(|(one, _)| (one.image, one.region)).collect();
    listed.sort_unstable();
    assert_eq!(listed, expected);
}

#[test]
fn mistakes_are_what_visible_share_and_kind_say() {
    let mut state = scenes();
    let review = reviewed(&state, What::Mistakes);
    let listed: HashSet<(u64, u32)> = review.lines().map(|(one, _)| (one.image, one.region)).collect();
    assert!(!listed.is_empty());
    for image in [0, 5, 40, 444] {
        state.look_at_image(image);
        state.refresh();
        let shown = state.shown().unwrap();
        for (region, (label, share)) in shown.labels.iter().zip(shown.visible.as_ref().unwrap()).enumerate() {
            let (_, kind) =
                state.judge(&state.experiment.settings, label.as_ref().unwrap(), shown.truth).unwrap();
            assert_eq!(listed.contains(&(image, region as u32)), is_mistake(kind, *share));
        }
    }
}

#[test]
fn filters_leave_what_they_say() {
    let mut state = scenes();
    let mut review = reviewed(&state, What::Disagreements);
    let all = review.lines().count();
    let of_kind = RegionKind::ALL.map(|kind| review.lines().filter(|(_, found)| *found == kind).count());
    review.wanted.hidden[RegionKind::Context as usize] = true;
    assert_eq!(listed(&mut review, &state), all - of_kind[RegionKind::Context as usize]);
    review.wanted = Wanted { one_per_image: true, ..Wanted::default() };
    listed(&mut review, &state);
    let images: Vec<u64> = review.lines().map(|(one, _)| one.image).collect();
    assert_eq!(images.iter().collect::<HashSet<_>>().len(), images.len());
    assert!(images.len() < all);
    review.wanted = Wanted { by_image: true, ..Wanted::default() };
    listed(&mut review, &state);
    assert!(review.lines().map(|(one, _)| (one.image, one.region)).is_sorted());
    state.filters.class = Some(3);
    assert!(listed(&mut review, &state) < all);
    assert!(review.lines().all(|(one, _)| one.truth == 3));
}

#[test]
fn going_through_the_undecided_skips_none() {
    let mut state = scenes();
    state.study.review = reviewed(&state, What::Disagreements);
    let order: Vec<(u64, u32)> =
        state.study.review.lines().map(|(one, _)| (one.image, one.region)).take(4).collect();
    state.study.review.wanted.undecided = true;
    for (image, region) in &order {
        state.step_review(true);
        assert_eq!((state.experiment.image, state.experiment.region), (*image, Some(*region)));
        state.decide_chosen(Verdict::TeacherWrong);
    }
    assert_eq!(state.decisions().len(), 4);
    let mut review = std::mem::take(&mut state.study.review);
    let left = listed(&mut review, &state) as u64;
    assert_eq!(left, review.count.min(MOST_LISTED as u64) - 4);
}
