//! A listener that writes TensorBoard's event files.

use std::path::{Path, PathBuf};

use ferkd_data::events::Event;
use ferkd_train::tensorboard::EventFile;

/// Writes what a run says into its folder, where it is asked for.
pub(super) struct Board {
    folder: Option<PathBuf>,
    file: Option<EventFile>,
}

impl Board {
    /// A listener for the run in `folder`; it writes nothing if it is not `asked`.
    pub(super) fn new(folder: &Path, asked: bool) -> Self {
        Self { folder: asked.then(|| folder.to_owned()), file: None }
    }

    /// Writes an event's numbers; what a person should know if it cannot, once: training goes on.
    pub(super) fn hear(&mut self, event: &Event) -> Option<Event> {
        let folder = self.folder.as_deref()?;
        let done = match (event, &mut self.file) {
            (Event::Started { unit, done, .. }, None) if unit == "steps" => {
                EventFile::create(folder, *done).map(|file| self.file = Some(file))
            }
            (event, Some(file)) => file.add(event),
            (_, None) => Ok(()),
        };
        let error = done.err()?;
        (self.folder, self.file) = (None, None);
        Some(Event::Notice { text: format!("warning: nothing more is written for TensorBoard: {error}") })
    }
}
