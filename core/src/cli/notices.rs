//! What a command noticed, once more in its JSON.

use ferkd_data::events::Event;

use crate::cli::output::Output;

/// The notices of a command: which split was used for what, what was passed over.
#[derive(Default)]
pub struct Notices(Vec<String>);

impl Notices {
    /// Keeps a notice; other events pass by.
    pub fn hear(&mut self, event: &Event) {
        if let Event::Notice { text } = event {
            self.0.push(text.clone());
        }
    }

    /// Adds them to what a command prints for programs.
    pub fn put(self, mut output: Output) -> Output {
        output.json["notices"] = self.0.into();
        output
    }
}
