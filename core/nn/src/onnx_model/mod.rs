//! Networks in ONNX files, computed by ONNX Runtime, whose library is found when the program runs.

mod runtime;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::ep::{CUDA, ExecutionProvider, TensorRT};
use ort::session::Session;
use ort::value::{Outlet, TensorElementType, TensorRef, ValueType};

use crate::model_card::ModelCard;
use crate::onnx_file::OnnxFile;
use crate::preprocessing::Preprocessing;
use ferkd_data::digest::sha256_of_files;
use ferkd_method::error::{Error, Result};
use runtime::{Provider, environment};

/// A network in an ONNX file: images of shape (N, 3, side, side) to logits of shape (N, C).
#[derive(Debug)]
pub(crate) struct OnnxModel {
    path: String,
    sha256: String,
    /// What the file says in the words of `ferkd export`.
    card: Option<ModelCard>,
    /// Runs are one after the other: not all providers can do otherwise.
    session: Mutex<Session>,
    /// What it computes on, for a person.
    provider: String,
    /// Images that it takes at once, where it takes no other number.
    batch: Option<usize>,
    /// Side of its input in pixels, where it takes no other.
    side: Option<usize>,
    outputs: usize,
    /// Whether what comes out are probabilities.
    softmax: bool,
    /// Outputs besides the first.
    others: usize,
}

/// Side in pixels that is tried where a file takes any.
const USUAL_SIDE: usize = 224;

impl OnnxModel {
    /// Loads a file, with the files that its weights may be in.
    ///
    /// # Errors
    /// ONNX Runtime that is not there, a file that it cannot load, a network with another input than images or another
    /// output than a row of logits.
    pub(crate) fn load(path: &Path, provider: Provider) -> Result<Self> {
        let said = OnnxFile::read(path)?;
        let (files, card) = (said.files()?, said.card()?);
        let origin = path.display().to_string();
        let (session, provider) = session(path, provider)?;
        let (batch, side) = input(session.inputs()).map_err(|problem| {
            Error::mismatch(&*origin, problem).remedy(
                "export a network of one input, (batch, 3, height, width) of 32-bit floats, with torch.onnx.export",
            )
        })?;
        let outputs = output(session.outputs()).map_err(|problem| {
            Error::mismatch(&*origin, problem)
                .remedy("export a network whose first output is logits, (batch, classes) of 32-bit floats")
        })?;
        let mut model = Self {
            path: origin,
            sha256: sha256_of_files(files.iter().map(PathBuf::as_path))?,
            card,
            provider,
            batch,
            side,
            outputs: outputs.unwrap_or(0),
            softmax: said.last_operator.as_deref() == Some("Softmax"),
            others: session.outputs().len() - 1,
            session: Mutex::new(session),
        };
        if outputs.is_none() {
            let side = side.unwrap_or(USUAL_SIDE);
            model.outputs = model.run(&vec![0.0; model.batch.unwrap_or(1) * 3 * side * side], side)?.1;
        }
        Ok(model)
    }

    /// SHA-256 of its file and of those with its weights.
    pub(crate) fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Number of classes C.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Side of its input in pixels, where it takes no other.
    pub(crate) fn side(&self) -> Option<u32> {
        self.side.map(|side| side as u32)
    }

    /// What the file says of itself, if `ferkd export` wrote it.
    pub(crate) fn card(&self) -> Option<&ModelCard> {
        self.card.as_ref()
    }

    /// What there is to know of how it is used: sentences for a person.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = vec![format!("{} is computed by ONNX Runtime on {}", self.path, self.provider)];
        if self.softmax {
            notes.push(format!("{} gives probabilities: their logarithms are taken as logits", self.path));
        }
        if self.others > 0 {
            notes.push(format!("{} has {} outputs; the first is taken", self.path, self.others + 1));
        }
        notes
    }

    /// Checks that it can see what it would be shown.
    ///
    /// # Errors
    /// Another side than its input has.
    pub(crate) fn check_side(&self, seen: &Preprocessing) -> Result<()> {
        match self.side {
            Some(side) if side != seen.side as usize => {
                let problem = format!("its input has {side} pixels, and {seen} is asked for");
                Err(Error::mismatch(&*self.path, problem)
                    .remedy(format!("give --side {side}, or export it for another side")))
            }
            _ => Ok(()),
        }
    }

    /// Logits, row by row, for images of shape (N, 3, side, side), of any number.
    ///
    /// # Errors
    /// What ONNX Runtime could not compute.
    pub(crate) fn logits(&self, images: &[f32], side: usize) -> Result<Vec<f32>> {
        let size = 3 * side * side;
        let count = images.len() / size;
        let mut logits = match self.batch {
            None => self.run(images, side)?.0,
            Some(batch) => {
                let mut logits = Vec::with_capacity(count * self.outputs);
                for part in images.chunks(batch * size) {
                    let mut part = part.to_vec();
                    part.resize(batch * size, 0.0);
                    logits.extend(self.run(&part, side)?.0);
                }
                logits
            }
        };
        if logits.len() < count * self.outputs {
            let problem = format!("{} numbers for {count} images of {} classes", logits.len(), self.outputs);
            return Err(Error::mismatch(&*self.path, problem));
        }
        // What comes of images that only fill a batch up.
        logits.truncate(count * self.outputs);
        if self.softmax {
            logits.iter_mut().for_each(|p| *p = p.max(f32::MIN_POSITIVE).ln());
        }
        Ok(logits)
    }

    /// The first output for some images, and its numbers an image.
    fn run(&self, images: &[f32], side: usize) -> Result<(Vec<f32>, usize)> {
        let count = images.len() / (3 * side * side);
        if count == 0 {
            return Ok((Vec::new(), self.outputs));
        }
        let failed = |error: ort::Error| {
            Error::mismatch(&*self.path, format!("ONNX Runtime cannot compute it: {error}"))
                .remedy("try it with ONNX Runtime in Python; a smaller --batch takes less memory")
        };
        let input = TensorRef::from_array_view(([count, 3, side, side], images)).map_err(failed)?;
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(ort::inputs![input]).map_err(failed)?;
        let (shape, values) = outputs[0].try_extract_tensor::<f32>().map_err(failed)?;
        match shape[..] {
            [rows, width] if rows == count as i64 => Ok((values.to_vec(), width as usize)),
            ref other => {
                let problem = format!("it gives shape {other:?} for {count} images");
                Err(Error::mismatch(&*self.path, problem)
                    .remedy("export a network whose first output is logits, (batch, classes)"))
            }
        }
    }
}

