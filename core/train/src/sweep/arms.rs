//! Arms: which settings differ, how they are called, and in which folder their runs lie.

use crate::config::TrainConfig;
use crate::folder_name::folder_name;
use ferkd_data::config::{Options, resolve};
use ferkd_method::error::{Error, Result};

/// One arm of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct Arm {
    /// Name in tables and charts; unique.
    pub name: String,
    /// Name of its folder.
    pub folder: String,
    /// Index of the arm that it is held against.
    pub baseline: usize,
    /// Its settings; epochs and seed are those of a run.
    pub config: TrainConfig,
}

impl Arm {
    /// The settings of one run.
    pub fn run(&self, epochs: usize, seed: u64) -> TrainConfig {
        TrainConfig { epochs, seed, ..self.config.clone() }
    }
}

/// Most arms that the axes may make: more is a mistake.
const MOST: usize = 10_000;

/// The named arms, then those of the axes; `base` is what all share.
pub(super) fn arms(
    base: toml::Table,
    named: &[toml::Table],
    axes: &toml::Table,
    baseline: Option<&str>,
) -> Result<Vec<Arm>> {
    let mut found: Vec<(String, Option<String>, toml::Table)> = Vec::new();
    for (i, table) in named.iter().enumerate() {
        let mut table = table.clone();
        let place = format!("[[arm]] number {}", i + 1);
        let Some(name) = text(&mut table, "name", &place)? else {
            return Err(Error::usage(place, "it has no name").remedy("add `name = \"...\"`"));
        };
        let baseline = text(&mut table, "baseline", &place)?;
        found.push((name, baseline, table));
    }
    found.extend(product(axes)?.into_iter().map(|(name, table)| (name, None, table)));
    if found.is_empty() {
        return Err(Error::usage("sweep", "it has no arm").remedy("add [[arm]] tables, or [axes]"));
    }
    let names: Vec<String> = found.iter().map(|(name, ..)| name.clone()).collect();
    let index = |wanted: &str| {
        names.iter().position(|name| name == wanted).ok_or_else(|| {
            let error = Error::usage("baseline", format!("there is no arm `{wanted}`"));
            match ferkd_data::config::nearest(wanted, names.iter().map(String::as_str)) {
                Some(name) => error.remedy(format!("did you mean `{name}`?")),
                None => error.remedy(format!("arms: {}", names.join(", "))),
            }
        })
    };
    let common = baseline.map_or(Ok(0), index)?;
    let mut arms: Vec<Arm> = Vec::with_capacity(found.len());
    for (name, baseline, table) in &found {
        let folder = folder_name(name);
        if folder.is_empty() || arms.iter().any(|arm| arm.folder == folder) {
            let problem = "its name is empty, or another arm's folder would have the same name";
            return Err(Error::usage(format!("arm `{name}`"), problem).remedy("rename it"));
        }
        let baseline = baseline.as_deref().map_or(Ok(common), index)?;
        let config = settings(&base, name, table)?;
        arms.push(Arm { name: name.clone(), folder, baseline, config });
    }
    Ok(arms)
}

