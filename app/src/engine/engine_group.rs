//! Students on several engines at once, as if there were one: a page's workers have a thread each, and each student is a
//! session of its own that needs nothing of the others.
//!
//! The first engine labels. Students are divided among the others, which are started when students are first asked for;
//! where none can be, the first one trains as well. No engine goes more than a few steps ahead of the slowest one, and
//! what changes on the way (other settings, a pause) waits until all stand at the same step: students of one session are
//! told at the same step, and stop at the same step, however many engines there are.

use std::collections::VecDeque;

use ferkd_train::config::Supervision;
use ferkd_train::demo::settings::TEACHER;

use super::core::{failed, no_training};
use super::{Engine, JobId, Reply, Request, TrainRequest};

/// Steps that an engine may be ahead of the slowest one: enough for a frame of the page to pass meanwhile.
const AHEAD: u64 = 4;

/// Engines that share the students of a session.
pub struct EngineGroup<E> {
    /// The first one labels.
    members: Vec<Member<E>>,
    /// Engines for students at the most.
    most: usize,
    start: Box<dyn FnMut() -> Option<E>>,
    /// What engines that are started later have to know as well.
    known: Vec<Request>,
    session: Shared,
    /// The session that is to begin once the one that is on its way is open.
    next: Option<(Begin, TrainRequest)>,
    /// What waits until all engines stand at the same step, or for the next session.
    waiting: VecDeque<Request>,
    /// What is said without an engine.
    said: Vec<Reply>,
}

/// How a session begins: [`Request::Learn`] or [`Request::Resume`].
type Begin = fn(TrainRequest) -> Request;

/// What all engines of a session have in common.
#[derive(Default)]
struct Shared {
    asked: Option<TrainRequest>,
    /// The step that no engine goes beyond.
    hold: u64,
    /// Whether a failure of training, and one of the trained students, has been passed on.
    has_failed: bool,
    has_failed_to_resume: bool,
}

/// An engine, and how far its students are.
struct Member<E> {
    engine: E,
    /// Whether it has students of this session.
    is_active: bool,
    /// Whether it has been asked for them and has not answered.
    is_opening: bool,
    /// Whether they are there: steps of their runs, steps taken, parameters of one.
    opened: Option<(u64, u64, usize)>,
    step: u64,
    is_paused: bool,
    /// How often it was told to go on without having answered.
    plays: u32,
}

impl<E: Engine> Member<E> {
    fn new(engine: E) -> Self {
        Self { engine, is_active: false, is_opening: false, opened: None, step: 0, is_paused: true, plays: 0 }
    }

    fn begin(&mut self, request: Request) {
        (self.is_active, self.is_opening, self.opened) = (true, true, None);
        (self.is_paused, self.plays) = (true, 0);
        // No step before all are there.
        self.engine.send(Request::Hold(0));
        self.engine.send(request);
    }

    fn leave(&mut self) {
        if self.is_active {
            self.engine.send(Request::Pause);
        }
        (self.is_active, self.is_opening, self.opened) = (false, false, None);
    }
}

impl<E: Engine> EngineGroup<E> {
    /// An engine, and up to `most` more for students, which `start` gives when they are needed.
    pub fn new(first: E, most: usize, start: impl FnMut() -> Option<E> + 'static) -> Self {
        Self {
            members: vec![Member::new(first)],
            most,
            start: Box::new(start),
            known: Vec::new(),
            session: Shared::default(),
            next: None,
            waiting: VecDeque::new(),
            said: Vec::new(),
        }
    }

    /// Tells all engines, and those that are started later.
    fn tell_all(&mut self, request: Request) {
        self.known.retain(|known| std::mem::discriminant(known) != std::mem::discriminant(&request));
        self.members.iter_mut().for_each(|member| member.engine.send(request.clone()));
        self.known.push(request);
    }

    fn active(&mut self) -> impl Iterator<Item = &mut Member<E>> {
        self.members.iter_mut().filter(|member| member.is_active)
    }

