//! Out again: thresholds as TOML, counts as CSV, decisions as JSONL, picked regions as either, and the command line that
//! does the same.

use ferkd_method::mining::{RegionKind, Rule, Thresholds};
use ferkd_method::region::Region;
use ferkd_method::{Error, Result};
use serde::Serialize;

use crate::experiment::Data;
use crate::state::State;
use crate::verdict::{Decision, Verdict};

/// The thresholds as TOML that `ferkd train --config` reads.
pub fn toml(state: &State) -> String {
    let settings = state.experiment.settings;
    let confidence = settings.confidence.name();
    let rule = settings.rule().to_toml();
    let found = match state.thresholds(&settings) {
        Ok(Thresholds { low, mid, high }) => {
            format!("# On these labels: low {low}, mid {mid}, high {high}.\n")
        }
        Err(_) => String::new(),
    };
    format!("{found}confidence = \"{confidence}\"\n{rule}epsilon = {:?}\n", settings.epsilon)
}

/// The command line that counts the same regions.
pub fn command_line(state: &State) -> String {
    let settings = state.experiment.settings;
    let store = match (state.experiment.data, state.set()) {
        (Data::Scenes, _) => "ferkd-demo/store".into(),
        (Data::Yours, Some(set)) if set.store().is_some() => quoted(&set.name),
        _ => "STORE".into(),
    };
    let rule = match settings.rule() {
        Rule::Absolute(Thresholds { low, mid, high }) => format!("--low {low} --mid {mid} --high {high}"),
        Rule::Quantiles(Thresholds { low, mid, high }) => format!("--quantiles {low},{mid},{high}"),
        Rule::Bounds(_) => unreachable!("settings hold confidences or quantiles"),
    };
    format!("ferkd mine {store} --confidence {} {rule}", settings.confidence.name())
}

/// A word of a command line.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// Counts as CSV: all regions, then each class that has some.
pub fn csv(state: &State) -> String {
    let mut text = String::from("class,id,regions");
    for kind in RegionKind::ALL {
        text += &format!(",{}", kind.name());
    }
    text += ",mean_confidence\n";
    let settings = &state.experiment.settings;
    let (Some(set), Some(Ok(census)), Ok(thresholds)) =
        (state.set(), state.census(settings), state.thresholds(settings))
    else {
        return text;
    };
    let mut row = |name: &str, id: &str, counts: ferkd_method::mining::KindCounts, mean: Option<f64>| {
        let numbers = counts.0.map(|n| n.to_string()).join(",");
        let mean = mean.map(|m| format!("{m:.6}")).unwrap_or_default();
        text += &format!("{},{},{},{numbers},{mean}\n", field(name), field(id), counts.total());
    };
    row("all", "", census.kinds(&thresholds), None);
    for (class, counts) in census.classes(&thresholds) {
        let id = set.classes.ids.get(class as usize).map_or("", String::as_str);
        row(&set.class_name(class), id, counts, census.mean(class));
    }
    text
}

/// The regions that the Review pane lists as CSV, with what was said of them.
pub fn review_csv(state: &State) -> String {
    let mut text = String::from("image,region,class,guess,p_guess,p_class,confidence,kind,visible,verdict\n");
    let Some(set) = state.set() else { return text };
    let which = state.experiment.settings.confidence;
    for (one, kind) in state.study.review.lines() {
        let name = set.region(one.image, one.region).map(|found| found.image).unwrap_or_default();
        let [class, prediction] = [one.truth, one.prediction].map(|class| field(&set.class_name(class)));
        let visible = one.visible.map(|share| format!("{share:.4}")).unwrap_or_default();
        let verdict = state.verdict(one.image, one.region).map_or("", Verdict::name);
        text += &format!(
            "{},{},{class},{prediction},{},{},{},{},{visible},{verdict}\n",
            field(&name),
            one.region,
            one.p_prediction,
            one.p_truth,
            one.confidence(which),
            kind.name(),
        );
    }
    text
}

/// A field of a CSV file (RFC 4180). What a spreadsheet would take for a formula is told apart by a quote mark.
fn field(text: &str) -> String {
    let guarded = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_owned() };
    if guarded.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

/// The reader's decisions on the data set that is looked at, one JSON object a line.
pub fn jsonl(state: &State) -> String {
    let line = |decision: &Decision| serde_json::to_string(decision).unwrap_or_default() + "\n";
    state.decisions().values().map(line).collect()
}

/// A region that is picked in the gallery.
#[derive(Serialize)]
struct Picked {
    /// The image's name.
    image: String,
    /// The region's number in it.
    region: u32,
    /// Where it is, in pixels of the picture.
    top: u32,
    left: u32,
    height: u32,
    width: u32,
    flip: bool,
    /// The image's class, by name.
    class: Option<String>,
    /// The teacher's top-1 prediction, by name, and its probability.
    prediction: Option<String>,
    p_prediction: Option<f32>,
    /// Confidence and kind under the settings at hand.
    confidence: Option<f32>,
    kind: Option<&'static str>,
    /// What was said of it.
    verdict: Option<&'static str>,
}

