//! The same numbers live: a teacher whose input a shader cuts on a wgpu device, against the CPU.

use ferkd_app::engine::core::Core;
use ferkd_app::engine::{LabelJob, Picture, Reply, Request};
use ferkd_method::label::{Codec, TopK};
use ferkd_method::mining::{Confidence, Thresholds};
use ferkd_method::region::{Region, RegionSampler};
use ferkd_nn::device::{SharedWgpu, open, open_shared};
use ferkd_skip::not_installed;
use image::RgbImage;

/// How far a live probability may lie from the CPU's.
const TOLERANCE: f32 = 1e-3;

const LITE0: &[u8] = include_bytes!("../../../assets/teachers/efficientnet-lite0/weights-f16.safetensors");
const DIGITS: &[u8] = include_bytes!("../../../assets/teachers/digits/weights-f16.safetensors");
const CHELSEA: &[u8] = include_bytes!("../../../assets/playground/photos/n02124075/chelsea.jpg");

/// Every class' probability for every region.
fn labels(core: &mut Core, name: &str, weights: &[u8], picture: &RgbImage, regions: &[Region]) -> Vec<TopK> {
    let job = LabelJob {
        id: 7,
        teacher: name.into(),
        key: 1,
        picture: Some(Picture {
            width: picture.width(),
            height: picture.height(),
            rgb: picture.as_raw().clone(),
        }),
        regions: regions.to_vec(),
        classes: Vec::new(),
        temperature: 1.0,
        k: usize::MAX,
    };
    let mut found = Vec::new();
    for request in [Request::Teacher { name: name.into(), weights: weights.to_vec() }, Request::Label(job)] {
        pollster::block_on(core.answer(request, &mut |reply| match reply {
            Reply::Labels { id, labels, .. } => {
                assert_eq!(id, 7);
                found = labels;
            }
            Reply::Failed { what, error, .. } => panic!("{what}: {error}"),
            _ => {}
        }));
    }
    found
}

fn same_numbers(shared: &SharedWgpu, name: &str, weights: &[u8], regions: &[Region]) {
    let photo = image::load_from_memory(CHELSEA).unwrap().into_rgb8();
    let expected = labels(&mut Core::new(open("flex").unwrap()), name, weights, &photo, regions);
    let found = labels(&mut Core::with_wgpu(shared), name, weights, &photo, regions);
    assert_eq!((found.len(), expected.len()), (regions.len(), regions.len()));
    let decode = |label: &TopK, classes| label.decode(Codec::Full, classes).unwrap();
    for (found, expected) in found.iter().zip(&expected) {
        let classes = expected.classes.len();
        assert_eq!(found.classes.len(), classes);
        let (found, expected) = (decode(found, classes), decode(expected, classes));
        let off = (0..classes as u32)
            .map(|class| (found.probability(class) - expected.probability(class)).abs())
            .fold(0.0, f32::max);
        assert!(off <= TOLERANCE, "{name}: a probability is off by {off}");
        let [c, truth] = [&found, &expected].map(|label| Confidence::Max.of(label, None).unwrap());
        for low in 1..50 {
            let low = low as f32 * 0.01;
            let thresholds = Thresholds { low, mid: low + 0.1, high: low + 0.4 };
            let near = [low, low + 0.1, low + 0.4].iter().any(|t| (truth - t).abs() <= TOLERANCE);
            let same = thresholds.kind(c).unwrap() == thresholds.kind(truth).unwrap();
            assert!(same || near, "{thresholds:?}: {c} is of another kind than {truth}");
        }
    }
}

#[test]
fn live_labels_are_the_cpus() {
    let shared = match open_shared() {
        Ok(shared) => shared,
        Err(error) => return not_installed(format_args!("there is no wgpu adapter: {error}")),
    };
    let regions = RegionSampler::new(11).regions(3, 8, 451, 300);
    // More than go through the teacher at once, so that a batch is cut while another one's memory is reused.
    let many = RegionSampler::new(12).regions(3, 40, 451, 300);
    same_numbers(&shared, "digits", DIGITS, &many);
    same_numbers(&shared, "efficientnet-lite0", LITE0, &regions);
}
