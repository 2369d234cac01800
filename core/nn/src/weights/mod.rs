//! Weights on the host, under PyTorch's names: taken from a model and put into one, read from safetensors and PyTorch
//! files, written as safetensors.

mod file;
mod module;
mod shards;
mod state_dict;
#[cfg(test)]
mod tests;
mod transformers;

pub use ferkd_data::tensor::HostTensor;
pub use file::Precision;
pub use state_dict::StateDict;
