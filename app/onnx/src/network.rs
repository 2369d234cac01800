//! A network in an ONNX file.

use rten::{DataType, Dimension, Model, ModelOptions, NodeId, ValueOrView, ValueType};
use rten_tensor::prelude::*;
use rten_tensor::{NdTensor, NdTensorView};

use crate::operators::registry;
use crate::problem::Problem;

/// Largest side in pixels: that of `ferkd label`.
const MOST_SIDE: usize = 4096;

/// Numbers of one batch at the most: a file that asks for more would take the memory away.
const MOST_NUMBERS: usize = 64 << 20;

/// Classes that a network may have at the most: what is larger is no classifier.
const MOST_CLASSES: usize = 1 << 20;

/// What can be done about a network of another input.
const EXPORT_INPUT: &str =
    "export a network of one input, (batch, 3, height, width) of 32-bit floats, with torch.onnx.export";

/// What can be done about a network of another output.
const EXPORT_OUTPUT: &str = "export a network whose first output is logits, (batch, classes) of 32-bit floats, with torch.onnx.export";

/// A network in an ONNX file: images of shape (N, 3, side, side) to logits of shape (N, C).
pub struct Network {
    model: Model,
    input: NodeId,
    output: NodeId,
    batch: Option<usize>,
    side: Option<usize>,
}

impl Network {
    /// Loads a file from its bytes, and from those of the files beside it that hold its weights, by their names.
    ///
    /// # Errors
    /// What is no ONNX file, weights that are not there, an operator that is not one of the
    /// [`OPERATORS`](crate::OPERATORS), another input than images.
    pub fn load(file: Vec<u8>, beside: Vec<(String, Vec<u8>)>) -> Result<Self, Problem> {
        guarded(move || {
            let mut options = ModelOptions::with_ops(registry());
            for (name, bytes) in beside {
                options.external_data(&name, bytes);
            }
            // Packed copies of weights would take their memory once more.
            let model = options.prepack_weights(false).load(file).map_err(|error| not_loaded(&error))?;
            Self::of(model)
        })
    }

    fn of(model: Model) -> Result<Self, Problem> {
        let (&[input], Some(&output)) = (model.input_ids(), model.output_ids().first()) else {
            let (inputs, outputs) = (model.input_ids().len(), model.output_ids().len());
            return Err(Problem::new(format!("it has {inputs} inputs and {outputs} outputs"), EXPORT_INPUT));
        };
        let info = model.node_info(input);
        let (shape, kind) =
            (info.as_ref().and_then(rten::NodeInfo::shape), info.and_then(|info| info.dtype()));
        let shape: Vec<Option<usize>> = shape.unwrap_or_default().iter().map(fixed).collect();
        let is_float = kind.is_none_or(|kind| kind == ValueType::Tensor(DataType::Float));
        let sides = 1..=MOST_SIDE;
        match shape[..] {
            [batch, Some(3) | None, height, width]
                if is_float && height == width && height.is_none_or(|side| sides.contains(&side)) =>
            {
                Ok(Self { input, output, batch, side: height, model })
            }
            _ => {
                let sizes: Vec<String> =
                    shape.iter().map(|size| size.map_or("any".into(), |size| size.to_string())).collect();
                let kind = kind.map_or("unknown numbers".into(), |kind| kind.to_string());
                let problem = format!("its input has shape ({}), {kind}", sizes.join(", "));
                Err(Problem::new(problem, EXPORT_INPUT))
            }
        }
    }

    /// Side of its input in pixels, where it takes no other.
    pub fn side(&self) -> Option<usize> {
        self.side
    }

    /// Numbers of its weights.
    pub fn parameters(&self) -> usize {
        self.model.total_params()
    }

    /// Computes one black image, and so tries the whole network: its number of classes C.
    ///
    /// # Errors
    /// Another side than its input has, what cannot be computed, another output than a row of logits.
    pub fn classes(&self, side: usize) -> Result<usize, Problem> {
        if side > MOST_SIDE {
            let problem = format!("invalid side {side}: expected {MOST_SIDE} pixels at most");
            return Err(Problem::new(problem, "give the side that it was trained for"));
        }
        if let Some(own) = self.side.filter(|&own| own != side) {
            let problem = format!("its input has {own} pixels, and {side} are asked for");
            return Err(Problem::new(problem, format!("give {own} pixels, or export it for another side")));
        }
        Ok(self.logits(&vec![0.0; 3 * side * side], side)?.len())
    }

