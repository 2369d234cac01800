//! What comes from outside: the engine's replies, and what ships with the program once its bytes are here.

use std::sync::Arc;

use ferkd_data::classes::ClassSpace;

use super::State;
use crate::assets::Asset;
use crate::dataset::DataSet;
use crate::engine::{JobId, Reply, Request};
use crate::experiment::Data;
use crate::scenes::held_out;
use crate::snapshot::Record;

impl State {
    /// Takes up something that ships, once its bytes are here.
    pub fn load(&mut self, asset: Asset, bytes: &[u8]) {
        self.loading.remove(asset.title());
        match (asset, asset.teacher()) {
            (_, Some(name)) => {
                self.outbox.push(Request::Teacher { name: name.into(), weights: bytes.to_vec() });
            }
            (Asset::Students, None) => match Record::read(bytes) {
                Ok(record) => {
                    self.training.record = Some(Arc::new(record));
                    self.outbox.push(Request::Snapshot(bytes.to_vec()));
                }
                Err(error) => self.complain(error),
            },
            (_, None) => {
                // Listing them takes a while: now, rather than in the first frame that shows a student.
                held_out();
                match DataSet::scenes(bytes) {
                    Ok(scenes) => self.insert(Data::Scenes, scenes),
                    Err(error) => self.complain(error),
                }
                self.outbox.push(Request::Scenes(bytes.to_vec()));
            }
        }
    }

    /// Takes in what the engine says.
    pub fn hear(&mut self, reply: Reply) {
        match reply {
            Reply::Device(name) => self.device = Some(name),
            Reply::Teacher { name, ids, names } => self.teachers.insert(name, ClassSpace { ids, names }),
            Reply::Labels { id, labels, time_s } => {
                if let Err(error) = self.teachers.take(id, &labels, time_s, &mut self.labels) {
                    self.complain(error);
                }
            }
            Reply::Failed { job, what, error } => {
                self.complain(format!("{what}: {error}"));
                // Whose job it was, and no one else: the rest goes on.
                if let Some(JobId::Label(id)) = job {
                    self.teachers.fail(id);
                }
                self.training.hear(Reply::Failed { job, what, error });
            }
            reply => self.training.hear(reply),
        }
    }
}