    /// Begins a session, once the one that is on its way has opened: two that open at once could not be told apart.
    fn begin(&mut self, begin: Begin, request: TrainRequest) {
        if self.active().any(|member| member.is_opening) {
            self.next = Some((begin, request));
            return;
        }
        let wanted = self.most.min(request.supervisions.len()).max(1);
        while self.members.len() <= wanted {
            let Some(mut engine) = (self.start)() else { break };
            self.known.iter().for_each(|known| engine.send(known.clone()));
            self.members.push(Member::new(engine));
        }
        let others = self.members.len() - 1;
        let shares = shares(&request.supervisions, others.min(wanted));
        let first = usize::from(others > 0);
        for (i, member) in self.members.iter_mut().enumerate() {
            match i.checked_sub(first).and_then(|i| shares.get(i)) {
                Some(share) => {
                    let own = TrainRequest { supervisions: share.clone(), ..request.clone() };
                    member.begin(begin(own));
                }
                None => member.leave(),
            }
        }
        self.session = Shared { asked: Some(request), ..Shared::default() };
    }

    /// Whether all engines stand at the same step and take no other by themselves.
    fn is_level(&mut self) -> bool {
        let hold = self.session.hold;
        self.active().all(|member| member.plays == 0 && (member.is_paused || member.step >= hold))
    }

    fn is_open(&mut self) -> bool {
        self.active().all(|member| member.opened.is_some())
    }

    /// Asks for something of the session, or lets it wait.
    fn ask(&mut self, request: Request) {
        self.waiting.push_back(request);
        self.go_on();
    }

    /// Passes on what can be passed on, and lets engines go on where nothing waits.
    fn go_on(&mut self) {
        if self.next.is_some() {
            if self.active().any(|member| member.is_opening) {
                return;
            }
            if let Some((begin, request)) = self.next.take() {
                self.begin(begin, request);
            }
        }
        while let Some(goes_on) = self.waiting.front().map(|request| matches!(request, Request::Play(_))) {
            if !self.is_open() || !(goes_on || self.is_level()) {
                return;
            }
            if let Some(request) = self.waiting.pop_front() {
                self.pass_on(&request);
            }
        }
        if self.is_open() {
            let slowest = self.active().map(|member| member.step).min().unwrap_or(0);
            if slowest + AHEAD > self.session.hold {
                self.session.hold = slowest + AHEAD;
                let hold = self.session.hold;
                self.active().for_each(|member| member.engine.send(Request::Hold(hold)));
            }
        }
    }

    fn pass_on(&mut self, request: &Request) {
        if matches!(request, Request::Play(_)) {
            self.session.has_failed = false;
            self.active().for_each(|member| member.plays += 1);
        }
        self.active().for_each(|member| member.engine.send(request.clone()));
        if self.active().next().is_none() {
            self.without_session(request);
        }
    }

    /// What an engine says that has no students.
    fn without_session(&mut self, request: &Request) {
        match request {
            Request::Play(_) => self.said.push(failed(JobId::Training, &no_training())),
            Request::Pause => self.said.push(Reply::Paused),
            _ => {}
        }
    }

    /// Takes in what an engine says.
    fn hear(&mut self, i: usize, reply: Reply) {
        match is_of_training(&reply) {
            // Students that are no more have nothing to say.
            true if self.members[i].is_active => self.hear_student(i, reply),
            true => {}
            // The others have nothing else to say that the first has not said.
            false if i == 0 || matches!(reply, Reply::Failed { job: None, .. }) => self.said.push(reply),
            false => {}
        }
    }

    fn hear_student(&mut self, i: usize, reply: Reply) {
        let member = &mut self.members[i];
        match reply {
            Reply::TrainingOpened { steps, step, parameters, .. } => {
                (member.is_opening, member.step) = (false, step);
                member.opened = Some((steps, step, parameters));
                self.open();
            }
            // Of a session that is no more.
            Reply::Step(_) | Reply::Evaluated { .. } if member.opened.is_none() => {}
            Reply::Step(steps) => {
                member.step = steps.first().map_or(member.step, |taken| taken.step + 1);
                self.said.push(Reply::Step(steps));
            }
            Reply::Playing(steps) => {
                (member.is_paused, member.plays) = (false, member.plays.saturating_sub(1));
                let is_first = self.members.iter().position(|member| member.is_active) == Some(i);
                if is_first {
                    self.said.push(Reply::Playing(steps));
                }
            }
            Reply::Paused => {
                member.is_paused = true;
                if self.is_open() && self.active().all(|member| member.is_paused && member.plays == 0) {
                    self.said.push(Reply::Paused);
                }
            }
            Reply::Failed { job: Some(JobId::Snapshot), .. } => {
                if !std::mem::replace(&mut self.session.has_failed_to_resume, true) {
                    self.said.push(reply);
                }
            }
            Reply::Failed { .. } => {
                (member.is_opening, member.is_paused, member.plays) = (false, true, 0);
                if !std::mem::replace(&mut self.session.has_failed, true) {
                    self.said.push(reply);
                    // A round stays open: there is nothing to wait for.
                    self.waiting.clear();
                    let others = self.members.iter_mut().enumerate();
                    for (_, other) in others.filter(|(k, other)| *k != i && other.is_active) {
                        other.engine.send(Request::Pause);
                    }
                }
            }
            reply => self.said.push(reply),
        }
    }