    /// Logits, row by row, of images of shape (N, 3, side, side), of any number: one after the other, or as many at once
    /// as the file takes.
    ///
    /// # Errors
    /// Pixels that are no images of this side, and what cannot be computed.
    pub fn logits(&self, images: &[f32], side: usize) -> Result<Vec<f32>, Problem> {
        let size = side.saturating_mul(side).saturating_mul(3);
        if size == 0 || !images.len().is_multiple_of(size) {
            let problem = format!("{} numbers are no images of {side} x {side} pixels", images.len());
            return Err(Problem::new(problem, "report this: the program is wrong"));
        }
        let batch = self.batch.unwrap_or(1).max(1);
        if batch.checked_mul(size).is_none_or(|numbers| numbers > MOST_NUMBERS) {
            let problem = format!("it takes {batch} images at once, which are too many for its memory here");
            return Err(Problem::new(problem, "export it for any number of images, or for one"));
        }
        let mut logits = Vec::new();
        for part in images.chunks(batch * size) {
            let mut filled = part.to_vec();
            // What comes of images that only fill a batch up is left out again.
            filled.resize(batch * size, 0.0);
            let rows = self.run(filled, [batch, 3, side, side])?;
            let classes = rows.len() / batch;
            logits.extend_from_slice(&rows[..classes * (part.len() / size)]);
        }
        Ok(logits)
    }

    /// The first output for one batch.
    fn run(&self, images: Vec<f32>, shape: [usize; 4]) -> Result<Vec<f32>, Problem> {
        guarded(|| {
            let batch = shape[0];
            let input: NdTensor<f32, 4> =
                NdTensor::try_from_data(shape, images).map_err(|error| failed(&error))?;
            let input: (NodeId, ValueOrView<'_>) = (self.input, input.into());
            let [output] =
                self.model.run_n(vec![input], [self.output], None).map_err(|error| failed(&error))?;
            let shape: Vec<usize> = output.shape().to_vec();
            let other =
                || Problem::new(format!("it gives shape {shape:?} for {batch} images"), EXPORT_OUTPUT);
            let rows: NdTensor<f32, 2> = output.try_into().map_err(|_| other())?;
            let rows: NdTensorView<'_, f32, 2> = rows.view();
            if rows.size(0) != batch || !(2..=MOST_CLASSES).contains(&rows.size(1)) {
                return Err(other());
            }
            Ok(rows.to_vec())
        })
    }
}

/// A size of a shape, where only one goes.
fn fixed(size: &Dimension) -> Option<usize> {
    match size {
        Dimension::Fixed(size) => Some(*size),
        Dimension::Symbolic(_) => None,
    }
}

fn not_loaded(error: &rten::LoadError) -> Problem {
    let problem = format!("it cannot be loaded: {error}");
    match error.kind() {
        rten::LoadErrorKind::OperatorInvalid => Problem::new(
            problem,
            "docs/page.md lists the operators that are known; `ferkd label` with ONNX Runtime knows all",
        ),
        rten::LoadErrorKind::ExternalDataError => {
            Problem::new(problem, "open the file together with those that hold its weights")
        }
        _ => Problem::new(problem, "export or copy it again"),
    }
}

fn failed(error: &dyn std::fmt::Display) -> Problem {
    Problem::new(
        format!("it cannot be computed: {error}"),
        "give the side that it was trained for; `ferkd label` with ONNX Runtime may know better",
    )
}

/// What does some work on files from elsewhere: a panic is a problem of the file. WebAssembly has no way back from one;
/// there the worker ends, and says so.
fn guarded<T>(work: impl FnOnce() -> Result<T, Problem>) -> Result<T, Problem> {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    caught.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let words = words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(Problem::new(format!("it cannot be computed: {words}"), "export or copy it again"))
    })
}
