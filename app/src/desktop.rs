//! What a desktop alone can do: choose a device, open files by path.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use burn::tensor::Device;
use ferkd_data::images::{ImageList, Split};
use ferkd_data::store::{MANIFEST, Store};
use ferkd_method::{Error, Result};
use ferkd_nn::device::SharedWgpu;
use ferkd_train::config::TrainConfig;

use crate::dataset::{DataSet, Pictures};
use crate::experiment::Data;
use crate::onnx_files;
use crate::onnx_form::is_onnx;
use crate::run::{CONFIG, METRICS, RunView};
use crate::run_files;
use crate::shell::{Pick, Picked, Shell};
use crate::state::State;

/// A device to compute on, and a window's options that share it.
pub struct Opened {
    /// What computes.
    pub device: Device,
    /// The same with its handles, where it is a wgpu device.
    pub shared: Option<SharedWgpu>,
    /// What it is, in words.
    pub name: String,
    /// How the window is opened.
    pub options: eframe::NativeOptions,
    /// What the user should know.
    pub notice: Option<String>,
}

/// Opens a device by name: `wgpu`, which the window draws on too, `flex` (the CPU), or `auto`.
///
/// # Errors
/// A name that is none of these, or no wgpu adapter where one is asked for.
pub fn open_device(name: &str) -> Result<Opened> {
    let viewport =
        egui::ViewportBuilder::default().with_inner_size([1280.0, 800.0]).with_min_inner_size([360.0, 480.0]);
    let mut options = eframe::NativeOptions { viewport, ..Default::default() };
    let cpu = |options, notice| {
        let name = "CPU (flex)".into();
        Opened { device: Device::flex(), shared: None, name, options, notice }
    };
    match name {
        "flex" => Ok(cpu(options, None)),
        "auto" | "wgpu" => match ferkd_nn::device::open_shared() {
            Ok(shared) => {
                if name == "auto" && shared.is_software() {
                    let notice =
                        format!("{}: a software adapter, so the CPU computes instead", shared.name());
                    return Ok(cpu(options, Some(notice)));
                }
                let (device, name) = (shared.device.clone(), format!("wgpu: {}", shared.name()));
                options.wgpu_options.wgpu_setup = window_setup(shared.clone());
                Ok(Opened { device, shared: Some(shared), name, options, notice: None })
            }
            Err(error) if name == "wgpu" => Err(error),
            Err(error) => {
                Ok(cpu(options, Some(format!("No GPU that can be used ({error}): the CPU computes"))))
            }
        },
        other => {
            Err(Error::usage("device", format!("invalid device `{other}`: expected auto, flex or wgpu")))
        }
    }
}

fn window_setup(shared: SharedWgpu) -> eframe::egui_wgpu::WgpuSetup {
    let SharedWgpu { setup, .. } = shared;
    eframe::egui_wgpu::WgpuSetup::Existing(eframe::egui_wgpu::WgpuSetupExisting {
        instance: setup.instance,
        adapter: setup.adapter,
        device: setup.device,
        queue: setup.queue,
    })
}

impl State {
    /// Opens a label store, the folder of a run or of a sweep, or images.
    pub fn open_path(&mut self, path: &Path) {
        if run_files::is_sweep(path) {
            return self.open_sweep(path);
        }
        let mut labels = None;
        if path.join(CONFIG).exists() || path.join(METRICS).exists() {
            let mut run = RunView::new(path.display().to_string());
            run.is_followed = path.join(METRICS).exists();
            run.checkpoints = run_files::checkpoints(path);
            match configure(&mut run, path) {
                Ok(config) => labels = config.and_then(|c| Some((c.store?, c.images))),
                Err(error) => self.complain(error),
            }
            self.take_run(run);
            self.follow();
            if labels.is_none() {
                // A run that read no stored labels is its curves.
                return;
            }
        }
        if labels.is_none() && path.is_dir() && self.attach_folder(path) {
            return;
        }
        match open_path(path, labels) {
            Ok(Found::Set(set)) => {
                self.insert(Data::Yours, *set);
                self.look_at(Data::Yours);
            }
            Ok(Found::Files(files)) => self.take_files(files),
            Err(error) => self.complain(error),
        }
    }

    fn open_sweep(&mut self, path: &Path) {
        match run_files::sweep(path) {
            Ok((sweep, problem)) => {
                if let Some(problem) = problem {
                    self.complain(problem);
                }
                self.take_sweep(sweep);
            }
            Err(error) => self.complain(error),
        }
    }

    /// Takes a folder of images for those of the reader's store, if it holds them.
    fn attach_folder(&mut self, path: &Path) -> bool {
        let Some(set) = self.labels.set_mut(Data::Yours) else { return false };
        let attached = ImageList::open(path, Split::Train).ok().and_then(|list| set.attach(list));
        self.say_attached(attached)
    }