fn text(table: &mut toml::Table, key: &str, place: &str) -> Result<Option<String>> {
    match table.remove(key) {
        Some(toml::Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(Error::usage(place, format!("invalid {key} = {other}: expected text"))),
        None => Ok(None),
    }
}

/// An arm's settings over those that all share.
fn settings(base: &toml::Table, name: &str, own: &toml::Table) -> Result<TrainConfig> {
    let base = expanded("[train]", base)?;
    let own = expanded(&format!("arm `{name}`"), own)?;
    resolve(&[("[train]".into(), base), (format!("arm `{name}`"), own)])
}

/// The keys of `ferkd train` for what a sweep calls `regions` and `thresholds`.
fn expanded(place: &str, table: &toml::Table) -> Result<toml::Table> {
    let mut out = toml::Table::new();
    for (key, value) in table {
        match key.as_str() {
            "epochs" | "seed" => {
                let top = if key == "seed" { "seeds" } else { "epochs" };
                return Err(Error::usage(place, format!("`{key}` differs from run to run"))
                    .remedy(format!("write `{top} = [...]` at the top of the file")));
            }
            // M: of the store's regions, or of those that are drawn where there is none.
            "regions" => {
                out.insert("regions".into(), value.clone());
                out.insert("store-regions".into(), value.clone());
            }
            "thresholds" => match value {
                toml::Value::Array(_) => {
                    out.insert("quantiles".into(), value.clone());
                }
                toml::Value::Table(table) => out.extend(table.clone()),
                other => {
                    return Err(Error::usage(place, format!("invalid thresholds = {other}"))
                        .remedy("write [a, b, c] for quantiles, or { low = ., mid = ., high = . }"));
                }
            },
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    Ok(out)
}

/// Every combination of the axes' values, with its name. The first axis varies slowest.
fn product(axes: &toml::Table) -> Result<Vec<(String, toml::Table)>> {
    if axes.is_empty() {
        return Ok(Vec::new());
    }
    // In the order of the method, then by name.
    const ORDER: [&str; 6] = ["supervision", "mix", "thresholds", "confidence", "epsilon", "regions"];
    let place = |key: &str| ORDER.iter().position(|&known| known == key).unwrap_or(ORDER.len());
    let mut keys: Vec<&String> = axes.keys().collect();
    keys.sort_by_key(|key| (place(key), key.as_str()));
    let mut arms = vec![(Vec::<String>::new(), toml::Table::new())];
    for key in keys {
        check_key(key)?;
        let values = match &axes[key] {
            toml::Value::Array(values) if !values.is_empty() => values,
            _ => {
                return Err(Error::usage(
                    format!("[axes] {key}"),
                    "invalid values: expected a list that is not empty",
                )
                .remedy("write a list, such as [0.05, 0.1]"));
            }
        };
        if arms.len() * values.len() > MOST {
            return Err(Error::usage("[axes]", format!("they make more than {MOST} arms")));
        }
        let mut next = Vec::with_capacity(arms.len() * values.len());
        for (names, table) in &arms {
            for value in values {
                let (mut names, mut table) = (names.clone(), table.clone());
                if values.len() > 1 {
                    names.push(label(key, value));
                }
                table.insert(key.clone(), value.clone());
                next.push((names, table));
            }
        }
        arms = next;
    }
    let name = |names: Vec<String>| if names.is_empty() { "all".into() } else { names.join(", ") };
    Ok(arms.into_iter().map(|(names, table)| (name(names), table)).collect())
}

fn check_key(key: &str) -> Result<()> {
    let mut names: Vec<String> = TrainConfig::KEYS.iter().map(ferkd_data::config::Key::name).collect();
    names.push("thresholds".into());
    if names.iter().any(|name| name == key) {
        return Ok(());
    }
    let error = Error::usage("[axes]", format!("unknown key `{key}`"));
    Err(match ferkd_data::config::nearest(key, names.iter().map(String::as_str)) {
        Some(name) => error.remedy(format!("did you mean `{name}`?")),
        None => error.remedy("the keys of `ferkd train` and `thresholds` are possible"),
    })
}

/// A setting as it stands in an arm's name.
fn label(key: &str, value: &toml::Value) -> String {
    let plain = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match (key, value) {
        ("supervision" | "mix", value) => plain(value),
        ("regions", value) => format!("M {}", plain(value)),
        ("thresholds", toml::Value::Array(list)) => {
            format!("q {}", list.iter().map(plain).collect::<Vec<_>>().join(" "))
        }
        ("thresholds", toml::Value::Table(table)) => {
            // Without all three, those that are given by name.
            let part = |key: &str| table.get(key).map(plain);
            match (part("low"), part("mid"), part("high")) {
                (Some(low), Some(mid), Some(high)) => format!("c {low} {mid} {high}"),
                parts => ["low", "mid", "high"]
                    .into_iter()
                    .zip([parts.0, parts.1, parts.2])
                    .filter_map(|(key, value)| Some(format!("{key} {}", value?)))
                    .collect::<Vec<_>>()
                    .join(" "),
            }
        }
        (key, value) => format!("{key} {}", plain(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferkd_method::calibration::Epsilon;
    use ferkd_method::mining::Threshold;

    fn table(text: &str) -> toml::Table {
        text.parse().unwrap()
    }

    #[test]
    fn axes_make_every_combination_in_the_order_of_the_method() {
        let axes = table("epsilon = [0.1, 0.2]\nsupervision = [\"fkd\", \"ferkd\"]\nmix = [\"none\"]");
        let arms = arms(toml::Table::new(), &[], &axes, Some("fkd, epsilon 0.2")).unwrap();
        let names: Vec<&str> = arms.iter().map(|a| a.name.as_str()).collect();
        assert_eq!(
            names,
            ["fkd, epsilon 0.1", "fkd, epsilon 0.2", "ferkd, epsilon 0.1", "ferkd, epsilon 0.2"]
        );
        assert_eq!(arms[3].folder, "ferkd-epsilon-0.2");
        assert_eq!((arms[3].config.epsilon, arms[3].baseline), (Epsilon::Value(0.2), 1));
    }

    #[test]
    fn thresholds_are_absolute_or_quantiles() {
        let base = table("low = 0.1\nmid = 0.2\nhigh = 0.3");
        let named = [
            table("name = \"q\"\nthresholds = [0.0, 0.1, 0.9]"),
            table("name = \"c\"\nthresholds = { low = 0.2, mid = 0.5, high = 0.9 }\nregions = 4"),
        ];
        let arms = arms(base, &named, &toml::Table::new(), None).unwrap();
        assert_eq!((arms[0].config.low, arms[0].config.quantiles), (None, [0.0, 0.1, 0.9]));
        let at = |c| Some(Threshold::At(c));
        assert_eq!((arms[1].config.low, arms[1].config.mid), (at(0.2), at(0.5)));
        assert_eq!((arms[1].config.store_regions, arms[1].config.regions), (Some(4), 4));
    }

    #[test]
    fn mistakes_are_named() {
        let fails = |named: &[&str], axes: &str, baseline: Option<&str>, word: &str| {
            let named: Vec<toml::Table> = named.iter().map(|text| table(text)).collect();
            let error = arms(toml::Table::new(), &named, &table(axes), baseline).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        fails(&[], "", None, "[[arm]]");
        fails(&["epsilon = 0.1"], "", None, "name");
        fails(&["name = \"a b\"", "name = \"a,b\""], "", None, "rename");
        fails(&["name = \"a\"\nepsilom = 0.1"], "", None, "`epsilon`");
        fails(&["name = \"a\"\nseed = 3"], "", None, "seeds");
        fails(&["name = \"ferkd\""], "", Some("ferk"), "`ferkd`");
        fails(&[], "epsilom = [0.1]", None, "`epsilon`");
        fails(&[], "epsilon = 0.1", None, "list");
    }
}
