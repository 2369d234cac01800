//! Renders a report with every kind of block on it, from made-up data.
//!
//! `cargo run -p ferkd --example report_gallery -- report.html [photo.png]`

use std::error::Error;

use ferkd_data::pixels::{Filter, crop_resize};
use ferkd_method::calibration::{Adaptation, Softening};
use ferkd_method::label::{Codec, SoftLabel, TopK, softmax};
use ferkd_method::mining::{Histogram, KindCounts, RegionKind, Thresholds};
use ferkd_method::region::RegionSampler;
use ferkd_method::rng::{Purpose, Stream};
use ferkd_method::selfmix::{Mix, MixStrength, Mixing};
use ferkd_report::*;
use image::{Rgb, RgbImage};

const NAMES: [&str; 10] = [
    "tabby",
    "Egyptian cat",
    "tiger cat",
    "lynx",
    "red fox",
    "Persian cat",
    "wood rabbit",
    "coyote",
    "window screen",
    "African hunting dog",
];
const TRUTH: u32 = 1;
const EPSILON: f32 = 0.1;
const SIDE: u32 = 64;
const THRESHOLDS: Thresholds = Thresholds { low: 0.204, mid: 0.331, high: 0.962 };
const CLOSE: Thresholds = Thresholds { low: 0.961, mid: 0.9702, high: 0.9996 };

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().ok_or("usage: report_gallery OUT.html [PHOTO]")?;
    let photo = match arguments.next() {
        Some(path) => image::open(path)?.to_rgb8(),
        None => scene(),
    };
    let scenes = regions(&photo)?;
    let report = Report::new("Five supervisions of one student")
        .subtitle("ResNet-18 on 40 classes of Tiny-ImageNet, 60 epochs, three seeds; made-up numbers")
        .lead(
            "Each student saw the same images in the same order. The teacher's labels for the regions were made \
             once, before training; `ferkd` leaves out the regions that teach nothing and softens the ground \
             truth where the teacher has no object to look at.",
        )
        .section(results())
        .section(training())
        .section(mining())
        .section(
            Section::new("Regions")
                .note("Regions of one photo, sorted by the teacher's confidence in them.")
                .with(ImageRegions::new(
                    "Eight regions on their image",
                    Picture::photo(photo.as_raw(), photo.width(), photo.height())?,
                    photo.dimensions(),
                    scenes.iter().take(8).map(|s| s.boxed).collect(),
                ))
                .with(RegionGrid::new("The same regions as the student sees them", cards(&scenes)?)),
        )
        .section(labels(&scenes)?)
        .section(mixes(&scenes)?)
        .section(settings())
        .footer("Made with `ferkd`. Thresholds, epsilon and mixing strengths are this project's own.");
    std::fs::write(out, report.render())?;
    Ok(())
}

struct Seen {
    boxed: RegionBox,
    pixels: Vec<u8>,
    label: SoftLabel,
    visible: f64,
}

/// Regions of the photo, with labels that depend on how near they are to its middle.
fn regions(photo: &RgbImage) -> Result<Vec<Seen>, Box<dyn Error>> {
    let (width, height) = photo.dimensions();
    let mut all = Vec::new();
    let sampler = RegionSampler { scale: (0.05, 0.45), ..RegionSampler::new(11) };
    for (i, region) in sampler.regions(5, 16, width, height).into_iter().enumerate() {
        let at = region.to_fractions(width, height);
        let (dx, dy) = (at.left + at.width / 2.0 - 0.5, at.top + at.height / 2.0 - 0.42);
        let visible = (1.2 - 3.6 * (dx * dx + dy * dy).sqrt() + 0.3 * at.width).clamp(0.0, 1.0);
        let mut draw = Stream::new(3, Purpose::Region, 77, i as u32);
        let logits: Vec<f32> = (0..NAMES.len())
            .map(|class| (draw.normal() * 0.6 + if class < 3 { visible * 1.6 } else { 0.0 }) as f32)
            .collect();
        let sharpened: Vec<f32> = logits
            .iter()
            .enumerate()
            .map(|(c, z)| if c == TRUTH as usize { z + 4.0 * (visible * visible) as f32 } else { *z })
            .collect();
        let label = TopK::of(&softmax(&sharpened, 1.0)?, 5).decode(Codec::MarginalSmoothing, NAMES.len())?;
        let confidence = label.top()[0].1;
        let pixels = crop_resize(photo, &region, SIDE, Filter::Bilinear)?;
        let kind = THRESHOLDS.kind(confidence)?;
        all.push(Seen { boxed: RegionBox { region, kind, confidence }, pixels, label, visible });
    }
    Ok(all)
}

fn name(class: u32) -> String {
    NAMES[class as usize].to_owned()
}

