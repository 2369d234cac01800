//! What a teacher says of regions, wherever they were cut: probabilities, and the top K of them. A slice of regions at
//! a time, so that a page can draw between two of them.

use burn::tensor::{Device, Tensor, TensorData};

use ferkd_method::error::{Error, Result};
use ferkd_method::label::{TopK, softmax};
use ferkd_nn::classifier::Classifier;
use ferkd_nn::device::read::read_async;

/// How a teacher's logits become labels, whatever computed them.
#[derive(Debug, Clone)]
pub struct Readout {
    /// Classes C of the teacher.
    count: usize,
    /// The outputs that labels refer to, in the order of their classes.
    outputs: Vec<u32>,
    temperature: f32,
}

impl Readout {
    /// A softmax at `temperature` over some of the outputs of the teacher `name`, which has `count`; labels number them
    /// from 0, in the order of `outputs`.
    ///
    /// # Errors
    /// An output that the teacher does not have.
    pub fn new(name: &str, count: usize, outputs: Vec<u32>, temperature: f32) -> Result<Self> {
        if let Some(output) = outputs.iter().find(|&&output| output as usize >= count) {
            let problem = format!("it has {count} outputs, and number {output} is asked for");
            return Err(Error::mismatch(name, problem));
        }
        Ok(Self { count, outputs, temperature })
    }

    /// The probabilities of each region, of logits of shape (N, C), row by row.
    ///
    /// # Errors
    /// Logits that are not finite.
    pub fn probabilities(&self, logits: &[f32]) -> Result<Vec<Vec<f32>>> {
        let row = |row: &[f32]| {
            let used: Vec<f32> = self.outputs.iter().map(|&output| row[output as usize]).collect();
            softmax(&used, self.temperature)
        };
        logits.chunks_exact(self.count.max(1)).map(row).collect()
    }

    /// The top `k` of each region, of logits of shape (N, C), row by row.
    ///
    /// # Errors
    /// Logits that are not finite.
    pub fn top_k(&self, logits: &[f32], k: usize) -> Result<Vec<TopK>> {
        Ok(self.probabilities(logits)?.iter().map(|p| TopK::of(p, k)).collect())
    }
}

/// A teacher, and what it is asked.
#[derive(Debug)]
pub struct TeacherPass<'a> {
    teacher: &'a Classifier,
    readout: Readout,
}

impl<'a> TeacherPass<'a> {
    /// Asks `teacher` for a softmax at `temperature` over some of its outputs; labels number them from 0, in the order
    /// of `outputs`.
    ///
    /// # Errors
    /// An output that the teacher does not have.
    pub fn new(teacher: &'a Classifier, outputs: Vec<u32>, temperature: f32) -> Result<Self> {
        let readout = Readout::new(&teacher.name, teacher.classes.len(), outputs, temperature)?;
        Ok(Self { teacher, readout })
    }

    /// Pixels of shape (N, 3, side, side), cut as the teacher's view says, on `device`.
    pub fn input(&self, pixels: Vec<f32>, device: &Device) -> Tensor<4> {
        let view = self.teacher.input_spec();
        let (side, count) = (view.side as usize, pixels.len() / view.size());
        Tensor::from_data(TensorData::new(pixels, [count, 3, side, side]), &device.clone().inner())
    }

    /// The probabilities of each region of an input of shape (N, 3, side, side).
    ///
    /// # Errors
    /// A device that cannot be read from, logits that are not finite.
    pub async fn probabilities(&self, input: Tensor<4>) -> Result<Vec<Vec<f32>>> {
        self.readout.probabilities(&read_async(self.teacher.forward(input)?).await?)
    }

    /// The top `k` of each region of an input of shape (N, 3, side, side).
    ///
    /// # Errors
    /// Those of [`probabilities`](Self::probabilities).
    pub async fn top_k(&self, input: Tensor<4>, k: usize) -> Result<Vec<TopK>> {
        Ok(self.probabilities(input).await?.iter().map(|p| TopK::of(p, k)).collect())
    }
}

#[cfg(all(test, feature = "flex", feature = "shipped"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn labels_speak_of_the_outputs_that_were_asked_for_in_their_order() {
        let device = Device::flex();
        let teacher = Classifier::load("digits", &device).unwrap();
        let size = teacher.input_spec().size();
        let pixels: Vec<f32> = (0..3 * size).map(|i| (i * 7919 % 256) as f32 / 128.0 - 1.0).collect();
        let logits = teacher.logits(pixels.clone(), teacher.preprocessing.side, &device).unwrap();
        let pass = TeacherPass::new(&teacher, vec![7, 2, 3], 2.0).unwrap();
        let found = pollster::block_on(pass.probabilities(pass.input(pixels.clone(), &device))).unwrap();
        assert_eq!(found.len(), 3);
        for (p, row) in found.iter().zip(logits.chunks(10)) {
            assert_eq!(*p, softmax(&[row[7], row[2], row[3]], 2.0).unwrap());
        }
        let labels = pollster::block_on(pass.top_k(pass.input(pixels, &device), 2)).unwrap();
        assert_eq!(labels[1], TopK::of(&found[1], 2));
        let error = TeacherPass::new(&teacher, vec![10], 1.0).unwrap_err().to_string();
        assert!(error.contains("digits") && error.contains("number 10"), "{error}");
    }
}
