//! What a teacher says of regions of one photo, and what FerKD makes of it: a table in the terminal.
//!
//! `cargo run --release -p ferkd --example regions_of_a_photo -- assets/photos/chelsea.png "tabby cat"`

use ferkd::calibration::{Adaptation, Softening};
use ferkd::images::{OrientationRule, crop_resize, decode};
use ferkd::label::Codec;
use ferkd::mining::{Confidence, Rule};
use ferkd::nn::Classifier;
use ferkd::region::RegionSampler;
use ferkd::train::TeacherPass;
use ferkd_method::rng::path_hash;

const REGIONS: u32 = 12;

fn main() -> ferkd::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "assets/photos/chelsea.png".into());
    let class = arguments.next().unwrap_or_else(|| "tabby cat".into());

    let device = ferkd::nn::open("auto")?;
    let teacher = Classifier::load("efficientnet-lite0", &device)?;
    let classes = &teacher.classes;
    let truth = classes
        .find(&class)?
        .ok_or_else(|| ferkd::Error::usage(&class, "the teacher knows no such class"))?;

    let bytes = std::fs::read(&path).map_err(|e| ferkd::Error::io(&path, e))?;
    let photo = decode(&bytes, &path, OrientationRule::Apply)?.image;
    let regions = RegionSampler::new(0).regions(path_hash(&path), REGIONS, photo.width(), photo.height());

    let view = teacher.input_spec();
    let picture = (3 * view.side * view.side) as usize;
    let mut pixels = vec![0.0; picture * regions.len()];
    for (region, pixels) in regions.iter().zip(pixels.chunks_mut(picture)) {
        view.normalisation.write_chw(
            &crop_resize(&photo, region, view.side, view.filter)?,
            view.side,
            pixels,
        );
    }
    let pass = TeacherPass::new(&teacher, (0..classes.len() as u32).collect(), 1.0)?;
    let labels = pollster::block_on(pass.top_k(pass.input(pixels, &device), 5))?
        .iter()
        .map(|top| top.decode(Codec::MarginalSmoothing, classes.len()))
        .collect::<ferkd::Result<Vec<_>>>()?;

    let thresholds = Rule::default().resolve(|see| {
        labels.iter().try_for_each(|label| Confidence::Max.of(label, Some(truth)).map(&mut *see))
    })?;
    println!("thresholds: {} {} {}", thresholds.low, thresholds.mid, thresholds.high);
    for (region, label) in regions.iter().zip(labels) {
        let kind = thresholds.kind(Confidence::Max.of(&label, Some(truth))?)?;
        let (prediction, p) = label.top()[0];
        let adapted = Adaptation::Full.adapt(label, kind, Some(truth), Softening::default())?;
        println!(
            "{:>4} x {:<4} {:>5.1} % {:<24} {:<10} ground truth in the label: {:.3}",
            region.width,
            region.height,
            100.0 * p,
            classes.names[prediction as usize],
            kind.name(),
            adapted.probability(truth),
        );
    }
    Ok(())
}