fn results() -> Section {
    let rows = [
        ("hard", 0.6231, 0.0042, 1.512, 2480.0, 1.0),
        ("kd", 0.6874, 0.0031, 1.204, 6120.0, 1.0),
        ("fkd", 0.7012, 0.0027, 1.118, 2510.0, 1.0),
        ("ferkd", 0.7184, 0.0022, 1.052, 2495.0, 0.831),
        ("ferkd+selfmix", 0.7129, 0.0035, 1.071, 2533.0, 0.831),
        ("funmatch", f64::NAN, f64::NAN, f64::NAN, f64::NAN, 1.0),
    ];
    let headers = ["Supervision", "Accuracy, held out", "Loss, nats", "Time", "Regions used", "Labels"];
    let table = Table::new("Held-out accuracy by supervision", headers)
        .note("Mean and standard deviation over three seeds, 2000 images.")
        .mark_best(1, Best::Highest);
    let table = rows.into_iter().fold(table, |table, (name, accuracy, sd, loss, seconds, share)| {
        table.row([
            format!("`{name}`").into(),
            Cell::percent(accuracy).plus_minus(sd),
            Cell::number(loss, 3),
            Cell::seconds(seconds),
            Cell::percent(share).plain(),
            if name == "hard" { "ground truth".into() } else { "teacher".into() },
        ])
    });
    Section::new("Results").with(table)
}

/// A curve that falls or rises from `from` towards `to`, with noise.
fn course(seed: u32, n: usize, x: f64, (from, to): (f64, f64), noise: f64) -> Vec<(f64, f64)> {
    let mut draw = Stream::new(1, Purpose::Region, 5, seed);
    let share = |i: usize| i as f64 / n as f64;
    (1..=n)
        .map(|i| {
            let jitter = noise * draw.normal() * (1.0 - 0.7 * share(i));
            (share(i) * x, to + (from - to) * (-4.0 * share(i)).exp() * (1.0 - share(i) * share(i)) + jitter)
        })
        .collect()
}

fn training() -> Section {
    let accuracy = Curves::new("Held-out accuracy", "epoch", "accuracy")
        .percent()
        .curve("hard", course(0, 20, 60.0, (0.12, 0.623), 0.012))
        .curve("kd", course(1, 20, 60.0, (0.15, 0.687), 0.010))
        .curve("fkd", course(2, 20, 60.0, (0.18, 0.701), 0.009))
        .emphasised("ferkd", course(3, 20, 60.0, (0.20, 0.718), 0.008))
        .curve("ferkd+selfmix", course(4, 20, 60.0, (0.17, 0.713), 0.009));
    let mut hard = course(5, 3000, 18_750.0, (3.69, 0.08), 0.012);
    hard[40].1 = f64::NAN;
    let loss = Curves::new("Training loss", "step", "loss, nats")
        .note("The losses' entropies differ: soft labels cannot reach 0.")
        .log_y()
        .curve("hard", hard)
        .curve("fkd", course(6, 3000, 18_750.0, (3.5, 1.01), 0.03))
        .emphasised("ferkd", course(7, 3000, 18_750.0, (3.5, 1.12), 0.03));
    Section::new("Training").with(accuracy).with(loss).with(Curves::new("Nothing yet", "step", "loss"))
}

fn mining() -> Section {
    let mut draw = Stream::new(9, Purpose::Region, 1, 0);
    let (mut all, mut seen) = (Histogram::new(50), [Histogram::new(50), Histogram::new(50)]);
    let (mut counts, mut other_counts) = (KindCounts::default(), KindCounts::default());
    for _ in 0..64_000 {
        let visible = draw.unit() < 0.8;
        let z = draw.normal() * if visible { 1.9 } else { 0.9 } + if visible { 1.3 } else { -0.9 };
        let c = (0.1 + 0.9 / (1.0 + (-z).exp())) as f32;
        all.add(c);
        seen[usize::from(visible)].add(c);
        counts.add(THRESHOLDS.kind(c).unwrap_or(RegionKind::Discarded));
        other_counts.add(CLOSE.kind(c).unwrap_or(RegionKind::Discarded));
    }
    let [without, with] = seen;
    Section::new("Mining")
        .note("The thresholds were given as confidences; nothing here was measured.")
        .with(
            ConfidenceHistogram::new(
                "The teacher's confidence in 64 000 regions",
                all.clone(),
                THRESHOLDS,
                counts,
            )
            .overlay("object visible", with)
            .overlay("object not visible", without)
            .separation(Separation {
                auc: 0.8731,
                first: "a region in which the object is visible".into(),
                second: "one in which it is not".into(),
            }),
        )
        .with(
            ConfidenceHistogram::new("Thresholds close together", all, CLOSE, other_counts)
                .note("Their labels keep their distance."),
        )
}

fn cards(seen: &[Seen]) -> Result<Vec<RegionItem>, Box<dyn Error>> {
    seen.iter()
        .map(|s| {
            Ok(RegionItem {
                picture: Picture::png(&s.pixels, SIDE, SIDE)?,
                kind: s.boxed.kind,
                confidence: s.boxed.confidence,
                teacher: name(s.label.top()[0].0),
                truth: name(TRUTH),
                visible: Some(s.visible),
            })
        })
        .collect()
}

