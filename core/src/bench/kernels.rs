//! Where a step's time goes on a GPU: by kind of kernel.

use std::collections::BTreeMap;

use burn::tensor::Device;
use serde_json::{Map, Value};

use super::report::Report;
use ferkd_method::error::Result;
use ferkd_nn::device::launches::Launches;

/// Steps that are watched, after one that is not.
const STEPS: usize = 5;

/// Kinds of kernels, as figures name them, each with words of which a kernel's full name has one; the first that fits.
const KINDS: [(&str, &[&str]); 10] = [
    ("convolution_to_x_ms", &["cudnn_to_x", "backward_data", "dgrad", "conv_transpose"]),
    ("convolution_to_weight_ms", &["cudnn_to_weight", "backward_weight", "wgrad"]),
    ("convolution_forward_ms", &["cudnn_forward", "convolution", "::conv::"]),
    ("attention_ms", &["attention"]),
    ("norm_ms", &["batch_norm", "ops::rows"]),
    ("product_ms", &["matmul"]),
    ("cast_ms", &["::cast"]),
    ("sum_ms", &["reduce"]),
    ("copy_ms", &["contiguous", "copy"]),
    ("elementwise_ms", &["elemwise", "binop", "unary", "scalar", "mask"]),
];

/// Of which kind a kernel is.
fn kind(name: &str) -> &'static str {
    let fits = |(_, words): &&(&str, &[&str])| words.iter().any(|word| name.contains(word));
    KINDS.iter().find(fits).map_or("other_ms", |(key, _)| key)
}

/// Reports how long the kernels of `step` take on a device that has kernels, in milliseconds a step: all of them, and each
/// kind; and how many of each kind a step launches. What is missing to the time of a whole step is the device waiting.
///
/// # Errors
/// Those of `step`.
pub(super) fn kernels(
    report: &mut Report,
    device: &Device,
    mut step: impl FnMut() -> Result<()>,
    wait: impl Fn() -> Result<()>,
) -> Result<()> {
    if !ferkd_nn::device::has_memory(device) {
        return Ok(());
    }
    step()?;
    wait()?;
    let (mut all, mut kinds) = (Vec::new(), BTreeMap::<&'static str, (Vec<f64>, usize)>::new());
    for number in 0..STEPS {
        let launches = Launches::of(|| step().and_then(|()| wait()))?;
        all.push(launches.iter().map(|(_, took)| 1e3 * took.as_secs_f64()).sum());
        for (name, took) in launches {
            let (times, count) = kinds.entry(kind(name)).or_default();
            times.resize(number + 1, 0.0);
            times[number] += 1e3 * took.as_secs_f64();
            *count += 1;
        }
    }
    report.figure("kernels_ms", &all);
    let mut launched = Map::new();
    for (key, (mut times, count)) in kinds {
        times.resize(STEPS, 0.0);
        report.figure(key, &times);
        let kind = key.trim_end_matches("_ms").to_owned();
        launched.insert(kind, Value::from(count as f64 / STEPS as f64));
    }
    report.fact("launches", launched);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_told_apart_by_their_names() {
        for (name, expected) in [
            ("cudnn_forward", "convolution_forward_ms"),
            ("cudnn_to_weight", "convolution_to_weight_ms"),
            ("ferkd_nn::models::ops::batch_norm::kernels::normalise::Normalise", "norm_ms"),
            ("ferkd_nn::models::ops::attention::kernels::split_heads::SplitHeads", "attention_ms"),
            ("burn_cubecl_fusion::engine::codegen::elemwise_fuse::ElemwiseFuse", "elementwise_ms"),
            ("burn_cubecl::kernel::something::new::Kernel", "other_ms"),
        ] {
            assert_eq!(kind(name), expected, "{name}");
        }
    }
}
