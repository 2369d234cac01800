//! What `cargo xtask fuzz --guided` is asked.

/// What to fuzz, and for how long.
#[derive(Debug, PartialEq)]
pub struct Options {
    /// Names of targets; all of them if there is none.
    pub names: Vec<String>,
    /// Inputs of a target.
    pub inputs: u64,
    /// Whether those that were tried before count.
    pub is_in_total: bool,
    /// Seconds of a target.
    pub seconds: Option<u64>,
    /// Whether only to choose which inputs to keep.
    pub is_minimising: bool,
}

impl Options {
    /// Reads the arguments behind `--guided`.
    ///
    /// # Errors
    /// An argument that is unknown, or lacks its number.
    pub fn of(words: &[&str]) -> Result<Self, String> {
        let mut found = Self {
            names: Vec::new(),
            inputs: 1_000_000,
            is_in_total: false,
            seconds: None,
            is_minimising: false,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut number = || {
                let value = words.next().and_then(|value| value.parse().ok());
                value.ok_or_else(|| format!("a number must follow {word}"))
            };
            match *word {
                "--inputs" => found.inputs = number()?,
                "--up-to" => (found.inputs, found.is_in_total) = (number()?, true),
                "--seconds" => found.seconds = Some(number()?),
                "--minimise" => found.is_minimising = true,
                _ if word.starts_with('-') => {
                    return Err(format!("{word}: expected --inputs, --up-to, --seconds or --minimise"));
                }
                _ => found.names.push((*word).to_owned()),
            }
        }
        Ok(found)
    }
}
