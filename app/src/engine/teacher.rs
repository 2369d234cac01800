//! What labels regions, whatever computes it: a network of ours on the engine's device, or one in an ONNX file.

use burn::tensor::Device;
use ferkd_data::batches::batch::InputSpec;
use ferkd_data::classes::ClassSpace;
use ferkd_method::region::Region;
use ferkd_method::{Error, Result};
use ferkd_nn::classifier::Classifier;
use ferkd_nn::device::read::read_async;

use super::OnnxTeacher;
use super::cutter::{Cutter, Source};
use super::onnx::{Later, OnnxNetwork, OnnxRuntime};

/// Regions of a picture, and what cuts them for a network on a device.
pub(super) struct Cuts<'a> {
    pub(super) source: &'a mut Source,
    pub(super) regions: &'a [Region],
    pub(super) cutter: &'a dyn Cutter,
    pub(super) device: &'a Device,
}

/// A network that labels regions.
pub(super) trait Teacher {
    /// The classes of its outputs, in their order.
    fn classes(&self) -> &ClassSpace;

    /// Logits of the regions, row by row.
    ///
    /// # Errors
    /// A box outside of the picture, a device that cannot be read from, what cannot be computed.
    fn logits<'a>(&'a mut self, cuts: Cuts<'a>) -> Later<'a, Vec<f32>>;
}

impl Teacher for Classifier {
    fn classes(&self) -> &ClassSpace {
        &self.classes
    }

    fn logits<'a>(&'a mut self, cuts: Cuts<'a>) -> Later<'a, Vec<f32>> {
        Box::pin(async move {
            let input = cuts.cutter.cut(cuts.source, cuts.regions, &self.input_spec(), cuts.device)?;
            read_async(self.forward(input)?).await
        })
    }
}

/// A network in an ONNX file, with what the reader says of it.
pub(super) struct Onnx {
    name: String,
    network: Box<dyn OnnxNetwork>,
    classes: ClassSpace,
    input: InputSpec,
    /// Whether what comes out are probabilities: their logarithms are taken as logits.
    gives_probabilities: bool,
}

impl Onnx {
    /// Opens it.
    ///
    /// # Errors
    /// A file that cannot be opened, names of another number of classes than it has.
    pub(super) async fn open(asked: OnnxTeacher, runtime: &mut dyn OnnxRuntime) -> Result<Self> {
        let OnnxTeacher { bytes, side, filter, normalisation, classes, gives_probabilities } = asked;
        let name = bytes.name.clone();
        let network = runtime.open(bytes, side).await?;
        let count = network.classes();
        let classes = match classes {
            Some(classes) if classes.len() != count => {
                let problem = format!("it has {count} outputs, and {} classes are named", classes.len());
                return Err(Error::mismatch(&*name, problem)
                    .remedy("name as many classes, in the order of its outputs, or none"));
            }
            Some(classes) => classes,
            None => unnamed(count),
        };
        let input = InputSpec { side, filter, normalisation };
        Ok(Self { name, network, classes, input, gives_probabilities })
    }
}

/// ImageNet's classes where there are as many, as everywhere in this program; else numbers.
fn unnamed(count: usize) -> ClassSpace {
    let imagenet = ClassSpace::imagenet();
    match count == imagenet.len() {
        true => imagenet,
        false => ClassSpace::of_folders(&(0..count).map(|i| format!("class {i}")).collect::<Vec<_>>()),
    }
}

impl Teacher for Onnx {
    fn classes(&self) -> &ClassSpace {
        &self.classes
    }

    fn logits<'a>(&'a mut self, cuts: Cuts<'a>) -> Later<'a, Vec<f32>> {
        Box::pin(async move {
            let pixels = cuts.source.pixels(cuts.regions, &self.input)?;
            let mut logits = self.network.logits(pixels, self.input.side).await?;
            let (found, expected) = (logits.len(), cuts.regions.len() * self.classes.len());
            if found != expected {
                let problem = format!("it gives {found} numbers where {expected} are expected");
                return Err(Error::mismatch(&*self.name, problem)
                    .remedy("export a network whose first output is logits, (batch, classes)"));
            }
            if self.gives_probabilities {
                logits.iter_mut().for_each(|p| *p = p.max(f32::MIN_POSITIVE).ln());
            }
            Ok(logits)
        })
    }
}
