//! How a window asks for students and leads them: each request once, and only when something has changed.

use std::sync::Arc;

use ferkd_method::Result;
use ferkd_method::mining::RegionKind;
use ferkd_train::trainer::Tuning;

use super::State;
use super::training::{Training, adapt_alike};
use crate::dataset::DataSet;
use crate::engine::{Request, TrainRequest};
use crate::experiment::{Data, TrainSettings};
use crate::snapshot::Record;

/// Sample regions of each kind.
const SAMPLES: usize = 3;

/// Images between two that are looked at for sample regions.
const STRIDE: u64 = 101;

impl State {
    /// What students may be told on the way: the settings at hand, as confidences on the scenes.
    ///
    /// # Errors
    /// Thresholds that do not ascend, or labels that are not here yet.
    pub fn tuning(&self) -> Result<Tuning> {
        let settings = &self.experiment.settings;
        Ok(Tuning {
            thresholds: self.labels.thresholds(Data::Scenes, settings)?,
            confidence: settings.confidence,
            epsilon: settings.epsilon,
            lr: self.experiment.training.lr,
        })
    }

    /// The training that the settings at hand describe.
    ///
    /// # Errors
    /// Those of [`tuning`](Self::tuning).
    pub fn training_wanted(&self) -> Result<TrainRequest> {
        let training = &self.experiment.training;
        Ok(TrainRequest {
            number: self.training.asked.as_ref().map_or(0, |asked| asked.number + 1),
            supervisions: training.supervisions.clone(),
            epochs: training.epochs,
            seed: training.seed,
            mix: training.mix,
            tuning: self.tuning()?,
            samples: Vec::new(),
        })
    }

    /// Regions of each kind, from images far apart, for students to be asked about; none twice from an image.
    fn sample_regions(&self, tuning: &Tuning) -> Result<Vec<(u64, u32)>> {
        let Some(store) = self.labels.set_of(Data::Scenes).and_then(DataSet::store) else {
            return Ok(Vec::new());
        };
        let mut found = RegionKind::ALL.map(|_| Vec::new());
        let images = store.len();
        for step in 0..images {
            // Prime to the number of images: classes, which follow each other in the store, come mixed.
            let image = (step * STRIDE) % images.max(1);
            for region in 0..store.per_image() {
                let kind = tuning.thresholds.kind(store.confidence(image, region, tuning.confidence)?)?;
                let of_kind = &mut found[kind as usize];
                if of_kind.len() < SAMPLES {
                    of_kind.push((image, region));
                    break;
                }
            }
            if found.iter().all(|of_kind| of_kind.len() == SAMPLES) {
                break;
            }
        }
        Ok(found.concat())
    }

    /// What keeps training from beginning, in words.
    pub fn training_missing(&self) -> Option<String> {
        let supervisions = &self.experiment.training.supervisions;
        if !self.labels.has(Data::Scenes) {
            return Some("The scenes' labels are still on their way: students learn from them".into());
        }
        let asks = supervisions.iter().any(|supervision| supervision.needs_teacher());
        if asks && !self.teachers.ready.contains_key(ferkd_train::demo::settings::TEACHER) {
            return Some("The scenes' teacher is not ready yet, and kd asks it at every step".into());
        }
        if supervisions.is_empty() {
            return Some("Choose one student or more".into());
        }
        self.tuning().err().map(|error| error.to_string())
    }

    /// Draws new students, under the settings at hand.
    pub fn begin_training(&mut self) {
        self.open_training(Request::Learn);
    }

    /// Takes up the students that were trained before; they go on under the settings at hand.
    pub fn resume_training(&mut self) {
        self.open_training(Request::Resume);
    }

    fn open_training(&mut self, ask: fn(TrainRequest) -> Request) {
        match self.training_wanted() {
            Ok(mut request) => {
                match self.sample_regions(&request.tuning) {
                    Ok(samples) => request.samples = samples,
                    Err(error) => self.notices.complain(error),
                }
                let (pace, record) = (self.training.pace, self.training.record.take());
                let asked = Some(request.clone());
                self.training = Training { is_opening: true, asked, pace, record, ..Training::default() };
                self.outbox.push(ask(request));
            }
            Err(error) => self.notices.complain(error),
        }
    }

    /// Whether students that were trained before can go on under the settings at hand.
    pub fn can_resume(&self) -> bool {
        let TrainSettings { supervisions, epochs, seed, mix, .. } = &self.experiment.training;
        let fits = |record: &Arc<Record>| record.fits(supervisions, *epochs, *seed, *mix);
        self.training.record.as_ref().is_some_and(fits) && self.training_missing().is_none()
    }

    /// Whether students that were trained before are to be taken up without being asked for: there are no others, and
    /// nothing was tried yet.
    pub fn resumes_by_itself(&self) -> bool {
        self.training.asked.is_none() && self.can_resume()
    }

