//! Flags made from a configuration struct: every key is one.

use std::marker::PhantomData;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, FromArgMatches};
use ferkd_data::config::{Key, Options, flag_value, read_layer, resolve, table};
use ferkd_method::Result;

/// The flags that were given for a configuration of type `T`.
#[derive(Debug, Clone)]
pub struct Overrides<T> {
    table: toml::Table,
    options: PhantomData<T>,
}

impl<T: Options> Overrides<T> {
    /// The configuration: files first, in order, then these flags.
    pub fn resolve(&self, files: &[PathBuf]) -> Result<T> {
        self.resolve_over(Vec::new(), files)
    }

    /// The same, over layers that come first.
    pub fn resolve_over(&self, mut layers: Vec<(String, toml::Table)>, files: &[PathBuf]) -> Result<T> {
        for path in files {
            layers.push(read_layer(path)?);
        }
        layers.push(("flags".into(), self.table.clone()));
        resolve(&layers)
    }
}

/// How a key's value is called in the help.
fn value_name(key: &Key) -> &'static str {
    match key.value.trim_start_matches("Option<").trim_end_matches('>') {
        "bool" => "true|false",
        "usize" | "u32" | "u64" => "N",
        "f32" | "f64" => "X",
        "[f32; 3]" => "A,B,C",
        "[f64; 2]" => "A,B",
        "PathBuf" => "PATH",
        "Part" => "I/N",
        _ => "NAME",
    }
}

impl<T: Options> clap::Args for Overrides<T> {
    fn augment_args(command: Command) -> Command {
        // Defaults are written into the help only, which cannot fail.
        let defaults = table(&T::default()).unwrap_or_default();
        T::KEYS.iter().fold(command, |command, key| {
            let name = key.name();
            let default = match defaults.get(&name) {
                Some(value) if value.as_str() != Some("") => format!(" [default: {value}]").replace('"', ""),
                _ => String::new(),
            };
            let arg = Arg::new(key.field).long(name).value_name(value_name(key)).allow_negative_numbers(true);
            // A bare flag switches on; `--flag=false` switches off what a file has switched on.
            let arg = match key.value {
                "bool" => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
                _ => arg,
            };
            command.arg(arg.help(format!("{}{default}", key.doc.trim())).help_heading("Settings"))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<T: Options> FromArgMatches for Overrides<T> {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let mut new = Self { table: toml::Table::new(), options: PhantomData };
        new.update_from_arg_matches(matches)?;
        Ok(new)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        for key in T::KEYS {
            if let Some(text) = matches.get_one::<String>(key.field) {
                let textual =
                    matches!(key.value, "PathBuf" | "Option<PathBuf>" | "String" | "Option<String>");
                // Lists are taken without their brackets too, which shells have a meaning for.
                let list = key.value.trim_start_matches("Option<").starts_with('[');
                let list = list && !text.trim_start().starts_with('[');
                let value = match (textual, list) {
                    (true, _) => text.clone().into(),
                    (_, true) => flag_value(&format!("[{text}]")),
                    _ => flag_value(text),
                };
                // A whole number is a fine value for a key that takes fractions.
                let fractional = key.value.contains("f32") || key.value.contains("f64");
                let value = match value {
                    toml::Value::Integer(n) if fractional => toml::Value::Float(n as f64),
                    value => value,
                };
                self.table.insert(key.name(), value);
            }
        }
        Ok(())
    }
}
