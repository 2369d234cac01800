//! The work itself, as asynchronous steps: a page must not block while it reads from a device.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use burn::tensor::Device;
use ferkd_method::label::TopK;
use ferkd_method::{Error, Result};
use ferkd_nn::classifier::Classifier;
use ferkd_nn::device::SharedWgpu;
use ferkd_train::demo::settings::TEACHER;
use ferkd_train::teacher_pass::Readout;
use image::RgbImage;
use web_time::Instant;

use super::cutter::{Cutter, HostCutter, ShaderCutter, Source};
use super::live::LiveSession;
use super::onnx::OnnxRuntime;
use super::opening::Opening;
use super::teacher::{Cuts, Onnx, Teacher};
use super::training_data::{Drawing, TrainingData};
use super::{JobId, LabelJob, Picture, Reply, Request, TrainRequest};
use crate::snapshot::{FILE, Snapshot};

/// Pictures that are kept for further jobs.
const PICTURES: usize = 8;

/// Regions that go through the teacher at once.
const BATCH: usize = 16;

/// What errors of training are said to be of.
const TRAINING: &str = "training";

/// Teachers and students on one device.
pub struct Core {
    device: Device,
    teachers: BTreeMap<String, Box<dyn Teacher>>,
    /// What opens ONNX files.
    onnx: Option<Box<dyn OnnxRuntime>>,
    pictures: VecDeque<(u64, Source)>,
    cutter: Box<dyn Cutter>,
    /// Labels of the scenes, until a training session asks for them; drawing the scenes takes a while.
    scenes: Option<Vec<u8>>,
    /// The scenes while they are drawn.
    drawing: Option<Drawing>,
    data: Option<TrainingData>,
    /// Weights of the scenes' teacher: each student that asks one gets its own.
    scene_teacher: Option<Vec<u8>>,
    /// Students that were trained before: a snapshot's file.
    snapshot: Option<Vec<u8>>,
    /// A training session that is on its way.
    begun: Option<Begun>,
    live: Option<LiveSession>,
    steps_per_s: u32,
    /// The step that students do not go beyond.
    hold: Option<u64>,
}

/// A training session that is on its way.
struct Begun {
    request: TrainRequest,
    /// Whether it is to go on from students that were trained before.
    resumes: bool,
    /// Its students, once the scenes are drawn.
    opening: Option<Opening>,
    /// What was asked for meanwhile.
    waiting: Vec<Request>,
}

impl Core {
    /// Nothing loaded yet.
    pub fn new(device: Device) -> Self {
        Self {
            device,
            teachers: BTreeMap::new(),
            onnx: None,
            pictures: VecDeque::new(),
            cutter: Box::new(HostCutter),
            scenes: None,
            drawing: None,
            data: None,
            scene_teacher: None,
            snapshot: None,
            begun: None,
            live: None,
            steps_per_s: 0,
            hold: None,
        }
    }

    /// The same on a wgpu device, where a shader cuts a teacher's regions: their pixels never leave it.
    pub fn with_wgpu(shared: &SharedWgpu) -> Self {
        Self { cutter: Box::new(ShaderCutter::new(shared)), ..Self::new(shared.device.clone()) }
    }

    /// The same with what opens ONNX files.
    #[must_use]
    pub fn with_onnx(self, runtime: impl OnnxRuntime + 'static) -> Self {
        Self { onnx: Some(Box::new(runtime)), ..self }
    }

    /// Whether students wait to go on: call [`advance`](Self::advance) between requests.
    pub fn is_playing(&self) -> bool {
        self.begun.is_some() || self.live.as_ref().is_some_and(LiveSession::is_playing)
    }

    /// How long it is until [`advance`](Self::advance) has something to do: earlier calls do no harm.
    pub fn wait(&self) -> Duration {
        self.live.as_ref().map_or(Duration::ZERO, LiveSession::wait)
    }

    /// Does what is asked; failures are replies too.
    pub async fn answer(&mut self, request: Request, reply: &mut dyn FnMut(Reply)) {
        let job = request.job();
        if let Err(error) = self.try_answer(request, reply).await {
            reply(failed(job, &error));
        }
    }

