//! The work itself, as asynchronous steps: a page must not block while it reads from a device.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use burn::tensor::Device;
use ferkd::classifier::{Classifier, read_async};
use ferkd::demo::settings::TEACHER;
use ferkd::device::SharedWgpu;
use ferkd::label::{TopK, softmax};
use ferkd::{Error, Result};
use image::RgbImage;
use web_time::Instant;

use super::cutter::{Cutter, HostCutter, ShaderCutter, Source};
use super::school::{Classroom, School};
use super::{LabelJob, Picture, Reply, Request};

/// Pictures that are kept for further jobs.
const PICTURES: usize = 8;

/// Regions that go through the teacher at once.
const BATCH: usize = 16;

/// What failures of labelling are filed under.
pub(crate) const LABELLING: &str = "labelling";

/// What failures of lessons are filed under.
pub(crate) const TRAINING: &str = "training";

/// Teachers and students on one device.
pub struct Core {
    device: Device,
    teachers: BTreeMap<String, Classifier>,
    pictures: VecDeque<(u64, Source)>,
    cutter: Box<dyn Cutter>,
    /// Labels of the scenes, until a lesson asks for them; drawing the scenes takes a while.
    scenes: Option<Vec<u8>>,
    classroom: Option<Classroom>,
    /// Weights of the scenes' teacher: each student that asks one gets its own.
    scene_teacher: Option<Vec<u8>>,
    school: Option<School>,
    steps_per_s: u32,
}

impl Core {
    /// Nothing loaded yet.
    pub fn new(device: Device) -> Self {
        Self {
            device,
            teachers: BTreeMap::new(),
            pictures: VecDeque::new(),
            cutter: Box::new(HostCutter),
            scenes: None,
            classroom: None,
            scene_teacher: None,
            school: None,
            steps_per_s: 0,
        }
    }

    /// The same on a wgpu device, where a shader cuts a teacher's regions: their pixels never leave it.
    pub fn with_wgpu(shared: &SharedWgpu) -> Self {
        Self { cutter: Box::new(ShaderCutter::new(shared)), ..Self::new(shared.device.clone()) }
    }

    /// Whether students wait to go on: call [`advance`](Self::advance) between requests.
    pub fn is_playing(&self) -> bool {
        self.school.as_ref().is_some_and(School::is_playing)
    }

    /// How long it is until [`advance`](Self::advance) has something to do: earlier calls do no harm.
    pub fn wait(&self) -> Duration {
        self.school.as_ref().map_or(Duration::ZERO, School::wait)
    }

    /// Does what is asked; failures are replies too.
    pub async fn answer(&mut self, request: Request, reply: &mut dyn FnMut(Reply)) {
        let what = match &request {
            Request::Teacher { name, .. } => format!("loading {name}"),
            Request::Scenes(_) => "loading the scenes' labels".into(),
            Request::Label(_) => LABELLING.into(),
            Request::Learn(_) | Request::Tune(_) | Request::Play(_) | Request::Pace(_) | Request::Pause => {
                TRAINING.into()
            }
        };
        if let Err(error) = self.try_answer(request, reply).await {
            reply(Reply::Failed { what, error: error.to_string() });
        }
    }

