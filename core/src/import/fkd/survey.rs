//! The first pass: which images can be imported, and what is wrong with the others.

use std::collections::BTreeMap;
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
    ///
    /// Label files that hold another number of regions or another type of label than most are refused.
    pub(super) fn survey(&self, listen: Listener) -> Result<Survey> {
        let begun = Instant::now();
        let total = self.images.len() as u64;
        let job = "checking FKD labels and images".to_owned();
        listen(&Event::Started { job: job.clone(), total, unit: "images".into(), done: 0 });
        let mut forms: BTreeMap<Form, Vec<u32>> = BTreeMap::new();
        let mut refused: Vec<(u32, String)> = Vec::new();
        let mut refused_count = 0;
        let all: Vec<u32> = (0..self.images.len() as u32).collect();
        for group in all.chunks(GROUP) {
            self.check_stop()?;
            for (image, found) in group.par_iter().map(|&i| (i, self.check(i as usize))).collect::<Vec<_>>() {
                match found {
                    Ok(form) => forms.entry(form).or_default().push(image),
                    Err(error) => {
                        refused_count += 1;
                        if refused.len() < LISTED {
                            refused.push((image, error.to_string()));
                        }
                    }
                }
            }
            let done = u64::from(group.last().copied().unwrap_or_default()) + 1;
            listen(&progress(done, total, done, begun));
        }
        // The form that most files have; of two that are as frequent, the one of the earlier image.
        let most =
            forms.iter().max_by_key(|(_, images)| (images.len(), std::cmp::Reverse(images.first().copied())));
        let Some(form) = most.map(|(form, _)| *form) else {
            let first = refused.first().map(|(_, problem)| problem.clone()).unwrap_or_default();
            let problem = format!("none of {total} images can be imported; the first: {first}");
            return Err(Error::new(ErrorKind::Damaged, self.labels.display().to_string(), problem)
                .remedy("name the folder that FKD's label files lie in, as train/<class>/<image>.tar"));
        };
        let accepted = forms.remove(&form).unwrap_or_default();
        for (other, images) in forms {
            refused_count += images.len() as u64;
            for image in images {
                let label = self.labels.join(pairing::label_name(self.images.name(image as usize)));
                let problem = format!("{}: it holds {other}, but most hold {form}", label.display());
                refused.push((image, problem));
            }
        }
        refused.sort_by_key(|&(image, _)| image);
        let mut refused: Vec<Refused> = refused
            .into_iter()
            .map(|(image, problem)| Refused { name: self.images.name(image as usize).to_owned(), problem })
            .collect();
        pairing::without_image(&self.labels, &self.images, &mut |name| {
            refused_count += 1;
            let problem = format!("{}: its image is missing", self.labels.join(&name).display());
            refused.push(Refused { name, problem });
        })?;
        refused.truncate(LISTED);
        listen(&Event::Done { job, time_s: begun.elapsed().as_secs_f64() });
        Ok(Survey { accepted, form, refused_count, refused })
    }

    /// Whether an image can be imported, and what its label file holds.
    fn check(&self, image: usize) -> Result<Form> {
        let file = self.label_file(image)?;
        self.images.decode(image, OrientationRule::Ignore)?;
        Ok(file.form)
    }
}