    async fn try_answer(&mut self, request: Request, reply: &mut dyn FnMut(Reply)) -> Result<()> {
        if let Some(begun) = &mut self.begun
            && matches!(request, Request::Tune(_) | Request::Play(_) | Request::Pause)
        {
            begun.waiting.push(request);
            return Ok(());
        }
        match request {
            Request::Teacher { name, weights } => {
                let teacher = Classifier::from_bytes(&name, &weights, &self.device)?;
                if name == TEACHER {
                    self.scene_teacher = Some(weights);
                }
                self.take_teacher(name, Box::new(teacher), reply);
            }
            Request::Onnx(asked) => {
                let name = asked.bytes.name.clone();
                let absent = || {
                    Error::usage(&*name, "this program was built without what opens ONNX files")
                        .remedy("open it in the window or in the page")
                };
                let runtime = self.onnx.as_deref_mut().ok_or_else(absent)?;
                let teacher = Onnx::open(asked, runtime).await?;
                self.take_teacher(name, Box::new(teacher), reply);
            }
            Request::Forget(name) => _ = self.teachers.remove(&name),
            Request::Scenes(bytes) => self.scenes = Some(bytes),
            Request::Label(job) => {
                let begun = Instant::now();
                let id = job.id;
                let labels = self.label(job).await?;
                reply(Reply::Labels { id, labels, time_s: begun.elapsed().as_secs_f64() });
            }
            Request::Snapshot(bytes) => self.snapshot = Some(bytes),
            Request::Learn(request) => self.begin(request, false)?,
            Request::Resume(request) => self.begin(request, true)?,
            Request::Tune(tuning) => {
                if let Some(live) = &mut self.live {
                    live.tune(&tuning);
                }
            }
            Request::Play(steps) => match &mut self.live {
                Some(live) => {
                    live.play(steps);
                    reply(Reply::Playing(steps));
                }
                None => return Err(no_training()),
            },
            Request::Pace(steps_per_s) => {
                self.steps_per_s = steps_per_s;
                if let Some(live) = &mut self.live {
                    live.limit(steps_per_s);
                }
            }
            Request::Hold(step) => {
                self.hold = Some(step);
                if let Some(live) = &mut self.live {
                    live.hold(step);
                }
            }
            Request::Pause => match &mut self.live {
                Some(live) => live.pause(reply),
                None => reply(Reply::Paused),
            },
        }
        Ok(())
    }

    fn take_teacher(&mut self, name: String, teacher: Box<dyn Teacher>, reply: &mut dyn FnMut(Reply)) {
        let classes = teacher.classes().clone();
        self.teachers.insert(name.clone(), teacher);
        reply(Reply::Teacher { name, ids: classes.ids, names: classes.names });
    }

    /// Begins a training session: [`advance`](Self::advance) opens it.
    fn begin(&mut self, request: TrainRequest, resumes: bool) -> Result<()> {
        // Nothing of a former training session goes on, whether this one can begin or not.
        (self.live, self.begun) = (None, None);
        if self.scenes.is_none() && self.drawing.is_none() && self.data.is_none() {
            return Err(no_labels());
        }
        self.begun = Some(Begun { request, resumes, opening: None, waiting: Vec::new() });
        Ok(())
    }

    /// Draws scenes that are still to be drawn, some at a time; whether all of them are there.
    fn draw(&mut self) -> Result<bool> {
        if let Some(labels) = self.scenes.take() {
            (self.data, self.drawing) = (None, Some(Drawing::new(labels)?));
        }
        let Some(mut drawing) = self.drawing.take() else { return Ok(true) };
        match drawing.advance()? {
            true => self.data = Some(drawing.finish()?),
            false => self.drawing = Some(drawing),
        }
        Ok(false)
    }