fn labels(seen: &[Seen]) -> Result<Section, Box<dyn Error>> {
    let mut pairs = Vec::new();
    for kind in RegionKind::ALL {
        let Some((i, s)) = seen.iter().enumerate().find(|(_, s)| s.boxed.kind == kind) else { continue };
        let arm = Adaptation::Full;
        let adapted = arm.adapt(s.label.clone(), kind, Some(TRUTH), Softening::new(EPSILON, 1.0))?;
        let bars = |label: &SoftLabel| LabelBars::of(label, 5, Some(TRUTH), name);
        pairs.push(LabelPair {
            name: format!("Region {}", i + 1),
            picture: Some(Picture::png(&s.pixels, SIDE, SIDE)?),
            kind,
            before: bars(&s.label),
            after: match arm.removes(kind) {
                true => After::Removed,
                false => After::Label(bars(&adapted), s.label.total_variation(&adapted)),
            },
            why: why(s.boxed.confidence, &THRESHOLDS, kind, &name(TRUTH), EPSILON, arm),
        });
    }
    Ok(Section::new("Labels")
        .note("One region of each kind.")
        .with(LabelPairs::new("Before and after", pairs)))
}

fn mixes(seen: &[Seen]) -> Result<Section, Box<dyn Error>> {
    let mut pairs = Vec::new();
    for (step, (i, j)) in [(2, (0, 4)), (1, (2, 5))] {
        let Some(mixing) = Mixing::draw(Mix::Selfmix, &MixStrength::default(), 4, step, SIDE)? else {
            continue;
        };
        let mut planar = planes(&seen[i].pixels);
        mixing.apply(&mut planar, &planes(&seen[j].pixels), SIDE);
        let pixels = (SIDE * SIDE) as usize;
        let mixed: Vec<u8> =
            (0..3 * pixels).map(|at| planar[at % 3 * pixels + at / 3].round() as u8).collect();
        let distance = seen[i].label.total_variation(&seen[j].label);
        pairs.push(MixedPair {
            name: format!("Regions {} and {}", i + 1, j + 1),
            a: Picture::png(&seen[i].pixels, SIDE, SIDE)?,
            b: Picture::png(&seen[j].pixels, SIDE, SIDE)?,
            mixed: Picture::png(&mixed, SIDE, SIDE)?,
            mixing,
            total_variation: [f64::from(1.0 - mixing.l) * distance, f64::from(mixing.l) * distance],
        });
    }
    Ok(Section::new("SelfMix")
        .note("Regions are mixed with regions of the same image only.")
        .with(SelfmixPairs::new("Two pairs of one image", pairs).across_images(0.478)))
}

fn planes(pixels: &[u8]) -> Vec<f32> {
    (0..3).flat_map(|channel| pixels.iter().skip(channel).step_by(3).map(|&v| f32::from(v))).collect()
}

fn settings() -> Section {
    let settings = Definitions::new("Settings and provenance")
        .item("seed", "17")
        .item("commit", "0123abc")
        .item("ferkd", env!("CARGO_PKG_VERSION"))
        .item("device", "flex, 2 threads")
        .item("teacher", "efficientnet-lite0")
        .item("teacher's checksum", "sha256:3f8a64b0c9d27715e8a1b7d5c02e9c4a6f1d4f7a9b3e2c58d7e6f5a4b3c2d1e0")
        .item("regions an image", "50")
        .item("quantiles", "0.02, 0.15, 0.98");
    Section::new("Settings").with(settings).with(
        Text::new()
            .paragraph("The run can be repeated with:")
            .code("ferkd train --config config.toml --run runs/ferkd"),
    )
}

/// A picture of a round thing in a landscape, for when no photo is given.
fn scene() -> RgbImage {
    RgbImage::from_fn(480, 320, |x, y| {
        let (u, v) = (f64::from(x) / 480.0, f64::from(y) / 320.0);
        let (dx, dy) = ((u - 0.5) * 1.5, v - 0.42);
        let hill = 0.66 + 0.06 * (u * 9.0).sin() + 0.03 * (u * 23.0).cos();
        let distance = (dx * dx + dy * dy).sqrt();
        let shade = |base: [f64; 3], light: f64| Rgb(base.map(|v| (v * light).clamp(0.0, 255.0) as u8));
        if distance < 0.24 {
            let stripes = 0.9 + 0.12 * ((dx * 2.0 + dy) * 50.0).sin();
            shade([222.0, 150.0, 84.0], stripes * (1.1 - distance * 2.0 + 0.3 * -dy))
        } else if v > hill {
            shade([98.0, 132.0, 74.0], 1.25 - 0.8 * (v - hill) + 0.05 * (u * 190.0).sin())
        } else {
            shade([168.0, 196.0, 220.0], 1.15 - 0.35 * v)
        }
    })
}
