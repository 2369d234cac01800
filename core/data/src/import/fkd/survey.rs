//! The first pass: which images can be imported, and what is wrong with the others.
//!
//! What it finds is kept in the store's `skipped.json`, so that an interrupted pass goes on where it stopped, and
//! so that training leaves out the same images.

use std::time::Instant;

use rayon::prelude::*;

use super::job::{GROUP, Import, progress};
use super::label_file::Form;
use super::pairing;
use crate::events::{Event, Listener};
use crate::images::list::ImageList;
use crate::pixels::OrientationRule;
use crate::store::{SkipSearch, Skipped, SkippedImage};
use ferkd_method::error::{Error, ErrorKind, Result};

/// How many label files are looked at to see what all of them should hold.
const SAMPLE: usize = 64;

/// What the first pass found.
pub(super) struct Survey {
    /// The good images.
    pub(super) accepted: ImageList,
    /// What all of their label files hold.
    pub(super) form: Form,
    /// The others.
    pub(super) skipped: Skipped,
    /// Label files without an image.
    pub(super) orphans: Vec<SkippedImage>,
}

impl Import<'_> {
    /// Reads every label file and decodes every image; goes on where an earlier pass stopped.
    pub(super) fn survey(&self, form: Form, listen: Listener) -> Result<Survey> {
        let mut search = self.search(form)?;
        let (total, before) = (self.images.len() as u64, search.checked());
        let (begun, job) = (Instant::now(), "checking FKD labels and images".to_owned());
        listen(&Event::Started { job: job.clone(), total, unit: "images".into(), done: before });
        while search.checked() < total {
            self.check_stop()?;
            let group = search.checked()..(search.checked() + GROUP as u64).min(total);
            let look = |image: u64| {
                self.check(image as usize, form).err().map(|problem| self.refusal(image, problem))
            };
            let found: Vec<_> = group.clone().into_par_iter().map(look).collect();
            search.note(group.end - group.start, found.into_iter().flatten())?;
            listen(&progress(search.checked(), total, search.checked() - before, begun));
        }
        let skipped = search.finish();
        let accepted = self.images.without(skipped.names())?;
        if accepted.is_empty() {
            return Err(self.nothing(skipped.images.first().map_or("", |image| &image.problem)));
        }
        let mut orphans = Vec::new();
        pairing::without_image(&self.labels, &self.images, &mut |name| {
            orphans.push(SkippedImage { name, problem: "label file: its image is missing".into() });
        })?;
        listen(&Event::Done { job, time_s: begun.elapsed().as_secs_f64() });
        Ok(Survey { accepted, form, skipped, orphans })
    }

    /// The search in the store's folder. What it refused before must still be bad: the list of a store's images is
    /// fixed from its beginning.
    fn search(&self, form: Form) -> Result<SkipSearch> {
        let open = || SkipSearch::open(self.out, self.images.digest());
        let mut image = 0;
        for refused in open()?.finish().images {
            self.check_stop()?;
            while image < self.images.len() && self.images.name(image) != refused.name {
                image += 1;
            }
            if image < self.images.len() && self.check(image, form).is_ok() {
                let problem =
                    format!("`{}` was refused when this store was begun, and is good now", refused.name);
                return Err(Error::mismatch(self.out.display().to_string(), problem)
                    .remedy("import into another folder"));
            }
        }
        open()
    }

    fn refusal(&self, image: u64, problem: String) -> SkippedImage {
        SkippedImage { name: self.images.name(image as usize).to_owned(), problem }
    }

    /// What most of the first label files hold; of two forms that are as frequent, the one that came first.
    pub(super) fn form(&self) -> Result<Form> {
        let (mut forms, mut first_problem) = (Vec::<(Form, usize)>::new(), None);
        for image in 0..self.images.len() {
            if forms.iter().map(|(_, count)| count).sum::<usize>() == SAMPLE {
                break;
            }
            self.check_stop()?;
            match self.form_of(image) {
                Ok(found) => match forms.iter_mut().find(|(form, _)| *form == found) {
                    Some((_, count)) => *count += 1,
                    None => forms.push((found, 1)),
                },
                Err(problem) => {
                    first_problem.get_or_insert(problem);
                }
            }
        }
        let most = forms.iter().rev().max_by_key(|(_, count)| *count).map(|(form, _)| *form);
        most.ok_or_else(|| self.nothing(&first_problem.unwrap_or_default()))
    }

    fn nothing(&self, first: &str) -> Error {
        let problem = format!("none of {} images can be imported; the first: {first}", self.images.len());
        Error::new(ErrorKind::Damaged, self.labels.display().to_string(), problem)
            .remedy("name the folder that FKD's label files lie in, as train/<class>/<image>.tar")
    }

    /// What an image's label file holds, or what is wrong with it.
    fn form_of(&self, image: usize) -> Result<Form, String> {
        let name = self.images.name(image);
        // Without the folder that it lies in: the same store is resumed from elsewhere.
        let named = |error: Error| format!("label file {}: {}", pairing::label_name(name), error.problem());
        self.label_file(name).map(|file| file.form).map_err(named)
    }

    /// What is wrong with an image or its label file, or that it does not hold what the others do.
    fn check(&self, image: usize, form: Form) -> Result<(), String> {
        let found = self.form_of(image)?;
        if found != form {
            let label = pairing::label_name(self.images.name(image));
            return Err(format!("label file {label}: it holds {found}, but others hold {form}"));
        }
        self.images.decode(image, OrientationRule::Ignore).map(|_| ()).map_err(|e| e.problem().to_owned())
    }
}
