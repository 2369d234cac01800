//! Tensors under PyTorch's names, and what they are a state of.

use std::collections::BTreeMap;

use crate::models::{Arch, ModelSpec};
use ferkd_data::tensor::HostTensor;
use ferkd_method::error::Result;

/// All parameters and running statistics of a model, under PyTorch's names, and what else a file says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StateDict {
    /// Tensors by name, such as `layer1.0.bn1.weight`.
    pub tensors: BTreeMap<String, HostTensor>,
    /// What the file says of itself.
    pub metadata: BTreeMap<String, String>,
    /// Tensors of the file that are not floats, and what they are: counters, indices, quantised weights.
    pub left_out: BTreeMap<String, String>,
    /// How the tensors were found in a file of other people's: sentences for a person.
    pub notes: Vec<String>,
}

impl StateDict {
    /// Takes the tensors whose names start with `prefix` out, without the prefix.
    pub fn split_off(&mut self, prefix: &str) -> Self {
        let names: Vec<String> = self.tensors.keys().filter(|k| k.starts_with(prefix)).cloned().collect();
        let mut taken = Self::default();
        for name in names {
            if let Some(tensor) = self.tensors.remove(&name) {
                taken.tensors.insert(name[prefix.len()..].to_owned(), tensor);
            }
        }
        taken
    }

    /// The weights to use of a checkpoint, which holds more: the average where one was kept, else the student's.
    pub fn trained(mut self) -> Self {
        self.split_off("optimizer.");
        let averaged = self.split_off("ema.");
        if !averaged.tensors.is_empty() {
            self.tensors = averaged.tensors;
        }
        self
    }

    /// Adds the tensors of `other` under `prefix`.
    pub fn absorb(&mut self, prefix: &str, other: Self) {
        self.tensors.extend(other.tensors.into_iter().map(|(name, t)| (format!("{prefix}{name}"), t)));
    }

    /// Recognises the model by its names and shapes.
    ///
    /// # Errors
    /// Names that belong to no known network.
    pub fn infer_spec(&self, origin: &str) -> Result<ModelSpec> {
        self.infer_spec_as(None, origin)
    }

    /// The same, where a user says which architecture it is, for what shapes do not tell.
    ///
    /// # Errors
    /// Names that belong to no known network, or to another than the one that is asked for.
    pub fn infer_spec_as(&self, asked: Option<Arch>, origin: &str) -> Result<ModelSpec> {
        let shape = |name: &str| self.tensors.get(name).map(|tensor| tensor.shape.clone());
        ModelSpec::recognise(asked, &shape, &self.contents(), origin)
    }

    /// What it holds, for an error: the number of tensors and three of their names.
    fn contents(&self) -> String {
        let mut text = match self.tensors.len() {
            0 => "no float tensor".to_owned(),
            count => {
                let names = self.tensors.keys().take(3).map(|name| {
                    format!("`{}`", name.chars().take(100).flat_map(char::escape_debug).collect::<String>())
                });
                let more = if count > 3 { ", ..." } else { "" };
                format!("{count} tensors: {}{more}", names.collect::<Vec<_>>().join(", "))
            }
        };
        if let Some((name, what)) = self.left_out.first_key_value() {
            let name: String = name.chars().take(100).flat_map(char::escape_debug).collect();
            text += &format!("; and {} that are not floats: `{name}` is {what}", self.left_out.len());
        }
        text
    }
}
