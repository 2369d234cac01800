//! What a run's checkpoint is asked about the regions of the shown image, and what comes of it.

use std::path::Path;

use ferkd_method::label::{Codec, TopK};
use ferkd_method::region::Region;

use super::State;
use super::checkpoint::Checkpoint;
use super::teachers::TOP_K;
use crate::engine::Request;

/// Regions that are sent to it at once: other questions come in between.
const AT_ONCE: usize = 8;

impl State {
    /// Lets the engine take up a checkpoint; the one before is forgotten.
    pub fn take_checkpoint(&mut self, file: &Path, weights: Vec<u8>) {
        self.close_checkpoint();
        let name = file.display().to_string();
        self.runs.checkpoint = Some(Checkpoint { name: name.clone(), ..Checkpoint::default() });
        self.outbox.push(Request::Teacher { name, weights });
    }

    /// Asks no checkpoint any more.
    pub(super) fn close_checkpoint(&mut self) {
        if let Some(before) = self.runs.checkpoint.take() {
            self.outbox.push(Request::Forget(before.name));
        }
    }

    /// Asks the checkpoint about the next regions of the shown image.
    pub(super) fn ask_checkpoint(&mut self) -> Option<Request> {
        let checkpoint = self.runs.checkpoint.as_mut()?;
        let shown = self.labels.shown()?;
        let of = (self.experiment.data, self.labels.loaded(), shown.image);
        checkpoint.turn_to(of, shown.regions.len());
        if !checkpoint.is_ready || checkpoint.pending.is_some() || checkpoint.problem.is_some() {
            return None;
        }
        let first = checkpoint.labels.iter().position(Option::is_none)?;
        let regions: Vec<Region> = shown.regions.iter().skip(first).take(AT_ONCE).copied().collect();
        let picture = shown.picture.as_ref()?;
        let (teacher, image) = (checkpoint.name.clone(), (of.0, shown.image));
        let (id, request) = self.teachers.request(&self.labels, image, picture, regions, (teacher, 1.0))?;
        checkpoint.pending = Some((id, of, first));
        Some(request)
    }

    /// Takes in what a checkpoint said; whether the job was its.
    pub(super) fn hear_checkpoint(&mut self, id: u64, found: &[TopK]) -> bool {
        let Some(checkpoint) = &mut self.runs.checkpoint else { return false };
        let Some((_, of, first)) = checkpoint.pending.take_if(|(job, ..)| *job == id) else { return false };
        if checkpoint.of != Some(of) {
            return true;
        }
        let classes = self.labels.set_of(of.0).map_or(0, |set| set.classes.len());
        let (codec, _) = Codec::MarginalSmoothing.resolve(TOP_K, classes);
        for (slot, top) in checkpoint.labels.iter_mut().skip(first).zip(found) {
            match top.decode(codec, classes) {
                Ok(label) => *slot = Some(label),
                Err(error) => checkpoint.problem = Some(error.to_string()),
            }
        }
        true
    }

    /// A request has failed: whether it was the checkpoint's.
    pub(super) fn fail_checkpoint(&mut self, id: u64, error: &str) {
        let Some(checkpoint) = &mut self.runs.checkpoint else { return };
        if checkpoint.pending.take_if(|(job, ..)| *job == id).is_some() {
            checkpoint.problem = Some(error.into());
        }
    }

    /// The engine has a teacher's weights, or cannot take them up: whether they were the checkpoint's.
    pub(super) fn checkpoint_loaded(&mut self, name: &str, problem: Option<&str>) -> bool {
        let Some(checkpoint) = self.runs.checkpoint.as_mut().filter(|one| one.name == name) else {
            return false;
        };
        (checkpoint.is_ready, checkpoint.problem) = (problem.is_none(), problem.map(str::to_owned));
        true
    }
}
