//! What comes from outside: the engine's replies, and what ships with the program once its bytes are here.

use std::collections::BTreeMap;
use std::sync::Arc;

use ferkd_data::classes::ClassSpace;
use ferkd_method::Result;

use super::State;
use crate::assets::{Asset, PHOTOS};
use crate::dataset::DataSet;
use crate::engine::{JobId, Reply, Request};
use crate::experiment::Data;
use crate::scenes::held_out;
use crate::snapshot::Record;

impl State {
    /// Takes up something that ships, once its bytes are here.
    pub fn load(&mut self, asset: Asset, bytes: &[u8]) {
        self.loading.remove(&asset);
        if let Some(name) = asset.teacher() {
            self.outbox.push(Request::Teacher { name: name.into(), weights: bytes.to_vec() });
            return;
        }
        match asset {
            Asset::PhotoLabels => self.take_up(Data::Photos, DataSet::photos(bytes)),
            Asset::Photo(number) => {
                let set = self.labels.set_mut(Data::Photos);
                // Without labels there is nothing to be shown of it, and why they are missing has been said.
                if let (Some(set), Some(name)) = (set, PHOTOS.get(usize::from(number))) {
                    set.arrive(name, bytes);
                    self.labels.changed(Data::Photos);
                }
            }
            Asset::Students => match Record::read(bytes) {
                Ok(record) => {
                    self.training.record = Some(Arc::new(record));
                    self.outbox.push(Request::Snapshot(bytes.to_vec()));
                }
                Err(error) => self.complain(error),
            },
            _ => {
                // Listing them takes a while: now, rather than in the first frame that shows a student.
                held_out();
                self.take_up(Data::Scenes, DataSet::scenes(bytes));
                self.outbox.push(Request::Scenes(bytes.to_vec()));
            }
        }
    }

    fn take_up(&mut self, data: Data, set: Result<DataSet>) {
        match set {
            Ok(set) => self.insert(data, set),
            Err(error) => self.complain(error),
        }
    }

    /// What is on its way, by its title: bytes that are here, and in all.
    pub fn loading_by_title(&self) -> BTreeMap<&'static str, (u64, u64)> {
        let mut titles = BTreeMap::new();
        for (asset, (here, all)) in &self.loading {
            let sum: &mut (u64, u64) = titles.entry(asset.title()).or_default();
            *sum = (sum.0 + here, sum.1 + all);
        }
        titles
    }

    /// Takes in what the engine says.
    pub fn hear(&mut self, reply: Reply) {
        match reply {
            Reply::Device(name) => self.device = Some(name),
            Reply::Teacher { name, .. } if self.checkpoint_loaded(&name, None) => {}
            Reply::Teacher { name, ids, names } => {
                if self.own.opened(&name) {
                    self.teachers.insert(name, ClassSpace { ids, names });
                }
            }
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
                    Some(JobId::Teacher(name)) => {
                        self.checkpoint_loaded(name, Some(&error));
                        self.own.failed(name);
                    }
                    _ => {}
                }
                self.training.hear(Reply::Failed { job, what, error });
            }
            reply => self.training.hear(reply),
        }
    }
}
