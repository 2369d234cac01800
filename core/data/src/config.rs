//! Configuration: one struct is at once the TOML file, the flags, their help and the tooltips of a window.

use serde::Serialize;
use serde::de::DeserializeOwned;

use ferkd_method::error::{Error, IoContext, Result};

/// One key of a configuration and what it means.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Name of the struct's field; [`Key::name`] is how files and flags call it.
    pub field: &'static str,
    /// What it means, with its unit.
    pub doc: &'static str,
    /// Type of the value, as written in the source.
    pub value: &'static str,
}

/// A struct made by [`options!`](crate::options).
pub trait Options: Serialize + DeserializeOwned + Default {
    /// All keys, in the order of the source.
    const KEYS: &'static [Key];
}

/// Declares a configuration struct with a default and a documentation line for every key.
///
/// Keys are kebab-case; an absent `Option` key stays absent when the configuration is written out.
#[macro_export]
macro_rules! options {
    ($(#[doc = $about:literal])* $name:ident { $($(#[doc = $doc:literal])+ $field:ident: $type:ty = $default:expr,)* }) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
        pub struct $name { $($(#[doc = $doc])+ pub $field: $type,)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $crate::config::Options for $name {
            const KEYS: &'static [$crate::config::Key] = &[$($crate::config::Key {
                field: stringify!($field),
                doc: concat!($($doc),+),
                value: stringify!($type),
            },)*];
        }
    };
}

impl Key {
    /// The key's name in files and, with two dashes, as a flag: kebab-case.
    pub fn name(&self) -> String {
        self.field.replace('_', "-")
    }

    /// Whether this is its name.
    fn is(&self, name: &str) -> bool {
        let own = self.field.bytes().map(|byte| if byte == b'_' { b'-' } else { byte });
        own.eq(name.bytes())
    }
}

/// Keys that, given in a later layer, take the place of others: absolute thresholds would win over quantiles.
const REPLACES: &[(&str, &[&str])] = &[("quantiles", &["low", "mid", "high"])];

/// Lays a later layer over an earlier one, key by key, in tables within it too.
fn merge_layer(over: &mut toml::Table, layer: &toml::Table) {
    for (key, replaced) in REPLACES {
        if layer.contains_key(*key) {
            replaced.iter().for_each(|old| drop(over.remove(*old)));
        }
    }
    for (key, value) in layer {
        match (over.get_mut(key), value) {
            (Some(toml::Value::Table(before)), toml::Value::Table(after)) => merge_layer(before, after),
            _ => drop(over.insert(key.clone(), value.clone())),
        }
    }
}

/// Reads TOML layers, later ones over earlier ones, into a configuration. Each layer comes with the name that
/// errors use for it.
///
/// # Errors
/// A key that does not exist (the nearest known one is named), or a value of the wrong type.
pub fn resolve<T: Options>(layers: &[(String, toml::Table)]) -> Result<T> {
    let mut merged = toml::Table::new();
    for (origin, layer) in layers {
        layer.keys().try_for_each(|key| check_key::<T>(origin, key))?;
        // Each layer is read alone first, so that a wrong value is blamed on the layer that holds it.
        if read::<T>(layer.clone()).is_err() {
            layer.iter().try_for_each(|(key, value)| check_value::<T>(origin, key, value))?;
        }
        merge_layer(&mut merged, layer);
    }
    read(merged).map_err(|problem| Error::usage("configuration", problem))
}

/// A table's values over the defaults, or what is wrong with them.
fn read<T: Options>(values: toml::Table) -> std::result::Result<T, String> {
    toml::Value::Table(values).try_into().map_err(|e| first_line(&e.to_string()))
}

/// Reads one value alone.
fn check_value<T: Options>(origin: &str, key: &str, value: &toml::Value) -> Result<()> {
    let alone = toml::Table::from_iter([(key.to_owned(), value.clone())]);
    read::<T>(alone).map(drop).map_err(|problem| {
        let known = T::KEYS.iter().find(|known| known.is(key));
        let meaning = known.map_or("", |known| known.doc.trim().trim_end_matches('.'));
        Error::usage(format!("{origin}: `{key}`"), problem).remedy(format!("`{key}` is: {meaning}"))
    })
}

