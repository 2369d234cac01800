#![allow(clippy::unwrap_used, reason = "a test may panic")]
use super::super::output;
use super::descriptor::Descriptor;
use super::graph::Target;
use super::plan::CudnnPlan;
use super::*;
use cudarc::cudnn::sys::cudnnBackendAttributeName_t as Name;
use cudarc::cudnn::sys::cudnnBackendDescriptorType_t as DescriptorKind;

/// An H100 as cuDNN itself describes devices.
const H100: &str = include_str!("../../../../../../../examples/cuda/h100.json");

/// Channels, side, outputs, kernel, stride, padding before and after, groups.
type Layer = (usize, usize, usize, usize, usize, (usize, usize), usize);

/// Convolutions of ResNet-18, ResNet-50 and EfficientNet-Lite0 for 224 pixels, each kind once.
const LAYERS: [Layer; 17] = [
    (3, 224, 64, 7, 2, (3, 3), 1),
    (64, 56, 64, 1, 1, (0, 0), 1),
    (64, 56, 64, 3, 1, (1, 1), 1),
    (64, 56, 256, 1, 1, (0, 0), 1),
    (64, 56, 128, 3, 2, (1, 1), 1),
    (128, 56, 128, 3, 2, (1, 1), 1),
    (256, 56, 512, 1, 2, (0, 0), 1),
    (256, 14, 256, 3, 1, (1, 1), 1),
    (1024, 14, 2048, 1, 2, (0, 0), 1),
    (512, 7, 512, 3, 1, (1, 1), 1),
    (2048, 7, 512, 1, 1, (0, 0), 1),
    (3, 224, 32, 3, 2, (0, 1), 1),
    (32, 112, 32, 3, 1, (1, 1), 32),
    (96, 112, 96, 3, 2, (0, 1), 96),
    (144, 56, 144, 5, 2, (1, 2), 144),
    (672, 14, 672, 5, 1, (2, 2), 672),
    (1152, 7, 320, 1, 1, (0, 0), 1),
];

fn problem(
    pass: ConvPass,
    (channels, side, outputs, kernel, stride, padding, groups): Layer,
    half: bool,
) -> Problem {
    let options = ConvOptions::new_with_padding([stride; 2], [padding; 2], [1, 1], groups);
    let (x, weight) = ([256, channels, side, side], [outputs, channels / groups, kernel, kernel]);
    Problem { pass, x, weight, y: output(x, weight, &options), options, half }
}

/// Wherever cuDNN is, and no GPU is asked for, it has a kernel for every convolution of ours on an H100.
#[test]
fn cudnn_plans_every_convolution_of_ours_for_an_h100() {
    match state().unwrap() {
        open @ State::Open { .. } => eprintln!("{open}"),
        other => return eprintln!("skipped: no cuDNN: {other}"),
    }
    let described = Descriptor::new(DescriptorKind::CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR)
        .and_then(|device| device.with(Name::CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, H100.as_bytes()))
        .and_then(Descriptor::finished);
    let device = match described {
        Ok(device) => device,
        Err(why) => return eprintln!("skipped: this cuDNN plans for no described device: {why}"),
    };
    let mut left = Vec::new();
    for half in [true, false] {
        for layer in LAYERS {
            for pass in [ConvPass::Forward, ConvPass::ToX, ConvPass::ToWeight] {
                // The pictures themselves have no gradient.
                if pass == ConvPass::ToX && layer.0 == 3 {
                    continue;
                }
                match CudnnPlan::fastest(&problem(pass, layer, half), Target::Described(&device), 1) {
                    Ok(plans) => eprintln!("{layer:?} {pass:?} {half}: {} bytes of its own", plans[0].room),
                    Err(why) => left.push(why),
                }
            }
        }
    }
    assert!(left.is_empty(), "{} left to burn: {left:#?}", left.len());
}
