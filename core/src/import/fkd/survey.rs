//! The first pass: which images can be imported, and what is wrong with the others.

use std::time::Instant;

use rayon::prelude::*;

use super::label_file::Form;
use super::{GROUP, Import, pairing, progress};
use crate::error::{Error, ErrorKind, Result};
use crate::events::{Event, Listener};
use crate::pixels::OrientationRule;

/// A file that cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Refused {
    /// The image, by its path below the images, or where that is missing the label file.
    pub name: String,
    /// What is wrong, and with which file.
    pub problem: String,
}

/// How many refusals are listed; a wrong folder would fill the memory with them.
const LISTED: usize = 10_000;

/// How many label files are looked at to see what all of them should hold.
const SAMPLE: usize = 64;

/// What the first pass found.
pub(super) struct Survey {
    /// The good images, in ascending order.
    pub(super) accepted: Vec<u32>,
    /// What all of their label files hold.
    pub(super) form: Form,
    pub(super) refused_count: u64,
    pub(super) refused: Vec<Refused>,
}

impl Import<'_> {
    /// Reads every label file and decodes every image.
    pub(super) fn survey(&self, listen: Listener) -> Result<Survey> {
        let begun = Instant::now();
        let total = self.images.len() as u64;
        let job = "checking FKD labels and images".to_owned();
        listen(&Event::Started { job: job.clone(), total, unit: "images".into(), done: 0 });
        let form = self.form()?;
        let (mut accepted, mut refused, mut refused_count) = (Vec::new(), Vec::new(), 0);
        let all: Vec<u32> = (0..self.images.len() as u32).collect();
        for group in all.chunks(GROUP) {
            self.check_stop()?;
            let check = |&image: &u32| (image, self.check(image as usize, form));
            for (image, found) in group.par_iter().map(check).collect::<Vec<_>>() {
                match found {
                    Ok(()) => accepted.push(image),
                    Err(error) => {
                        refused_count += 1;
                        if refused.len() < LISTED {
                            let name = self.images.name(image as usize).to_owned();
                            refused.push(Refused { name, problem: error.to_string() });
                        }
                    }
                }
            }
            let done = u64::from(group.last().copied().unwrap_or_default()) + 1;
            listen(&progress(done, total, done, begun));
        }
        if accepted.is_empty() {
            return Err(self.nothing(refused.first().map_or("", |refused| &refused.problem)));
        }
        pairing::without_image(&self.labels, &self.images, &mut |name| {
            refused_count += 1;
            let problem = format!("{}: its image is missing", self.labels.join(&name).display());
            refused.push(Refused { name, problem });
        })?;
        refused.truncate(LISTED);
        listen(&Event::Done { job, time_s: begun.elapsed().as_secs_f64() });
        Ok(Survey { accepted, form, refused_count, refused })
    }

    /// What most of the first label files hold; of two forms that are as frequent, the one that came first.
    fn form(&self) -> Result<Form> {
        let (mut forms, mut first_error) = (Vec::<(Form, usize)>::new(), None);
        for image in 0..self.images.len() {
            if forms.iter().map(|(_, count)| count).sum::<usize>() == SAMPLE {
                break;
            }
            self.check_stop()?;
            match self.label_file(image) {
                Ok(file) => match forms.iter_mut().find(|(form, _)| *form == file.form) {
                    Some((_, count)) => *count += 1,
                    None => forms.push((file.form, 1)),
                },
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        let most = forms.iter().rev().max_by_key(|(_, count)| *count).map(|(form, _)| *form);
        most.ok_or_else(|| self.nothing(&first_error.map(|error| error.to_string()).unwrap_or_default()))
    }

    fn nothing(&self, first: &str) -> Error {
        let problem = format!("none of {} images can be imported; the first: {first}", self.images.len());
        Error::new(ErrorKind::Damaged, self.labels.display().to_string(), problem)
            .remedy("name the folder that FKD's label files lie in, as train/<class>/<image>.tar")
    }

    /// Checks that an image can be imported, with a label file that holds what the others do.
    fn check(&self, image: usize, form: Form) -> Result<()> {
        let file = self.label_file(image)?;
        if file.form != form {
            let label = self.labels.join(pairing::label_name(self.images.name(image)));
            let problem = format!("it holds {}, but others hold {form}", file.form);
            return Err(Error::mismatch(label.display().to_string(), problem)
                .remedy("import files of one kind at a time"));
        }
        self.images.decode(image, OrientationRule::Ignore).map(|_| ())
    }
}