/// The regions that are picked, by image and number.
fn picked(state: &State) -> Result<Vec<Picked>> {
    let Some(set) = state.set() else { return Ok(Vec::new()) };
    let mut places = (None, Vec::new());
    let mut all = Vec::with_capacity(state.study.gallery.picked.len());
    for &(image, region) in &state.study.gallery.picked {
        // They come image by image.
        if places.0 != Some(image) {
            places = (Some(image), set.regions(image)?);
        }
        let found = set.region(image, region)?;
        let place = places.1.get(region as usize);
        let place = *place.ok_or_else(|| Error::usage("region", format!("image {image} has no {region}")))?;
        let Region { top, left, height, width, flip } = place;
        let best = found.label.as_ref().and_then(|label| label.top().first().copied());
        let judged = found
            .label
            .as_ref()
            .and_then(|label| state.judge(&state.experiment.settings, label, found.truth));
        all.push(Picked {
            image: found.image,
            region,
            top,
            left,
            height,
            width,
            flip,
            class: found.truth.map(|class| set.class_name(class)),
            prediction: best.map(|(class, _)| set.class_name(class)),
            p_prediction: best.map(|(_, p)| p),
            confidence: judged.map(|(c, _)| c),
            kind: judged.map(|(_, kind)| kind.name()),
            verdict: state.verdict(image, region).map(Verdict::name),
        });
    }
    Ok(all)
}

/// The regions that are picked in the gallery as CSV.
///
/// # Errors
/// A region whose label is on its way or damaged.
pub fn picked_csv(state: &State) -> Result<String> {
    let mut text = String::from(
        "image,region,top,left,height,width,flip,class,prediction,p_prediction,confidence,kind,verdict\n",
    );
    for one in picked(state)? {
        let Picked { region, top, left, height, width, flip, .. } = one;
        let word = |word: &Option<String>| word.as_deref().map(field).unwrap_or_default();
        let number = |number: Option<f32>| number.map(|n| n.to_string()).unwrap_or_default();
        text += &format!(
            "{},{region},{top},{left},{height},{width},{flip},{},{},{},{},{},{}\n",
            field(&one.image),
            word(&one.class),
            word(&one.prediction),
            number(one.p_prediction),
            number(one.confidence),
            one.kind.unwrap_or_default(),
            one.verdict.unwrap_or_default(),
        );
    }
    Ok(text)
}

/// The regions that are picked in the gallery, one JSON object a line.
///
/// # Errors
/// A region whose label is on its way or damaged.
pub fn picked_jsonl(state: &State) -> Result<String> {
    let line = |one: &Picked| serde_json::to_string(one).unwrap_or_default() + "\n";
    Ok(picked(state)?.iter().map(line).collect())
}

/// A picture as a PNG file.
pub fn png(picture: &egui::ColorImage) -> Result<Vec<u8>> {
    let [width, height] = picture.size;
    let rgba: Vec<u8> = picture.pixels.iter().flat_map(egui::Color32::to_array).collect();
    let picture = image::RgbaImage::from_raw(width as u32, height as u32, rgba)
        .ok_or_else(|| Error::mismatch("picture", "its bytes are not width x height x 4"))?;
    let mut bytes = std::io::Cursor::new(Vec::new());
    let written = picture.write_to(&mut bytes, image::ImageFormat::Png);
    written.map_err(|e| Error::mismatch("picture", e.to_string()))?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Experiment;
    use ferkd_train::config::TrainConfig;

    fn photos() -> State {
        let mut state = State::new(Experiment::default());
        state.refresh();
        state
    }

    #[test]
    fn train_reads_the_thresholds_that_come_out() {
        let state = photos();
        let table: toml::Table = toml(&state).parse().unwrap();
        let config: TrainConfig = ferkd_data::config::resolve(&[("thresholds".into(), table)]).unwrap();
        assert_eq!(config.rule().unwrap(), state.experiment.settings.rule());
        assert_eq!(config.epsilon.value(), Some(state.experiment.settings.epsilon));
    }

    #[test]
    fn the_table_of_counts_adds_up() {
        let state = photos();
        let text = csv(&state);
        let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
        let total = |row: &Vec<&str>| row[2].parse::<u64>().unwrap();
        let regions = 48 * state.set().unwrap().len();
        assert_eq!(total(&rows[0]), regions);
        assert_eq!(rows[1..].iter().map(total).sum::<u64>(), regions);
        assert_eq!(field("=1+1,\"x\""), "\"'=1+1,\"\"x\"\"\"");
    }

    #[test]
    fn a_command_line_quotes_what_it_must() {
        assert_eq!(quoted("a b's"), r"'a b'\''s'");
        assert!(
            command_line(&photos())
                .starts_with("ferkd mine STORE --confidence max --quantiles 0.02,0.15,0.98")
        );
    }
}
