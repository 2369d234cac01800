//! Students on several engines: they take the steps of one engine, are told and stop at the same step, and what one of
//! them cannot do is said once.

use std::collections::BTreeMap;

use burn::tensor::Device;
use ferkd_train::config::Supervision;
use ferkd_train::demo::settings::TEACHER;
use ferkd_train::trainer::Tuning;

use super::{LABELS, WEIGHTS, open, request, rounds, run};
use crate::engine::core::Core;
use crate::engine::engine_group::EngineGroup;
use crate::engine::{Engine, JobId, Reply, Request, StudentStep, TrainRequest};

/// An engine that works only when it is looked at: so many pieces of work each time.
struct Direct {
    core: Core,
    pieces: u32,
    said: Vec<Reply>,
}

impl Direct {
    fn new(pieces: u32) -> Self {
        Self { core: Core::new(Device::flex()), pieces, said: Vec::new() }
    }
}

impl Engine for Direct {
    fn send(&mut self, request: Request) {
        pollster::block_on(self.core.answer(request, &mut |reply| self.said.push(reply)));
    }

    fn replies(&mut self) -> Vec<Reply> {
        for _ in 0..self.pieces {
            if self.core.is_playing() {
                pollster::block_on(self.core.advance(&mut |reply| self.said.push(reply)));
            }
        }
        std::mem::take(&mut self.said)
    }
}

/// A group of so many engines for students, which work unequally fast; with labels and teacher.
fn group(most: usize) -> EngineGroup<Direct> {
    let mut started = 0;
    let mut group = EngineGroup::new(Direct::new(1), most, move || {
        started += 1;
        (started <= most).then(|| Direct::new([9, 2, 5][(started - 1) % 3]))
    });
    group.send(Request::Scenes(LABELS.to_vec()));
    group.send(Request::Teacher { name: TEACHER.into(), weights: WEIGHTS.to_vec() });
    group
}

/// Looks until something is said; all that was said till then.
fn until(group: &mut EngineGroup<Direct>, is_it: impl Fn(&Reply) -> bool) -> Vec<Reply> {
    let mut said = Vec::new();
    for _ in 0..100_000 {
        let new = group.replies();
        let found = new.iter().any(&is_it);
        said.extend(new);
        if found {
            return said;
        }
    }
    panic!("it was never said: {said:?}");
}

fn is_paused(reply: &Reply) -> bool {
    matches!(reply, Reply::Paused)
}

fn is_opened(reply: &Reply) -> bool {
    matches!(reply, Reply::TrainingOpened { .. })
}

fn failures(said: &[Reply]) -> Vec<(Option<JobId>, &str)> {
    said.iter()
        .filter_map(|reply| match reply {
            Reply::Failed { job, error, .. } => Some((job.clone(), &**error)),
            _ => None,
        })
        .collect()
}

/// The steps of every student, in order.
fn by_student(said: &[Reply]) -> BTreeMap<&'static str, Vec<StudentStep>> {
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for step in rounds(said).into_iter().flatten() {
        found.entry(step.supervision.name()).or_default().push(*step);
    }
    found
}

#[test]
fn several_engines_take_the_steps_of_one() {
    let request = request(&[Supervision::Hard, Supervision::Kd, Supervision::FerkdSelfmix]);
    let mut alone = open(&request, &Device::flex());
    alone.play(Some(6));
    let alone = run(&mut alone);
    for engines in [1, 2] {
        let mut group = group(engines);
        group.send(Request::Learn(request.clone()));
        group.send(Request::Play(Some(6)));
        let said = until(&mut group, is_paused);
        let opened: Vec<&Reply> = said.iter().filter(|reply| is_opened(reply)).collect();
        let [Reply::TrainingOpened { supervisions, step: 0, .. }] = opened[..] else { panic!("{opened:?}") };
        assert_eq!(*supervisions, request.supervisions, "in the order in which they were asked for");
        assert_eq!(by_student(&said), by_student(&alone), "{engines} engines");
        assert_eq!(said.iter().filter(|reply| matches!(reply, Reply::Playing(Some(6)))).count(), 1);
        // And on from there.
        group.send(Request::Play(Some(1)));
        let more = until(&mut group, is_paused);
        assert!(by_student(&more).values().all(|steps| steps.len() == 1 && steps[0].step == 6));
    }
}

