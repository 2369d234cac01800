//! What comes from outside: the engine's replies, and what ships with the program once its bytes are here.

use ferkd_data::classes::ClassSpace;

use super::State;
use crate::assets::Asset;
use crate::dataset::DataSet;
use crate::engine::{JobId, Reply, Request};
use crate::experiment::Data;
use crate::scenes::held_out;

impl State {
    /// Takes up something that ships, once its bytes are here.
    pub fn load(&mut self, asset: Asset, bytes: &[u8]) {
        self.loading.remove(asset.title());
        if let Some(name) = asset.teacher() {
            self.outbox.push(Request::Teacher { name: name.into(), weights: bytes.to_vec() });
            return;
        }
        // Listing them takes a while: now, rather than in the first frame that shows a student.
        held_out();
        match DataSet::scenes(bytes) {
            Ok(scenes) => self.insert(Data::Scenes, scenes),
            Err(error) => self.complain(error),
        }
        self.outbox.push(Request::Scenes(bytes.to_vec()));
    }

    /// Takes in what the engine says.
    pub fn hear(&mut self, reply: Reply) {
        match reply {
            Reply::Device(name) => self.device = Some(name),
            Reply::Teacher { name, .. } if self.checkpoint_loaded(&name, None) => {}
            Reply::Teacher { name, ids, names } => self.teachers.insert(name, ClassSpace { ids, names }),
            Reply::Labels { id, labels, .. } if self.hear_checkpoint(id, &labels) => {}
            Reply::Labels { id, labels, time_s } => {
                if let Err(error) = self.teachers.take(id, &labels, time_s, &mut self.labels) {
                    self.complain(error);
                }
            }
            Reply::Failed { job, what, error } => {
                self.complain(format!("{what}: {error}"));
                // Whose job it was, and no one else: the rest goes on.
                match &job {
                    Some(JobId::Label(id)) => {
                        self.fail_checkpoint(*id, &error);
                        self.teachers.fail(*id);
                    }
                    Some(JobId::Teacher(name)) => _ = self.checkpoint_loaded(name, Some(&error)),
                    _ => {}
                }
                self.training.hear(Reply::Failed { job, what, error });
            }
            reply => self.training.hear(reply),
        }
    }
}