    /// Goes on with the training session that is on its way; once it is open, what was asked for meanwhile.
    fn go_on_opening(&mut self, reply: &mut dyn FnMut(Reply)) -> Result<Vec<Request>> {
        // What fails is on its way no longer.
        let Some(mut begun) = self.begun.take() else { return Ok(Vec::new()) };
        if !self.draw()? {
            self.begun = Some(begun);
            return Ok(Vec::new());
        }
        let data = self.data.as_ref().ok_or_else(no_labels)?;
        let teacher = || match &self.scene_teacher {
            Some(weights) => Classifier::from_bytes(TEACHER, weights, &self.device),
            None => Err(Error::usage(TEACHER, "this teacher is not loaded yet")
                .remedy("wait for its weights, or leave out kd")),
        };
        let opening = match begun.opening.take() {
            Some(opening) => Ok(opening),
            None if begun.resumes => {
                let absent =
                    || Error::usage(FILE, "the trained students are not here yet").remedy("wait for them");
                let snapshot =
                    self.snapshot.as_ref().ok_or_else(absent).and_then(|bytes| Snapshot::read(bytes));
                snapshot.and_then(|snapshot| Opening::resuming(begun.request.clone(), snapshot, data))
            }
            None => Ok(Opening::new(begun.request.clone())),
        };
        let went = opening.and_then(|mut opening| {
            let live = opening.advance(data, &teacher, &self.device)?;
            Ok((live, opening))
        });
        match went {
            Ok((Some(mut live), _)) => {
                live.limit(self.steps_per_s);
                self.hold.into_iter().for_each(|step| live.hold(step));
                reply(Reply::TrainingOpened {
                    number: begun.request.number,
                    supervisions: begun.request.supervisions,
                    steps: live.steps(),
                    step: live.step(),
                    parameters: live.parameters(),
                });
                self.live = Some(live);
                return Ok(begun.waiting);
            }
            Ok((None, opening)) => begun.opening = Some(opening),
            // Rather from the start than not at all.
            Err(error) if begun.resumes => {
                reply(failed(JobId::Snapshot, &error));
                begun.resumes = false;
            }
            Err(error) => return Err(error),
        }
        self.begun = Some(begun);
        Ok(Vec::new())
    }

    /// The next piece of the students' work: short enough to come between two frames.
    pub async fn advance(&mut self, reply: &mut dyn FnMut(Reply)) {
        if self.begun.is_some() {
            match self.go_on_opening(reply) {
                Ok(waiting) => {
                    for request in waiting {
                        self.answer(request, reply).await;
                    }
                }
                Err(error) => {
                    reply(Reply::Paused);
                    reply(failed(JobId::Training, &error));
                }
            }
            return;
        }
        let Some(live) = &mut self.live else { return };
        if let Err(error) = live.advance(reply).await {
            live.halt();
            reply(Reply::Paused);
            reply(failed(JobId::Training, &error));
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
        let network = self.teachers.get_mut(&teacher).ok_or_else(absent)?;
        let source = self.pictures.iter_mut().find(|(k, _)| *k == key).map(|(_, source)| source);
        let source = source.ok_or_else(|| Error::usage("labelling", "the picture did not come along"))?;
        let all = network.classes();
        let outputs: Vec<u32> = match classes.is_empty() {
            true => (0..all.len() as u32).collect(),
            false => all.map_folders(&classes, &teacher)?,
        };
        let readout = Readout::new(&teacher, all.len(), outputs, temperature)?;
        let mut labels = Vec::with_capacity(regions.len());
        for regions in regions.chunks(BATCH) {
            let cuts = Cuts { source, regions, cutter: &*self.cutter, device: &self.device };
            labels.extend(readout.top_k(&network.logits(cuts).await?, k)?);
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

/// Students are told to go on, and there are none.
pub(super) fn no_training() -> Error {
    Error::usage(TRAINING, "no training has begun").remedy("train anew")
}

fn no_labels() -> Error {
    Error::usage(TRAINING, "the scenes' labels are not here yet").remedy("wait for them")
}

pub(super) fn failed(job: JobId, error: &Error) -> Reply {
    Reply::Failed { what: job.to_string(), job: Some(job), error: error.to_string() }
}
