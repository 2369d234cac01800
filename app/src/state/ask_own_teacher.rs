//! What is done with an ONNX file of the reader's: asked about, opened, used, and taken back.

#[cfg(test)]
mod tests;

use ferkd_data::classes::ClassSpace;
use ferkd_method::{Error, Result};

use super::State;
use super::files::Files;
use super::filters::Filters;
use crate::assets::{Asset, SHIPPED_TEACHER};
use crate::dataset::DataSet;
use crate::engine::Request;
use crate::experiment::Data;
use crate::onnx_form::{OnnxForm, is_onnx, says_something};

impl State {
    /// The teacher of photos and of the reader's images.
    pub(super) fn photo_teacher(&self) -> (String, ClassSpace) {
        let own = self.own.current.as_ref().and_then(|name| Some((name, self.teachers.ready.get(name)?)));
        match own {
            Some((name, classes)) => (name.clone(), classes.clone()),
            None => (SHIPPED_TEACHER.into(), ClassSpace::imagenet()),
        }
    }

    /// Takes up an ONNX file, or what says something of one that waits; what else came, if there is something.
    pub(super) fn take_onnx_files(&mut self, mut files: Files) -> Option<Files> {
        let Some(at) = files.iter().position(|(path, _)| is_onnx(path)) else {
            let Some(form) = &mut self.own.form else { return Some(files) };
            if files.is_empty() || !files.iter().all(|(path, _)| says_something(path)) {
                return Some(files);
            }
            if let Err(error) = form.take(files) {
                self.complain(error);
            }
            return None;
        };
        let file = files.remove(at);
        match OnnxForm::read(file, &mut files) {
            Ok(form) => (self.own.form, self.own.problem) = (Some(form), None),
            Err(error) => {
                self.complain(error);
                files.retain(|(path, _)| !says_something(path));
            }
        }
        (!files.is_empty()).then_some(files)
    }

    /// Lets the engine open the file that waits.
    pub(super) fn use_onnx(&mut self) {
        let Some(form) = self.own.form.take_if(|form| form.problem().is_none()) else { return };
        let asked = form.request();
        if self.own.current.as_ref() == Some(&asked.bytes.name) {
            // Two files of one name: the one that labels makes way.
            self.shipped_teacher();
        }
        // One that was opened before and does not label yet is not wanted any more.
        self.own.give_up().for_each(|name| self.let_go(name));
        self.own.opening = Some(asked.bytes.name.clone());
        self.outbox.push(Request::Onnx(asked));
    }

    /// Has photos and the reader's images labelled by the file that the engine has opened, once all photos are here.
    pub(super) fn follow_own(&mut self) {
        let on_the_way = |asset: &Asset| matches!(asset, Asset::PhotoLabels | Asset::Photo(_));
        if self.own.opened.is_none() || self.loading.keys().any(on_the_way) {
            return;
        }
        let Some(name) = self.own.opened.take() else { return };
        let Some(classes) = self.teachers.ready.get(&name).cloned() else { return };
        if let Some(before) = self.own.current.replace(name.clone()) {
            self.let_go(before);
        }
        let photos = self.own.photos.take().or_else(|| self.labels.take(Data::Photos));
        if let Some(photos) = photos {
            match self.relabel(Data::Photos, &photos, &name, &classes) {
                true => self.own.photos = Some(photos),
                false => self.insert(Data::Photos, photos),
            }
        }
        self.relabel_own_images(&name, &classes);
        self.notices.say(format!(
            "{name} labels the photos and images of your own from now on: {} classes",
            classes.len()
        ));
    }

    /// Lets the teacher that ships label again; the photos have the labels that they came with.
    pub(super) fn shipped_teacher(&mut self) {
        let before = self.own.current.take();
        let has_labelled = before.is_some();
        self.own.give_up().chain(before).for_each(|name| self.let_go(name));
        if let Some(photos) = self.own.photos.take() {
            self.replace(Data::Photos, photos);
        }
        if has_labelled {
            self.relabel_own_images(SHIPPED_TEACHER, &ClassSpace::imagenet());
        }
    }

    fn let_go(&mut self, name: String) {
        self.teachers.remove(&name);
        self.outbox.push(Request::Forget(name));
    }

    /// Has images of the reader's labelled again, where a teacher labels them at all.
    fn relabel_own_images(&mut self, teacher: &str, classes: &ClassSpace) {
        let is_live = self.labels.set_of(Data::Yours).is_some_and(|set| set.live_images().is_some());
        if let Some(yours) = is_live.then(|| self.labels.take(Data::Yours)).flatten()
            && !self.relabel(Data::Yours, &yours, teacher, classes)
        {
            self.insert(Data::Yours, yours);
        }
    }

    /// Has the images of a data set labelled by another teacher; whether it can.
    fn relabel(&mut self, data: Data, set: &DataSet, teacher: &str, classes: &ClassSpace) -> bool {
        match set.relabelled(teacher, classes).and_then(|set| some_images(set, teacher)) {
            Ok(set) => {
                self.replace(data, set);
                true
            }
            Err(error) => {
                self.complain(error);
                false
            }
        }
    }

    /// Puts a data set of other labels where one was: what spoke of its classes is gone.
    fn replace(&mut self, data: Data, set: DataSet) {
        self.insert(data, set);
        if self.experiment.data == data {
            self.filters = Filters { boxes: self.filters.boxes, ..Filters::default() };
            self.study.classes.list(None, None);
            if let Some(probe) = &mut self.teachers.probe {
                (probe.label, probe.failed) = (None, None);
            }
        }
    }
}

fn some_images(set: DataSet, teacher: &str) -> Result<DataSet> {
    match set.is_empty() {
        false => Ok(set),
        true => Err(Error::mismatch(teacher, "no picture is here that it could label")
            .remedy("reload the page, so that its photos come")),
    }
}