/// A configuration as a table, as its file would hold it: numbers of 32 bits in their shortest form.
///
/// # Errors
/// A value that TOML cannot hold, such as a whole number of more than 63 bits.
pub fn table<T: Serialize>(config: &T) -> Result<toml::Table> {
    let unwritable = |problem: String| {
        Error::usage("configuration", format!("it cannot be written as TOML: {problem}"))
            .remedy("keep whole numbers below 2^63")
    };
    let text = toml::to_string(config).map_err(|e| unwritable(e.to_string()))?;
    text.parse().map_err(|e: toml::de::Error| unwritable(first_line(&e.to_string())))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn check_key<T: Options>(origin: &str, key: &str) -> Result<()> {
    if T::KEYS.iter().any(|known| known.is(key)) {
        return Ok(());
    }
    let names: Vec<String> = T::KEYS.iter().map(Key::name).collect();
    let error = Error::usage(origin, format!("unknown key `{key}`"));
    Err(match nearest(key, names.iter().map(String::as_str)) {
        Some(name) => error.remedy(format!("did you mean `{name}`?")),
        None => error.remedy(format!("known keys: {}", names.join(", "))),
    })
}

/// The known name that looks most like `given`, if any does.
pub fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (strsim::jaro_winkler(given, name), name))
        .filter(|&(likeness, _)| likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// Reads a TOML file as one layer.
///
/// # Errors
/// A file that cannot be read, is larger than 1 MiB, or is not TOML (the line is named).
pub fn read_layer(path: &std::path::Path) -> Result<(String, toml::Table)> {
    let size = std::fs::metadata(path).at(path)?.len();
    if size > 1 << 20 {
        return Err(Error::damaged(path, format!("{size} bytes are too many for a configuration"))
            .remedy("name a TOML file"));
    }
    let bytes = std::fs::read(path).at(path)?;
    parse_layer(&path.display().to_string(), bytes)
}

/// Reads the bytes of a TOML file, called `name`, as one layer.
///
/// # Errors
/// Bytes that are not TOML (the line is named).
pub fn parse_layer(name: &str, bytes: Vec<u8>) -> Result<(String, toml::Table)> {
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::damaged(name, "invalid text: expected UTF-8").remedy("name a TOML file"))?;
    let table = text.parse::<toml::Table>().map_err(|e| {
        // What a user wrote is wrong usage, like a flag that makes no sense.
        let problem = format!("{}: {}", first_line(&e.to_string()), e.message());
        Error::usage(name, problem).remedy("correct the line")
    })?;
    Ok((name.to_owned(), table))
}

/// A flag's text as a TOML value: as TOML where it reads as such, else as a string.
pub fn flag_value(text: &str) -> toml::Value {
    let wrapped = format!("value = {text}");
    match wrapped.parse::<toml::Table>() {
        Ok(mut table) if table.len() == 1 => table.remove("value").unwrap_or_else(|| text.into()),
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    options! {
        /// A configuration for tests.
        Sample {
            /// Regions of a step.
            batch_size: usize = 8,
            /// Learning rate.
            lr: f64 = 0.1,
            /// A folder.
            store: Option<String> = None,
        }
    }

    fn layer(text: &str) -> Vec<(String, toml::Table)> {
        vec![("test.toml".into(), text.parse().unwrap())]
    }

    #[test]
    fn later_layers_win_and_defaults_fill_in() {
        let mut layers = layer("batch-size = 4\nlr = 1");
        layers.extend(layer("lr = 0.5"));
        let sample: Sample = resolve(&layers).unwrap();
        assert_eq!(sample, Sample { batch_size: 4, lr: 0.5, store: None });
        let written = toml::to_string(&sample).unwrap();
        assert_eq!(written, "batch-size = 4\nlr = 0.5\n");
    }

    #[test]
    fn tables_are_laid_over_each_other_key_by_key() {
        let mut under: toml::Table = "a = 1\n[train]\nlow = 0.1\nlr = 1.0\nside = 64".parse().unwrap();
        merge_layer(
            &mut under,
            &"[train]\nquantiles = [0.1, 0.2, 0.9]\nlr = 0.5\n[label]\nregions = 4".parse().unwrap(),
        );
        let expected =
            "a = 1\n[train]\nquantiles = [0.1, 0.2, 0.9]\nlr = 0.5\nside = 64\n[label]\nregions = 4";
        assert_eq!(under, expected.parse().unwrap());
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let error = resolve::<Sample>(&layer("batchsize = 4")).unwrap_err().to_string();
        assert!(error.contains("test.toml") && error.contains("batch-size"), "{error}");
    }

    #[test]
    fn a_wrong_type_names_its_key() {
        let error = resolve::<Sample>(&layer("lr = \"fast\"")).unwrap_err().to_string();
        assert!(error.contains("`lr`") && error.contains("Learning rate"), "{error}");
    }

    #[test]
    fn flags_read_as_toml_or_text() {
        assert_eq!(flag_value("0.5"), toml::Value::Float(0.5));
        assert_eq!(flag_value("[1, 2]"), toml::Value::Array(vec![1.into(), 2.into()]));
        assert_eq!(flag_value("a/b c"), toml::Value::String("a/b c".into()));
        assert_eq!(flag_value("true"), toml::Value::Boolean(true));
    }
}
