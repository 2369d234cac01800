//! The whole experiment as the part of a link behind `#`: versioned text that old and new programs read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ferkd_method::{Error, Result};

use crate::experiment::Experiment;

/// What a link of this format begins with.
const PREFIX: &str = "x1=";

/// Longest text that is looked at, in bytes.
const LONGEST: usize = 64 << 10;

/// The experiment as text for a link: what differs from the defaults.
pub fn to_fragment(experiment: &Experiment) -> String {
    let all = serde_json::to_value(experiment).unwrap_or_default();
    let usual = serde_json::to_value(Experiment::default()).unwrap_or_default();
    let text = match (all, usual) {
        (serde_json::Value::Object(all), serde_json::Value::Object(usual)) => {
            let differs = |(key, value): &(String, serde_json::Value)| {
                key == "version" || usual.get(key) != Some(value)
            };
            serde_json::Value::Object(all.into_iter().filter(differs).collect()).to_string()
        }
        (all, _) => all.to_string(),
    };
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(text))
}

/// The experiment of a link, with or without what stands before `#`. Unknown keys are ignored.
///
/// # Errors
/// Text that is none of ours.
pub fn from_fragment(link: &str) -> Result<Experiment> {
    let bad = |problem: String| {
        Error::mismatch("link", problem).remedy("copy it again; the page opens with its usual settings")
    };
    if link.len() > LONGEST {
        return Err(bad(format!("{} bytes are too many", link.len())));
    }
    let fragment = link.rsplit('#').next().unwrap_or_default();
    let body = fragment.strip_prefix(PREFIX).ok_or_else(|| bad("it holds no experiment".into()))?;
    let text = URL_SAFE_NO_PAD.decode(body.trim()).map_err(|e| bad(e.to_string()))?;
    let read: Experiment = serde_json::from_slice(&text).map_err(|e| bad(e.to_string()))?;
    Ok(read.sanitised())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Data;

    #[test]
    fn an_experiment_survives_its_link() {
        let mut experiment = Experiment { data: Data::Scenes, image: 7, ..Experiment::default() };
        experiment.settings.epsilon = 0.25;
        let link = format!("https://example.org/play/#{}", to_fragment(&experiment));
        assert_eq!(from_fragment(&link).unwrap(), experiment);
        assert!(to_fragment(&Experiment::default()).len() < 40);
    }

    #[test]
    fn a_link_of_the_first_version_keeps_working() {
        let text = r#"{"version":1,"data":"scenes","image":3,"by-quantile":false,"thresholds":{"low":0.1,"mid":0.4,"high":0.9},"unknown":true}"#;
        let link = format!("#{PREFIX}{}", URL_SAFE_NO_PAD.encode(text));
        let read = from_fragment(&link).unwrap();
        assert_eq!((read.data, read.image, read.settings.thresholds.mid), (Data::Scenes, 3, 0.4));
    }

    #[test]
    fn hostile_links_are_refused_or_made_sane() {
        for link in ["", "#", "#x1=", "#x1=%%%", "#x2=e30"] {
            assert!(from_fragment(link).is_err(), "{link}");
        }
        let text = r#"{"epsilon":7,"training":{"epochs":1000000000,"lr":-3}}"#;
        let read = from_fragment(&format!("#{PREFIX}{}", URL_SAFE_NO_PAD.encode(text))).unwrap();
        assert!(read.settings.epsilon <= 1.0 && read.training.epochs <= 1000 && read.training.lr > 0.0);
    }
}
