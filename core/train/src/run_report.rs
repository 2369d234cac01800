//! `report.html` of a run, and the sections that other reports share with it.

use std::path::Path;

use crate::config::TrainConfig;
use crate::summary::TrainSummary;
use crate::trainer::Trainer;
use ferkd_data::batches::select::Boxes;
use ferkd_data::events::Event;
use ferkd_data::images::ImageList;
use ferkd_data::mine::{MiningReport, mine};
use ferkd_data::pixels::{Filter, crop_resize, whole_resize};
use ferkd_data::store::Store;
use ferkd_method::calibration::{Adaptation, Softening};
use ferkd_method::error::{Error, IoContext, Result};
use ferkd_method::label::SoftLabel;
use ferkd_method::mining::{Confidence, RegionKind, Thresholds};
use ferkd_method::rng::{Purpose, Stream};
use ferkd_method::selfmix::{Mix, MixStrength, Mixing, mixed_picture};
use ferkd_report::{
    After, Cell, ConfidenceHistogram, Curves, Definitions, ImageRegions, LabelBars, LabelPair, LabelPairs,
    MixedPair, Picture, RegionBox, RegionGrid, RegionItem, Report, Section, SelfmixPairs, Table, why,
};

/// Reads the events of a run's `metrics.jsonl`.
///
/// # Errors
/// A file that cannot be read, or a line that is no event; the line is named.
pub fn read_metrics(path: &Path) -> Result<Vec<Event>> {
    let bytes = std::fs::read(path).at(path)?;
    let lines = bytes.strip_suffix(b"\n").unwrap_or(&bytes).split(|&byte| byte == b'\n');
    let event = |(i, line)| {
        serde_json::from_slice(line).map_err(|e| {
            Error::damaged(path, format!("line {}: {e}", i + 1))
                .remedy("copy the run's folder again, or begin another run with --run")
        })
    };
    if bytes.is_empty() { Ok(Vec::new()) } else { lines.enumerate().map(event).collect() }
}

/// Training loss by epoch.
pub fn loss_curve(events: &[Event]) -> Vec<(f64, f64)> {
    let point = |e: &Event| match e {
        Event::Metric { epoch, loss, .. } => Some((*epoch, *loss)),
        _ => None,
    };
    events.iter().filter_map(point).collect()
}

/// Validation accuracy by epoch.
pub fn accuracy_curve(events: &[Event]) -> Vec<(f64, f64)> {
    let point = |e: &Event| match e {
        Event::Evaluation { epoch, top1, .. } => Some((*epoch, *top1)),
        _ => None,
    };
    events.iter().filter_map(point).collect()
}

/// A store with its images and a mining rule: what pictures of regions are made from.
pub struct Gallery<'a> {
    /// The store.
    pub store: &'a Store,
    /// Its images.
    pub images: &'a ImageList,
    /// Where the kinds begin and end.
    pub thresholds: Thresholds,
    /// Which number of a label is its confidence.
    pub confidence: Confidence,
    /// What a calibrated label says.
    pub softening: Softening,
    /// What is done with each kind.
    pub adaptation: Adaptation,
    /// Side of the pictures of regions, in pixels.
    pub side: u32,
}

/// One region of a gallery.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pick {
    /// The image.
    pub image: u64,
    /// The region.
    pub region: u32,
    /// Its confidence.
    pub c: f32,
    /// Its kind.
    pub kind: RegionKind,
}