/// A session, and what it computes on.
fn session(path: &Path, provider: Provider) -> Result<(Session, String)> {
    let environment = environment()?;
    let damaged = |error: &dyn std::fmt::Display| {
        Error::damaged(path, format!("ONNX Runtime cannot load it: {error}"))
            .remedy("export it again; ONNX Runtime in Python says the same of it")
    };
    let open = |provider: Option<(&str, ort::ep::ExecutionProviderDispatch)>| -> Result<Session> {
        let builder = Session::builder(&environment).map_err(|error| damaged(&error))?;
        let threads = rayon::current_num_threads();
        let mut builder = builder.with_intra_threads(threads).map_err(|error| damaged(&error))?;
        if let Some((name, provider)) = provider {
            builder = builder.with_execution_providers([provider.error_on_failure()]).map_err(|error| {
                Error::usage("device", format!("ONNX Runtime has no {name} here: {error}")).remedy(
                    "`pip install onnxruntime-gpu` with the CUDA and cuDNN that it asks for, or --device cpu",
                )
            })?;
        }
        builder.commit_from_file(path).map_err(|error| damaged(&error))
    };
    let cuda = |device| ("CUDA", CUDA::default().with_device_id(device).build());
    match provider {
        Provider::Cpu => Ok((open(None)?, "the CPU".into())),
        Provider::Cuda(device) => Ok((open(Some(cuda(device)))?, format!("CUDA device {device}"))),
        Provider::TensorRt(device) => {
            let tensorrt = ("TensorRT", TensorRT::default().with_device_id(device).build());
            Ok((open(Some(tensorrt))?, format!("TensorRT, device {device}")))
        }
        Provider::Auto if CUDA::is_available().unwrap_or(false) => match open(Some(cuda(0))) {
            Ok(session) => Ok((session, "CUDA device 0".into())),
            Err(_) => Ok((open(None)?, "the CPU (CUDA cannot be used)".into())),
        },
        Provider::Auto => Ok((open(None)?, "the CPU".into())),
    }
}

/// The batch size and side of the input, where they are fixed; the error is the problem.
fn input(inputs: &[Outlet]) -> Result<(Option<usize>, Option<usize>), String> {
    let [only] = inputs else { return Err(format!("it has {} inputs", inputs.len())) };
    let shape = floats(only)?;
    let fixed = |size: i64| usize::try_from(size).ok().filter(|&size| size > 0);
    match shape[..] {
        [batch, channels, height, width] if [3, -1].contains(&channels) && fixed(height) == fixed(width) => {
            Ok((fixed(batch), fixed(height)))
        }
        _ => Err(format!("its input `{}` has shape {shape:?}", only.name())),
    }
}

/// The number of classes, where it is fixed; the error is the problem.
fn output(outputs: &[Outlet]) -> Result<Option<usize>, String> {
    let Some(first) = outputs.first() else { return Err("it has no output".into()) };
    let shape = floats(first)?;
    match shape[..] {
        [_, classes] => Ok(usize::try_from(classes).ok().filter(|&classes| classes > 0)),
        _ => Err(format!("its output `{}` has shape {shape:?}", first.name())),
    }
}

/// The shape of a tensor of 32-bit floats, -1 where any size goes.
fn floats(outlet: &Outlet) -> Result<Vec<i64>, String> {
    match outlet.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } => Ok(shape.to_vec()),
        other => Err(format!("`{}` is {other}", outlet.name())),
    }
}