    /// Lets students go on; draws them first where there are none, or takes up trained ones.
    pub fn play_training(&mut self) {
        if self.ready_training() {
            self.training.is_playing = true;
            self.outbox.push(Request::Play(None));
        }
    }

    /// One step of every student; draws or takes them up first where there are none.
    pub fn step_training(&mut self) {
        if self.ready_training() {
            self.training.is_stepping = true;
            self.outbox.push(Request::Play(Some(1)));
        }
    }

    /// Stops students once all have taken the step at hand.
    pub fn pause_training(&mut self) {
        self.outbox.push(Request::Pause);
    }

    fn ready_training(&mut self) -> bool {
        self.ensure_students();
        self.training.asked.is_some() && !self.training.is_over()
    }

    /// Draws students where there are none, or takes up trained ones.
    pub fn ensure_students(&mut self) {
        if self.training.has_begun || self.training.is_opening {
            return;
        }
        match self.can_resume() {
            true => self.resume_training(),
            false => self.begin_training(),
        }
    }

    /// Whether students would have to be drawn again to follow the settings at hand.
    pub fn training_is_outdated(&self) -> bool {
        let (Some(asked), Ok(wanted)) = (&self.training.asked, self.training_wanted()) else { return false };
        let (number, tuning, samples) = (asked.number, asked.tuning, asked.samples.clone());
        TrainRequest { number, tuning, samples, ..wanted } != *asked
    }

    /// Tells running students what has changed: once a frame at most, and nothing while nothing changes.
    pub(crate) fn follow_training(&mut self) {
        let pace = self.experiment.training.steps_per_s;
        if self.training.pace != pace {
            self.training.pace = pace;
            self.outbox.push(Request::Pace(pace));
        }
        let Ok(tuning) = self.tuning() else { return };
        let Some(asked) = self.training.asked.as_mut().filter(|asked| asked.tuning != tuning) else { return };
        let is_alike = adapt_alike(&asked.tuning, &tuning);
        asked.tuning = tuning;
        self.outbox.push(Request::Tune(tuning));
        if !is_alike && self.training.has_begun {
            self.training.note_retuned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferkd_train::config::Supervision;

    use crate::assets::Asset;
    use crate::engine::Reply;
    use crate::experiment::Experiment;

    fn with_scenes() -> State {
        let mut state = State::new(Experiment::default());
        for asset in [Asset::Scenes, Asset::Digits] {
            state.load(asset, asset.embedded().unwrap());
        }
        let (ids, names) = (Vec::new(), Vec::new());
        state.hear(Reply::Teacher { name: ferkd_train::demo::settings::TEACHER.into(), ids, names });
        state.refresh();
        state.outbox.clear();
        state
    }

    #[test]
    fn a_change_is_told_once_and_only_to_a_lesson() {
        let mut state = with_scenes();
        state.experiment.settings.epsilon = 0.2;
        state.refresh();
        assert!(state.outbox.is_empty(), "there is no student to tell");
        state.begin_training();
        assert!(matches!(&state.outbox[..], [Request::Learn(request)] if request.tuning.epsilon == 0.2));
        state.outbox.clear();
        state.refresh();
        assert!(state.outbox.is_empty());
        state.experiment.settings.quantiles.mid = 0.4;
        state.refresh();
        state.refresh();
        let wanted = state.tuning().unwrap();
        assert_eq!(state.outbox, [Request::Tune(wanted)]);
        assert!(!state.training_is_outdated(), "thresholds change on the way");
        state.experiment.training.seed = 7;
        assert!(state.training_is_outdated());
        state.outbox.clear();
        state.experiment.training.steps_per_s = 5;
        state.refresh();
        state.refresh();
        assert_eq!(state.outbox, [Request::Pace(5)]);
    }

    #[test]
    fn thresholds_are_those_of_the_scenes_whatever_is_looked_at() {
        let mut state = with_scenes();
        let on_photos = state.tuning().unwrap().thresholds;
        assert_ne!(state.thresholds(&state.experiment.settings).unwrap(), on_photos);
        state.look_at(Data::Scenes);
        state.refresh();
        assert_eq!(state.tuning().unwrap().thresholds, on_photos);
        assert_eq!(state.thresholds(&state.experiment.settings).unwrap(), on_photos);
    }

    #[test]
    fn what_is_missing_is_said() {
        let mut state = State::new(Experiment::default());
        assert!(state.training_missing().unwrap().contains("labels"));
        state.load(Asset::Scenes, Asset::Scenes.embedded().unwrap());
        state.refresh();
        assert!(state.training_missing().unwrap().contains("teacher"));
        state.experiment.training.supervisions = vec![Supervision::Ferkd];
        assert_eq!(state.training_missing(), None);
        state.experiment.training.supervisions.clear();
        assert!(state.training_missing().unwrap().contains("one student"));
    }
}