    async fn try_answer(&mut self, request: Request, reply: &mut dyn FnMut(Reply)) -> Result<()> {
        match request {
            Request::Teacher { name, weights } => {
                let teacher = Classifier::from_bytes(&name, &weights, &self.device)?;
                if name == TEACHER {
                    self.scene_teacher = Some(weights);
                }
                let classes = teacher.card.classes.clone();
                self.teachers.insert(name.clone(), teacher);
                reply(Reply::Teacher { name, ids: classes.ids, names: classes.names });
            }
            Request::Scenes(bytes) => self.scenes = Some(bytes),
            Request::Label(job) => {
                let begun = Instant::now();
                let id = job.id;
                let labels = self.label(job).await?;
                reply(Reply::Labels { id, labels, time_s: begun.elapsed().as_secs_f64() });
            }
            Request::Learn(lesson) => {
                // Nothing of a former lesson goes on, whether this one can begin or not.
                self.school = None;
                if let Some(labels) = self.scenes.take() {
                    self.classroom = Some(Classroom::new(labels)?);
                }
                let classroom = self.classroom.as_ref().ok_or_else(|| {
                    Error::usage(TRAINING, "the scenes' labels are not here yet").remedy("wait for them")
                })?;
                let teacher = || match &self.scene_teacher {
                    Some(weights) => Classifier::from_bytes(TEACHER, weights, &self.device),
                    None => Err(Error::usage(TEACHER, "this teacher is not loaded yet")
                        .remedy("wait for its weights, or leave out kd")),
                };
                let mut school = School::open(&lesson, classroom, &teacher, &self.device)?;
                school.limit(self.steps_per_s);
                reply(Reply::Lesson {
                    supervisions: lesson.supervisions,
                    steps: school.steps(),
                    parameters: school.parameters(),
                });
                self.school = Some(school);
            }
            Request::Tune(tuning) => {
                if let Some(school) = &mut self.school {
                    school.tune(&tuning);
                }
            }
            Request::Play(steps) => match &mut self.school {
                Some(school) => {
                    school.play(steps);
                    reply(Reply::Playing(steps));
                }
                None => return Err(Error::usage(TRAINING, "no lesson has begun").remedy("press reset")),
            },
            Request::Pace(steps_per_s) => {
                self.steps_per_s = steps_per_s;
                if let Some(school) = &mut self.school {
                    school.limit(steps_per_s);
                }
            }
            Request::Pause => match &mut self.school {
                Some(school) => school.pause(reply),
                None => reply(Reply::Paused),
            },
        }
        Ok(())
    }

    /// The next piece of the students' work: short enough to come between two frames.
    pub async fn advance(&mut self, reply: &mut dyn FnMut(Reply)) {
        let Some(school) = &mut self.school else { return };
        if let Err(error) = school.advance(reply).await {
            school.halt();
            reply(Reply::Paused);
            reply(Reply::Failed { what: TRAINING.into(), error: error.to_string() });
        }
    }

    /// The top K of every region of a job.
    async fn label(&mut self, job: LabelJob) -> Result<Vec<TopK>> {
        let LabelJob { teacher, key, picture, regions, classes, temperature, k, .. } = job;
        if let Some(picture) = picture {
            self.keep(key, picture)?;
        }
        let absent =
            || Error::usage(&*teacher, "this teacher is not loaded yet").remedy("wait for its weights");
        let teacher = self.teachers.get(&teacher).ok_or_else(absent)?;
        let source = self.pictures.iter_mut().find(|(k, _)| *k == key).map(|(_, source)| source);
        let source = source.ok_or_else(|| Error::usage("labelling", "the picture did not come along"))?;
        let all = &teacher.card.classes;
        let outputs: Vec<usize> = match classes.is_empty() {
            true => (0..all.len()).collect(),
            false => all.map_folders(&classes, &teacher.name)?.into_iter().map(|c| c as usize).collect(),
        };
        let view = teacher.view();
        let mut labels = Vec::with_capacity(regions.len());
        for group in regions.chunks(BATCH) {
            let input = self.cutter.cut(source, group, &view, &self.device)?;
            let logits = read_async(teacher.forward(input)).await?;
            for row in logits.chunks(all.len()) {
                let used: Vec<f32> = outputs.iter().map(|&c| row[c]).collect();
                labels.push(TopK::of(&softmax(&used, temperature)?, k));
            }
        }
        Ok(labels)
    }

    fn keep(&mut self, key: u64, picture: Picture) -> Result<()> {
        let Picture { width, height, rgb } = picture;
        let picture = RgbImage::from_raw(width, height, rgb)
            .ok_or_else(|| Error::mismatch("picture", "its bytes are not width x height x 3"))?;
        self.pictures.retain(|(k, _)| *k != key);
        self.pictures.push_back((key, Source::new(picture)));
        while self.pictures.len() > PICTURES {
            self.pictures.pop_front();
        }
        Ok(())
    }
}
