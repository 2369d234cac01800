//! An ONNX file of the reader's as the teacher of photos: one that waits, and one that labels.

use ferkd_nn::preprocessing::InputOverrides;

use crate::dataset::DataSet;
use crate::onnx_form::OnnxForm;

/// An ONNX file of the reader's: one that waits, and one that labels.
#[derive(Default)]
pub struct OwnTeacher {
    /// One that is asked about before it is used.
    pub form: Option<OnnxForm>,
    /// What is wrong with the last thing that was said of it.
    pub problem: Option<String>,
    /// One that the engine opens.
    pub(super) opening: Option<String>,
    /// Those that the engine opens still, and that no one waits for any more.
    given_up: Vec<String>,
    /// One that the engine has, and no image is labelled by yet.
    pub(super) opened: Option<String>,
    /// The one that labels.
    pub(super) current: Option<String>,
    /// The photos with the labels that they came with, while another teacher labels them.
    pub(super) photos: Option<DataSet>,
}

impl OwnTeacher {
    /// The one that labels, or is about to.
    pub fn name(&self) -> Option<&str> {
        self.opening.as_deref().or(self.opened.as_deref()).or(self.current.as_deref())
    }

    /// Whether one is being opened, or waits for the photos.
    pub fn is_opening(&self) -> bool {
        self.opening.is_some() || self.opened.is_some()
    }

    /// Says what the one that waits sees.
    pub(super) fn set_input(&mut self, asked: InputOverrides) {
        let Some(form) = &mut self.form else { return };
        self.problem = form.set(&asked).err().map(|error| error.to_string());
    }

    /// The engine has a teacher's network; where it was waited for, images wait for it from now on. Whether it is wanted
    /// still.
    pub(super) fn opened(&mut self, name: &str) -> bool {
        if self.no_longer_waits(name) {
            return false;
        }
        if let Some(name) = self.opening.take_if(|opening| opening == name) {
            self.opened = Some(name);
        }
        true
    }

    /// The engine cannot open a teacher's network; the one that labels goes on.
    pub(super) fn failed(&mut self, name: &str) {
        if !self.no_longer_waits(name) {
            _ = self.opening.take_if(|opening| opening == name);
        }
    }

    /// The engine has answered about a teacher: whether that one was given up before.
    fn no_longer_waits(&mut self, name: &str) -> bool {
        let found = self.given_up.iter().position(|given_up| given_up == name);
        found.map(|at| self.given_up.swap_remove(at)).is_some()
    }

    /// Gives up the one that is being opened, and the one that does not label yet: their names.
    pub(super) fn give_up(&mut self) -> impl Iterator<Item = String> + use<> {
        let opening = self.opening.take();
        self.given_up.extend(opening.clone());
        opening.into_iter().chain(self.opened.take())
    }
}
