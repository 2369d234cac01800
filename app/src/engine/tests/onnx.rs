//! Networks in ONNX files as teachers: their labels are those of the same network of ours.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use ferkd_data::batches::batch::InputSpec;
use ferkd_data::classes::ClassSpace;
use ferkd_data::pixels::{Filter, Normalisation};
use ferkd_method::label::{Codec, softmax};
use ferkd_method::region::RegionSampler;
use ferkd_nn::inference::Inference;
use ferkd_nn::models::{Arch, ModelSpec};
use image::RgbImage;

use super::super::core::Core;
use super::super::onnx_here::OnnxHere;
use super::super::{JobId, LabelJob, OnnxBytes, OnnxTeacher, Picture, Reply, Request};

const SIDE: u32 = 32;

/// A network of three classes, and the file that holds it.
fn network() -> (Inference, Vec<u8>) {
    let device = Device::flex();
    let model = ModelSpec { width: Some(4), ..ModelSpec::new(Arch::Resnet8, 3) }.init(5, &device).unwrap();
    let file = model.to_onnx(SIDE as usize, 3, &BTreeMap::new()).unwrap();
    (Inference::of(model, &device).unwrap(), file)
}

fn teacher(file: Vec<u8>) -> OnnxTeacher {
    OnnxTeacher {
        bytes: OnnxBytes { name: "own.onnx".into(), file, beside: Vec::new() },
        side: SIDE,
        filter: Filter::Bilinear,
        normalisation: Normalisation::CLIP,
        classes: None,
        gives_probabilities: false,
    }
}

fn answers(core: &mut Core, request: Request) -> Vec<Reply> {
    let mut said = Vec::new();
    pollster::block_on(core.answer(request, &mut |reply| said.push(reply)));
    said
}

#[test]
fn an_onnx_file_labels_regions_as_the_same_network_of_ours_does() {
    let (ours, file) = network();
    let mut core = Core::new(Device::flex()).with_onnx(OnnxHere);
    let names: Vec<String> = (0..3).map(|i| format!("class {i}")).collect();
    let ready = Reply::Teacher { name: "own.onnx".into(), ids: names.clone(), names };
    assert_eq!(answers(&mut core, Request::Onnx(teacher(file))), [ready]);
    let picture = RgbImage::from_fn(90, 70, |x, y| image::Rgb([x as u8 * 2, y as u8 * 3, (x * y) as u8]));
    // More than go through a teacher at once.
    let regions = RegionSampler::new(3).regions(1, 20, 90, 70);
    let job = LabelJob {
        id: 1,
        teacher: "own.onnx".into(),
        key: 1,
        picture: Some(Picture { width: 90, height: 70, rgb: picture.as_raw().clone() }),
        regions: regions.clone(),
        classes: Vec::new(),
        temperature: 1.0,
        k: 3,
    };
    let said = answers(&mut core, Request::Label(job.clone()));
    let [Reply::Labels { labels, .. }] = &said[..] else { panic!("{said:?}") };
    let view = InputSpec { side: SIDE, filter: Filter::Bilinear, normalisation: Normalisation::CLIP };
    let mut pixels = vec![0.0; regions.len() * view.size()];
    for (region, out) in regions.iter().zip(pixels.chunks_mut(view.size())) {
        view.cut(&picture, region, out).unwrap();
    }
    let side = SIDE as usize;
    let input =
        Tensor::<4>::from_data(TensorData::new(pixels, [regions.len(), 3, side, side]), &Device::flex());
    let logits = ours.forward(input).try_into_vec_as::<f32>().unwrap();
    assert_eq!(labels.len(), regions.len());
    for (label, row) in labels.iter().zip(logits.chunks(3)) {
        let (label, expected) = (label.decode(Codec::Full, 3).unwrap(), softmax(row, 1.0).unwrap());
        for (class, p) in (0..).zip(expected) {
            assert!((label.probability(class) - p).abs() < 1e-4, "{class}: {p}");
        }
    }
    // Let go, it is asked in vain.
    assert!(answers(&mut core, Request::Forget("own.onnx".into())).is_empty());
    let said = answers(&mut core, Request::Label(job));
    assert!(matches!(&said[..], [Reply::Failed { job: Some(JobId::Label(1)), .. }]), "{said:?}");
}

#[test]
fn a_file_that_cannot_be_used_is_named_and_the_engine_goes_on() {
    let (_, file) = network();
    let failure = |core: &mut Core, asked: OnnxTeacher| {
        let said = answers(core, Request::Onnx(asked));
        let [Reply::Failed { job: Some(JobId::Teacher(name)), error, .. }] = &said[..] else {
            panic!("{said:?}")
        };
        assert!(name == "own.onnx" && error.starts_with("own.onnx: "), "{error}");
        error.clone()
    };
    let mut core = Core::new(Device::flex()).with_onnx(OnnxHere);
    failure(&mut core, teacher(file[..file.len() / 2].to_vec()));
    let error = failure(&mut core, OnnxTeacher { side: 64, ..teacher(file.clone()) });
    assert!(error.contains("32 pixels"), "{error}");
    let two = ClassSpace::of_folders(&["cat".into(), "dog".into()]);
    let error = failure(&mut core, OnnxTeacher { classes: Some(two), ..teacher(file.clone()) });
    assert!(error.contains("3 outputs") && error.contains("2 classes"), "{error}");
    let error = failure(&mut Core::new(Device::flex()), teacher(file.clone()));
    assert!(error.contains("built without"), "{error}");
    assert!(matches!(&answers(&mut core, Request::Onnx(teacher(file)))[..], [Reply::Teacher { .. }]));
}