    /// Reads what the log of the run has grown by, and the sweep once more where that was asked for; what weights are
    /// asked for.
    pub fn follow(&mut self) {
        if std::mem::take(&mut self.runs.is_sweep_due)
            && let Some(sweep) = &self.runs.sweep
        {
            let path = PathBuf::from(&sweep.name);
            self.open_sweep(&path);
        }
        if let Some(path) = self.runs.wanted_checkpoint.take() {
            match run_files::weights(&path) {
                Ok(weights) => self.take_checkpoint(&path, weights),
                Err(error) => self.complain(error),
            }
        }
        let run = self.runs.current.as_mut().filter(|run| run.is_followed && run.log.is_none());
        let Some(run) = run else { return };
        let before = run.read;
        let read = read_more(run);
        if run.read != before {
            // A run writes them beside its log.
            run.checkpoints = run_files::checkpoints(Path::new(&run.name));
        }
        if let Err(error) = read {
            run.is_followed = false;
            self.complain(error);
        }
    }
}

/// Bytes of a log that are read at once: the interface shall not wait for a long one.
const LOG_AT_ONCE: u64 = 4 << 20;

fn read_more(run: &mut RunView) -> Result<()> {
    let path = Path::new(&run.name).join(METRICS);
    let mut file = File::open(&path).map_err(|e| Error::io(&path, e))?;
    let len = file.metadata().map_err(|e| Error::io(&path, e))?.len();
    if len < run.read {
        // A run that is resumed writes its log again.
        run.restart();
    }
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(run.read)).map_err(|e| Error::io(&path, e))?;
    file.take(LOG_AT_ONCE).read_to_end(&mut bytes).map_err(|e| Error::io(&path, e))?;
    run.grow(&bytes)
}

/// What a path turned out to be.
enum Found {
    Set(Box<DataSet>),
    Files(Vec<(String, Arc<[u8]>)>),
}

/// Images that are labelled here at the most: a folder of thousands wants `ferkd label`.
const MOST_IMAGES: usize = 64;

fn open_path(path: &Path, labels: Option<(PathBuf, PathBuf)>) -> Result<Found> {
    let name =
        path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
    if path.join(MANIFEST).exists() {
        let set = DataSet::of_store(name, Store::open(path)?, Pictures::None);
        return Ok(Found::Set(Box::new(set)));
    }
    if let Some((store, images)) = labels {
        return labels_of_run(&store, &images, name).map(|set| Found::Set(Box::new(set)));
    }
    if path.is_dir() {
        let list = ImageList::open(path, Split::Train)?;
        let read = |i: usize| Ok((list.name(i).to_owned(), Arc::from(list.read(i)?.as_ref())));
        return (0..list.len().min(MOST_IMAGES)).map(read).collect::<Result<_>>().map(Found::Files);
    }
    if is_onnx(&name) {
        return onnx_files::with_beside(path).map(Found::Files);
    }
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    Ok(Found::Files(vec![(name, bytes.into())]))
}

/// A run's configuration, if its folder holds one.
fn configure(run: &mut RunView, folder: &Path) -> Result<Option<TrainConfig>> {
    let file = folder.join(CONFIG);
    if !file.exists() {
        return Ok(None);
    }
    let bytes = std::fs::read(&file).map_err(|e| Error::io(&file, e))?;
    run.configure(&file.display().to_string(), bytes).map(Some)
}

/// A run's labels and images, by its own configuration: paths in it are relative to where it was started.
fn labels_of_run(store: &Path, images: &Path, name: String) -> Result<DataSet> {
    let images = ImageList::open(images, Split::Train).map_or(Pictures::None, Pictures::List);
    Ok(DataSet::of_store(name, Store::open(store)?, images))
}

/// The program around a window: dialogs of the system, on threads of their own.
pub struct Window {
    sender: Sender<Picked>,
    receiver: Receiver<Picked>,
    wake: egui::Context,
}

impl Window {
    /// A window that repaints when the reader has chosen something.
    pub fn new(wake: egui::Context) -> Self {
        let (sender, receiver) = channel();
        Self { sender, receiver, wake }
    }

    fn ask(&self, work: impl FnOnce(&Sender<Picked>) + Send + 'static) {
        let (sender, wake) = (self.sender.clone(), self.wake.clone());
        std::thread::spawn(move || {
            work(&sender);
            wake.request_repaint();
        });
    }
}

impl Shell for Window {
    fn save(&mut self, name: &str, bytes: Vec<u8>) {
        let name = name.to_owned();
        self.ask(move |said| {
            let Some(path) = rfd::FileDialog::new().set_file_name(name).save_file() else { return };
            if let Err(error) = ferkd_data::atomic::write(path, &bytes) {
                // Without a window there is no one left to tell.
                let _ = said.send(Picked::Failed(error.to_string()));
            }
        });
    }

    fn pick(&mut self, what: Pick) {
        self.ask(move |said| {
            let dialog = rfd::FileDialog::new();
            let path = match what {
                Pick::Files => dialog.pick_file(),
                Pick::Folder => dialog.pick_folder(),
            };
            if let Some(path) = path {
                let _ = said.send(Picked::Path(path));
            }
        });
    }

    fn picked(&mut self) -> Vec<Picked> {
        self.receiver.try_iter().collect()
    }

    fn base_link(&self) -> String {
        "ferkd-app --link ".into()
    }
}
