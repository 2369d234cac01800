//! `manifest.json`: what a store holds and how it was made.

use serde_json::Value;

use super::manifest_check::{check, first_difference, unknown_field};
pub use super::manifest_types::{FORMAT, OLDEST_FORMAT, SHARD_IMAGES};
use super::manifest_types::{InputSources, Manifest};
use ferkd_method::error::{Error, ErrorKind, Result};

/// What a manifest says wrote its store: this version of the program.
pub fn created_by() -> String {
    format!("ferkd {}", env!("CARGO_PKG_VERSION"))
}

impl Manifest {
    /// Reads a manifest from the bytes of its file; `file` is the name that errors give it.
    ///
    /// # Errors
    /// No JSON, another version of the format, an unknown or missing field, a value out of range.
    pub fn from_json(bytes: &[u8], file: &str) -> Result<Self> {
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|e| Error::damaged(file, format!("no JSON: {e}")).remedy(SAME_SETTINGS))?;
        match value.get("format").map(Value::as_u64) {
            Some(Some(found)) if (OLDEST_FORMAT.into()..=FORMAT.into()).contains(&found) => {}
            Some(Some(found)) => {
                let problem = format!(
                    "invalid format {found}: expected {OLDEST_FORMAT} to {FORMAT}, those that this program knows"
                );
                let error = Error::new(ErrorKind::Mismatch, file, problem);
                return Err(error.remedy("use the version of ferkd that `created_by` names"));
            }
            _ => {
                let error = Error::damaged(file, "it has no field `format` with a number in it");
                return Err(error.remedy("name a folder that `ferkd label` or `ferkd import` wrote"));
            }
        }
        // Parsed from the text once more: its errors name the line.
        let manifest: Self = serde_json::from_slice(bytes)
            .map_err(|e| Error::damaged(file, e.to_string()).remedy(SAME_SETTINGS))?;
        if let Some(field) = unknown_field(&value, &manifest.value(), String::new()) {
            let error = Error::damaged(file, format!("unknown field `{field}`"));
            return Err(error.remedy(SAME_SETTINGS));
        }
        match check(&manifest) {
            Ok(()) => Ok(manifest),
            Err((field, problem)) => {
                Err(Error::damaged(file, format!("`{field}`: {problem}")).remedy(SAME_SETTINGS))
            }
        }
    }

    /// The manifest as the bytes of its file; the same manifest gives the same bytes.
    ///
    /// # Errors
    /// A value out of range, named by its field.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        self.checked()?;
        let mut bytes =
            serde_json::to_vec_pretty(self).map_err(|e| Error::usage("manifest", e.to_string()))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// The first value out of range, named by its field.
    pub fn checked(&self) -> Result<()> {
        check(self).map_err(|(field, problem)| Error::usage(format!("manifest, `{field}`"), problem))
    }

    /// Number of shards.
    pub fn shards(&self) -> u32 {
        // `checked` makes sure that it fits.
        self.images.div_ceil(u64::from(self.shard_images.max(1))) as u32
    }

    /// Each field that differs from `other`'s: its name, the value here, the value there. Who said what the teacher
    /// sees is left out: where what is said is the same, so are the labels.
    pub fn differences(&self, other: &Self) -> Vec<(String, String, String)> {
        let mut found = Vec::new();
        let other = other.with_sources(self.teacher.sources.clone());
        first_difference(&self.value(), &other.value(), String::new(), &mut found);
        found
    }

    /// The same, where others said what the teacher sees.
    #[must_use]
    pub fn with_sources(&self, sources: Option<InputSources>) -> Self {
        let mut manifest = self.clone();
        manifest.teacher.sources = sources;
        manifest
    }

    fn value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