impl Gallery<'_> {
    /// What a class is called; one that is not known, "unknown".
    fn name(&self, class: Option<u32>) -> String {
        let names = &self.store.manifest().label.class_names;
        let name = class.and_then(|class| names.get(class as usize));
        name.cloned().unwrap_or_else(|| "unknown".into())
    }

    /// `count` regions of every kind, each of another image as far as there are; the seed is fixed.
    pub fn picks(&self, count: usize) -> Result<Vec<Pick>> {
        let mut found: [Vec<Pick>; 4] = Default::default();
        let order = Stream::new(0, Purpose::ImageOrder, u64::MAX, 0)
            .permutation(self.store.len().min(1 << 20) as usize);
        // A kind may be rare, but looking at every image of a large store takes too long.
        for &image in order.iter().take(5000) {
            if found.iter().all(|picks| picks.len() >= count) {
                break;
            }
            for region in 0..self.store.per_image() {
                let c = self.store.confidence(image.into(), region, self.confidence)?;
                let kind = self.thresholds.kind(c)?;
                let picks = &mut found[kind as usize];
                if picks.len() < count && picks.last().is_none_or(|p| p.image != u64::from(image)) {
                    picks.push(Pick { image: image.into(), region, c, kind });
                }
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    fn crop(&self, pick: &Pick) -> Result<Vec<u8>> {
        let image = pick.image as usize;
        let picture = self.images.decode(image, self.store.manifest().orientation)?.image;
        self.store.check_size(pick.image, &self.images.label_of(image), picture.dimensions())?;
        crop_resize(&picture, &self.store.region(pick.image, pick.region)?, self.side, Filter::Bilinear)
    }

    fn picture(&self, pick: &Pick) -> Result<Picture> {
        self.encode(&self.crop(pick)?)
    }

    fn encode(&self, pixels: &[u8]) -> Result<Picture> {
        // Small pictures are looked at pixel by pixel.
        if self.side <= 64 {
            Picture::png(pixels, self.side, self.side)
        } else {
            Picture::photo(pixels, self.side, self.side)
        }
    }

    /// Regions by kind; `visible` says how much of the object one shows, where that is known.
    pub fn grid(&self, picks: &[Pick], visible: &dyn Fn(&Pick) -> Option<f64>) -> Result<RegionGrid> {
        let item = |pick: &Pick| -> Result<RegionItem> {
            let label = self.store.label(pick.image, pick.region)?;
            Ok(RegionItem {
                picture: self.picture(pick)?,
                kind: pick.kind,
                confidence: pick.c,
                teacher: self.name(label.prediction()),
                truth: self.name(self.store.class(pick.image)?),
                visible: visible(pick),
            })
        };
        let items = picks.iter().map(item).collect::<Result<_>>()?;
        Ok(RegionGrid::new("Regions by kind", items).note("drawn at random, as the student sees them"))
    }

    /// A whole image with all of its regions, or the first `most` of them.
    pub fn boxes(&self, image: u64, most: u32) -> Result<ImageRegions> {
        let entry = self.store.image(image)?;
        let picture = self.images.decode(image as usize, self.store.manifest().orientation)?.image;
        let shown = match picture.dimensions() {
            (width, height) if width.max(height) <= 1200 => Picture::png(picture.as_raw(), width, height)?,
            _ => Picture::photo(&whole_resize(&picture, 800, Filter::Bilinear)?, 800, 800)?,
        };
        let boxes = (0..self.store.per_image().min(most)).map(|region| {
            let confidence = self.store.confidence(image, region, self.confidence)?;
            let kind = self.thresholds.kind(confidence)?;
            Ok(RegionBox { region: self.store.region(image, region)?, kind, confidence })
        });
        let boxes = boxes.collect::<Result<_>>()?;
        let title = format!("{} and its regions", entry.name);
        Ok(ImageRegions::new(title, shown, (entry.width, entry.height), boxes))
    }

    /// The `count` images whose first `most` regions are of the most kinds, earlier ones first among equals.
    pub fn representative_images(&self, count: usize, most: u32) -> Result<Vec<u64>> {
        let mut found = Vec::new();
        // A picture of each kind is found soon; looking at every image of a large store takes too long.
        for image in 0..self.store.len().min(5000) {
            let mut kinds = [false; RegionKind::ALL.len()];
            for region in 0..self.store.per_image().min(most) {
                let c = self.store.confidence(image, region, self.confidence)?;
                kinds[self.thresholds.kind(c)? as usize] = true;
            }
            found.push((kinds.iter().filter(|&&there| !there).count(), image));
        }
        found.sort_unstable();
        Ok(found.into_iter().take(count).map(|(_, image)| image).collect())
    }

    /// Labels before and after adaptation.
    pub fn labels(&self, picks: &[Pick]) -> Result<LabelPairs> {
        let pair = |pick: &Pick| -> Result<LabelPair> {
            let truth = self.store.class(pick.image)?;
            let before = self.store.label(pick.image, pick.region)?;
            let bars = |label: &SoftLabel| LabelBars::of(label, 5, truth, |c| self.name(Some(c)));
            let adapted = self.adapted(pick)?;
            // What the label leaves to the classes that are not the image's.
            let others = match (&adapted, truth) {
                (Some(adapted), Some(truth)) => 1.0 - adapted.probability(truth),
                _ => self.softening.spread(&before),
            };
            let after = match adapted {
                _ if self.adaptation.removes(pick.kind) => After::Removed,
                Some(after) => After::Label(bars(&after), before.total_variation(&after)),
                None => After::Unknown,
            };
            Ok(LabelPair {
                name: format!("{}, region {}", self.store.image(pick.image)?.name, pick.region),
                picture: Some(self.picture(pick)?),
                kind: pick.kind,
                before: bars(&before),
                after,
                why: why(pick.c, &self.thresholds, pick.kind, &self.name(truth), others, self.adaptation),
            })
        };
        Ok(LabelPairs::new("Labels before and after", picks.iter().map(pair).collect::<Result<_>>()?))
    }

    /// A region's adapted label; none where it is calibrated and the class of its image is not known.
    fn adapted(&self, pick: &Pick) -> Result<Option<SoftLabel>> {
        let truth = self.store.class(pick.image)?;
        if truth.is_none() && self.adaptation.calibrates(pick.kind) {
            return Ok(None);
        }
        let label = self.store.label(pick.image, pick.region)?;
        self.adaptation.adapt(label, pick.kind, truth, self.softening).map(Some)
    }

    /// `count` mixtures of two regions of one image, and how far labels move when regions of two images are mixed
    /// instead.
    pub fn selfmix(&self, count: usize) -> Result<SelfmixPairs> {
        // The first two regions of an image that a student meets.
        let trained = |image: u64| -> Result<Vec<(Pick, SoftLabel)>> {
            let mut picks = Vec::new();
            for region in 0..self.store.per_image() {
                if picks.len() == 2 {
                    break;
                }
                let c = self.store.confidence(image, region, self.confidence)?;
                let kind = self.thresholds.kind(c)?;
                let pick = Pick { image, region, c, kind };
                if !self.adaptation.removes(kind)
                    && let Some(label) = self.adapted(&pick)?
                {
                    picks.push((pick, label));
                }
            }
            Ok(picks)
        };
        let order = Stream::new(1, Purpose::ImageOrder, u64::MAX, 0)
            .permutation(self.store.len().min(1 << 20) as usize);
        let (mut pairs, mut before): (Vec<MixedPair>, Option<SoftLabel>) = (Vec::new(), None);
        let (mut across, mut across_count) = (0.0, 0u32);
        for &image in order.iter().take(400) {
            let picks = trained(image.into())?;
            let [(a, own), (b, other), ..] = &picks[..] else { continue };
            let step = u64::from(image);
            let Some(mixing) = Mixing::draw(Mix::Selfmix, &MixStrength::default(), 0, step, self.side)?
            else {
                continue;
            };
            let moved = |other: &SoftLabel| {
                let tv = own.total_variation(other);
                [tv * f64::from(1.0 - mixing.l), tv * f64::from(mixing.l)]
            };
            if let Some(other) = before {
                across += moved(&other).iter().sum::<f64>() / 2.0;
                across_count += 1;
            }
            before = Some(own.clone());
            if pairs.len() < count {
                let (pixels_a, pixels_b) = (self.crop(a)?, self.crop(b)?);
                pairs.push(MixedPair {
                    name: format!(
                        "{}, regions {} and {}",
                        self.store.image(image.into())?.name,
                        a.region,
                        b.region
                    ),
                    a: self.encode(&pixels_a)?,
                    b: self.encode(&pixels_b)?,
                    mixed: self.encode(&mixed_picture(&pixels_a, &pixels_b, &mixing, self.side))?,
                    mixing,
                    total_variation: moved(other),
                });
            }
        }
        let section = SelfmixPairs::new("Two regions of one image, mixed", pairs);
        Ok(if across_count > 0 { section.across_images(across / f64::from(across_count)) } else { section })
    }
}

/// The histogram of a store's confidences.
pub fn histogram(mined: &MiningReport) -> ConfidenceHistogram {
    ConfidenceHistogram::new(
        "The teacher's confidence",
        mined.histogram.clone(),
        mined.thresholds,
        mined.kinds,
    )
}

/// Settings as a list.
///
/// # Errors
/// A value that TOML cannot hold.
pub fn settings(config: &TrainConfig) -> Result<Definitions> {
    let table = ferkd_data::config::table(config)?;
    Ok(table.iter().fold(Definitions::new("Settings"), |list, (key, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        list.item(key.clone(), value)
    }))
}

/// The report of a run.
pub fn run_report(trainer: &Trainer, summary: &TrainSummary, events: &[Event]) -> Result<String> {
    let config = trainer.config();
    let name = config.supervision.name();
    let mut outcome = Table::new("How the run ended", ["", "value"])
        .row([Cell::text("steps"), Cell::number(summary.steps as f64, 0)])
        .row([Cell::text("epochs"), Cell::number(summary.epochs, 1)])
        .row([Cell::text("training loss"), Cell::number(summary.train_loss, 4).unit("nats")]);
    if let (Some(top1), Some(top5)) = (summary.accuracy, summary.top5) {
        outcome = outcome
            .row([Cell::text("top-1 accuracy"), Cell::percent(top1)])
            .row([Cell::text("top-5 accuracy"), Cell::percent(top5)]);
    }
    let curves = Section::new("Training")
        .with(Curves::new("Loss", "epoch", "nats").curve("training", loss_curve(events)))
        .with(
            Curves::new("Top-1 accuracy", "epoch", "of the validation images")
                .percent()
                .curve("validation", accuracy_curve(events)),
        );
    let mut report = Report::new(format!("{} by {name}", config.arch))
        .subtitle(format!(
            "{} images, {} classes",
            trainer.batcher().images.len(),
            trainer.card().classes.len()
        ))
        .section(Section::new("Outcome").with(outcome))
        .section(curves);
    if let (Some(thresholds), Boxes::Store(store)) = (summary.thresholds, &trainer.batcher().boxes) {
        let gallery = Gallery {
            store,
            images: &trainer.batcher().images,
            thresholds,
            confidence: config.confidence,
            softening: config.softening(store.manifest().label.temperature),
            adaptation: config.supervision.adaptation(),
            side: config.side,
        };
        let mined = mine(store, &config.rule()?, config.confidence)?;
        let labels = gallery.picks(2)?;
        report = report
            .section(
                Section::new("Mining")
                    .with(histogram(&mined))
                    .with(gallery.grid(&gallery.picks(6)?, &|_| None)?),
            )
            .section(Section::new("Labels").with(gallery.labels(&labels)?));
    }
    Ok(report.section(Section::new("Settings").with(settings(config)?)).render())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_event_is_named_with_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let sound = b"{\"event\":\"checkpoint\",\"step\":4,\"path\":\"last\"}\n";
        for (behind, expected) in [(&b""[..], 1), (&b"\xFF\xFE\n"[..], 0), (&b"{\"event\":\"prog\n"[..], 0)] {
            std::fs::write(&path, [&sound[..], behind].concat()).unwrap();
            match read_metrics(&path) {
                Ok(events) => assert_eq!(events.len(), expected),
                Err(error) => {
                    let text = error.to_string();
                    assert!(
                        expected == 0 && text.contains("metrics.jsonl") && text.contains("line 2"),
                        "{text}"
                    );
                    assert!(text.ends_with(')'), "no remedy: {text}");
                }
            }
        }
        std::fs::write(&path, b"").unwrap();
        assert!(read_metrics(&path).unwrap().is_empty());
    }
}