    /// Says that the session is open, once all engines' parts of it are.
    fn open(&mut self) {
        if self.next.is_some() {
            return;
        }
        let opened: Option<Vec<_>> = self.active().map(|member| member.opened).collect();
        let (Some(opened), Some(asked)) = (opened, self.session.asked.clone()) else { return };
        let Some(&(steps, step, parameters)) = opened.first() else { return };
        if opened.iter().any(|(_, other, _)| *other != step) {
            // Some had to begin from the start: so do all.
            self.begin(Request::Learn, asked);
            return;
        }
        self.session.hold = step;
        let TrainRequest { number, supervisions, .. } = asked;
        self.said.push(Reply::TrainingOpened { number, supervisions, steps, step, parameters });
    }
}

impl<E: Engine> Engine for EngineGroup<E> {
    fn send(&mut self, request: Request) {
        match request {
            Request::Scenes(_) | Request::Snapshot(_) | Request::Pace(_) => self.tell_all(request),
            // Students that ask it have an engine of their own.
            Request::Teacher { ref name, .. } if name == TEACHER => self.tell_all(request),
            // What was to be told to the session before is nothing to this one.
            Request::Learn(asked) => {
                self.waiting.clear();
                self.begin(Request::Learn, asked);
            }
            Request::Resume(asked) => {
                self.waiting.clear();
                self.begin(Request::Resume, asked);
            }
            Request::Tune(_) | Request::Play(_) | Request::Pause | Request::Hold(_) => self.ask(request),
            Request::Teacher { .. } | Request::Onnx(_) | Request::Forget(_) | Request::Label(_) => {
                self.members[0].engine.send(request);
            }
        }
    }

    fn replies(&mut self) -> Vec<Reply> {
        for i in 0..self.members.len() {
            for reply in self.members[i].engine.replies() {
                self.hear(i, reply);
            }
        }
        self.go_on();
        std::mem::take(&mut self.said)
    }
}

fn is_of_training(reply: &Reply) -> bool {
    match reply {
        Reply::TrainingOpened { .. }
        | Reply::Step(_)
        | Reply::Evaluated { .. }
        | Reply::Playing(_)
        | Reply::Paused => true,
        Reply::Failed { job, .. } => matches!(job, Some(JobId::Training | JobId::Snapshot)),
        Reply::Device(_) | Reply::Teacher { .. } | Reply::Labels { .. } => false,
    }
}

/// Divides students among so many engines, one at least and no more than there are students, so that none has much more to
/// do than another: who asks a teacher at every step counts for two.
fn shares(of: &[Supervision], engines: usize) -> Vec<Vec<Supervision>> {
    let work = |supervision: &Supervision| if supervision.needs_teacher() { 2 } else { 1 };
    let mut ordered = of.to_vec();
    ordered.sort_by_key(|supervision| std::cmp::Reverse(work(supervision)));
    let mut shares = vec![Vec::new(); engines.min(of.len()).max(1)];
    for supervision in ordered {
        let least =
            shares.iter_mut().min_by_key(|share: &&mut Vec<Supervision>| share.iter().map(work).sum::<u32>());
        if let Some(share) = least {
            share.push(supervision);
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_engine_has_much_more_to_do_than_another() {
        let all = [
            Supervision::Hard,
            Supervision::Kd,
            Supervision::Fkd,
            Supervision::Ferkd,
            Supervision::FerkdSelfmix,
        ];
        let two = shares(&all, 2);
        assert_eq!(two[0], [Supervision::Kd, Supervision::Ferkd]);
        assert_eq!(two[1], [Supervision::Hard, Supervision::Fkd, Supervision::FerkdSelfmix]);
        assert!(shares(&all, 9).iter().all(|share| share.len() == 1) && shares(&all, 9).len() == 5);
        assert_eq!(shares(&all, 1)[0].len(), 5);
        assert_eq!(shares(&[], 3), [Vec::new()], "an engine says what is wrong with that");
    }
}