const SAME_SETTINGS: &str =
    "run `ferkd label` again with the settings of the first time: it writes the manifest again";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::manifest;
    use crate::store::{Boxes, InputSource};
    use ferkd_method::label::Codec;
    use ferkd_method::region::RegionSampler;
    use proptest::prelude::*;

    fn edited(from: &str, to: &str) -> Result<Manifest> {
        let text = String::from_utf8(manifest(3, Codec::MarginalSmoothing, 5).to_json().unwrap()).unwrap();
        assert!(text.contains(from), "{from} is not in {text}");
        Manifest::from_json(text.replacen(from, to, 1).as_bytes(), "manifest.json")
    }

    #[test]
    fn it_survives_the_way_through_its_file() {
        let mut before = manifest(3, Codec::MarginalRenorm, 5);
        assert_eq!(Manifest::from_json(&before.to_json().unwrap(), "manifest.json").unwrap(), before);
        before.regions.boxes = Boxes::Explicit;
        before.teacher.sha256 = None;
        assert_eq!(Manifest::from_json(&before.to_json().unwrap(), "manifest.json").unwrap(), before);
    }

    proptest! {
        #[test]
        fn numbers_survive_exactly(low in 1e-6f64..0.5, ratio in 0.01f64..1.0, mean: f32, t in 1e-3f32..100.0) {
            prop_assume!(mean.is_finite());
            let mut before = manifest(3, Codec::MarginalSmoothing, 5);
            before.regions.boxes =
                Boxes::Generated(RegionSampler { scale: (low, 1.0 / 3.0 + low), ratio: (ratio, 4.0 / 3.0), seed: u64::MAX });
            before.teacher.normalisation.mean[1] = mean;
            before.label.temperature = t;
            prop_assert_eq!(Manifest::from_json(&before.to_json().unwrap(), "manifest.json").unwrap(), before);
        }

        #[test]
        fn any_bytes_give_an_error(bytes: Vec<u8>) {
            prop_assert!(Manifest::from_json(&bytes, "manifest.json").is_err());
        }

        #[test]
        fn a_changed_byte_never_panics(at: proptest::sample::Index, to: u8) {
            let mut bytes = manifest(3, Codec::MarginalSmoothing, 5).to_json().unwrap();
            let at = at.index(bytes.len());
            bytes[at] = to;
            let _ = Manifest::from_json(&bytes, "manifest.json");
        }
    }

    #[test]
    fn every_field_is_checked() {
        for (from, to, named) in [
            ("\"images\": 3", "\"images\": 0", "images"),
            ("\"images\": 3", "\"images\": 18446744073709551615", "images"),
            ("\"shard_images\": 2", "\"shard_images\": 0", "shard_images"),
            ("\"per_image\": 4", "\"per_image\": 0", "per_image"),
            ("\"per_image\": 4", "\"per_image\": 65537", "per_image"),
            ("\"k\": 5", "\"k\": 0", "label.k"),
            ("\"k\": 5", "\"k\": 12", "label.k"),
            ("\"classes\": 12", "\"classes\": 13", "class_list"),
            ("\"classes\": 12", "\"classes\": 65537", "classes"),
            ("\"temperature\": 1.0", "\"temperature\": 0.0", "temperature"),
            ("\"temperature\": 1.0", "\"temperature\": 1e39", "out of range at line"),
            ("\"temperature\": 1.0", "\"temperature\": -1", "temperature"),
            ("\"n03\"", "\"n02\"", "class_list"),
            ("\"side\": 224", "\"side\": 0", "side"),
            ("0.08", "0.0", "scale"),
            ("0.08", "1.5", "scale"),
            ("0.75", "1.5", "ratio"),
            ("0.229", "0", "std"),
            ("\"name\": \"lite0\"", "\"name\": \"lite0\", \"nick\": 1", "nick"),
            ("\"seed\": 7", "\"seed\": 7, \"sead\": 1", "sead"),
            ("\"apply\"", "\"turn\"", "turn"),
            ("\"marginal-smoothing\"", "\"hard\"", "label.k"),
        ] {
            let error = edited(from, to).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged);
            assert!(error.to_string().contains(named), "{from} -> {to}: {error}");
        }
    }

    #[test]
    fn who_said_what_the_teacher_sees_is_kept_and_older_manifests_do_not_say() {
        let older = manifest(3, Codec::MarginalSmoothing, 5);
        assert_eq!(older.teacher.sources, None);
        assert!(!String::from_utf8(older.to_json().unwrap()).unwrap().contains("sources"));
        let sources = InputSources {
            side: InputSource::Weights,
            filter: InputSource::File("m/config.json".into()).without_folder(),
            normalisation: InputSource::Assumed,
        };
        let newer = older.with_sources(Some(sources));
        let text = String::from_utf8(newer.to_json().unwrap()).unwrap();
        let said: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            said["teacher"]["sources"],
            serde_json::json!({"side": "weights", "filter": {"file": "config.json"}, "normalisation": "assumed"})
        );
        assert_eq!(Manifest::from_json(text.as_bytes(), "manifest.json").unwrap(), newer);
        assert!(older.differences(&newer).is_empty() && newer.differences(&older).is_empty());
        let error = edited("\"name\": \"lite0\"", "\"name\": \"lite0\", \"sources\": {\"side\": \"me\"}")
            .unwrap_err();
        assert!(error.to_string().contains("me"), "{error}");
    }

    #[test]
    fn another_format_is_named() {
        let error = edited("\"format\": 2", "\"format\": 3").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Mismatch);
        assert!(error.to_string().contains("invalid format 3: expected 1 to 2"), "{error}");
        assert!(edited("\"format\": 2", "\"format\": 0").is_err());
        assert!(edited("\"format\": 2", "\"format\": \"2\"").is_err());
        assert_eq!(edited("\"format\": 2", "\"format\": 1").unwrap().format, 1);
    }

    #[test]
    fn differences_name_the_fields() {
        let a = manifest(3, Codec::MarginalSmoothing, 5);
        let mut b = a.clone();
        assert!(a.differences(&b).is_empty());
        b.label.temperature = 2.0;
        b.label.class_list[4] = "other".into();
        b.regions.boxes = Boxes::Explicit;
        let names: Vec<String> = a.differences(&b).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names, ["label.class_list[4]", "label.temperature", "regions.boxes"]);
    }
}