#[test]
fn all_are_told_and_stop_at_the_same_step() {
    let request = request(&[Supervision::Fkd, Supervision::Kd, Supervision::Ferkd]);
    let mut group = group(3);
    group.send(Request::Learn(request.clone()));
    group.send(Request::Play(None));
    let reached = |step: u64| move |reply: &Reply| matches!(reply, Reply::Step(steps) if steps.iter().any(|taken| taken.step >= step));
    let mut said = until(&mut group, reached(5));
    group.send(Request::Tune(Tuning { lr: 1e-3, ..request.tuning }));
    said.extend(until(&mut group, reached(12)));
    group.send(Request::Pause);
    said.extend(until(&mut group, is_paused));
    let mut far = BTreeMap::new();
    for step in rounds(&said).into_iter().flatten() {
        far.insert(step.supervision.name(), step.step);
        let fewest = if far.len() < 3 { 0 } else { far.values().copied().min().unwrap_or(0) };
        assert!(step.step <= fewest + 4, "{far:?}");
    }
    let students = by_student(&said);
    let stopped: Vec<usize> = students.values().map(Vec::len).collect();
    assert!(stopped.len() == 3 && stopped.iter().all(|steps| *steps == stopped[0]), "{stopped:?}");
    // The rate falls from one step to the next by far more than a schedule does.
    let told = |steps: &Vec<StudentStep>| steps.windows(2).position(|pair| pair[1].lr < 0.5 * pair[0].lr);
    let told: Vec<Option<usize>> = students.values().map(told).collect();
    assert!(told[0].is_some() && told.iter().all(|at| *at == told[0]), "{told:?}");
}

#[test]
fn sessions_that_follow_each_other_at_once_are_not_confused() {
    let (first, second) = (request(&[Supervision::Fkd, Supervision::Hard]), request(&[Supervision::Ferkd]));
    let mut group = group(2);
    group.send(Request::Learn(first));
    group.send(Request::Play(None));
    group.replies();
    group.send(Request::Learn(second));
    group.send(Request::Play(Some(2)));
    let said = until(&mut group, is_paused);
    let opened: Vec<&Reply> = said.iter().filter(|reply| is_opened(reply)).collect();
    let [Reply::TrainingOpened { supervisions, .. }] = opened[..] else { panic!("{opened:?}") };
    assert_eq!(*supervisions, [Supervision::Ferkd]);
    let students = by_student(&said);
    assert_eq!(
        students.into_iter().map(|(name, steps)| (name, steps.len())).collect::<Vec<_>>(),
        [("ferkd", 2)]
    );
}

#[test]
fn a_failure_is_said_once_and_stops_all() {
    let mut group = group(2);
    group.send(Request::Pause);
    group.send(Request::Play(None));
    let said = until(&mut group, |reply| matches!(reply, Reply::Failed { .. }));
    assert!(said.contains(&Reply::Paused));
    assert!(failures(&said)[0].1.contains("no training"), "{said:?}");
    let wild = request(&[Supervision::Fkd, Supervision::Ferkd]);
    let wild = TrainRequest { tuning: Tuning { lr: 1e30, ..wild.tuning }, ..wild };
    group.send(Request::Learn(wild));
    group.send(Request::Play(None));
    let mut said = until(&mut group, |reply| matches!(reply, Reply::Failed { .. }));
    said.extend((0..200).flat_map(|_| group.replies()));
    let failed = failures(&said);
    assert!(failed.len() == 1 && failed[0].0 == Some(JobId::Training), "{failed:?}");
    let steps = by_student(&said).values().map(Vec::len).max().unwrap_or(0);
    assert!(steps < 12, "{steps} steps: the other goes on");
    // Students that were never trained before cannot be resumed: said once, and all begin from the start.
    group.send(Request::Resume(request(&[Supervision::Fkd, Supervision::Hard])));
    let said = until(&mut group, is_opened);
    let failed = failures(&said);
    assert!(failed.len() == 1 && failed[0].0 == Some(JobId::Snapshot), "{failed:?}");
}

#[test]
fn where_no_other_engine_starts_the_first_one_trains() {
    let request = request(&[Supervision::Fkd, Supervision::Hard]);
    let mut group = EngineGroup::new(Direct::new(3), 2, || None);
    group.send(Request::Scenes(LABELS.to_vec()));
    group.send(Request::Learn(request));
    group.send(Request::Play(Some(2)));
    let said = until(&mut group, is_paused);
    assert_eq!(by_student(&said).values().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
}
