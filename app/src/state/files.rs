//! Files that were dropped or picked: images that are labelled here, a label store, a run, a sweep's table, or a
//! network in an ONNX file.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use ferkd_data::images::ImageList;
use ferkd_data::store::{MANIFEST, MemoryFiles, Store};
use ferkd_method::{Error, Result};

use super::State;
use crate::dataset::{DataSet, Pictures, unpack};
use crate::experiment::Data;
use crate::live_image::live_image;
use crate::run::{CONFIG, METRICS, RunView};
use crate::sweep::{RESULTS, SweepView};

/// Files by name, with their folders where those are known.
pub type Files = Vec<NamedFile>;

/// A file's path, or its name where that is all that is known, and its bytes.
type NamedFile = (String, Arc<[u8]>);

/// Images of a store whose names are looked for among files at the most.
const MOST_MATCHED: u64 = 20_000;

/// The last part of a path.
fn base(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or_default()
}

/// Whether a path ends with another one, folder by folder.
fn ends_with(path: &str, tail: &str) -> bool {
    path.strip_suffix(tail).is_some_and(|before| before.is_empty() || before.ends_with(['/', '\\']))
}

impl State {
    /// Takes up files that were dropped or picked: images, the files of a label store, or one packed with tar, an ONNX
    /// file with what belongs to it.
    pub fn take_files(&mut self, files: Files) {
        let Some(files) = self.take_run_files(files) else { return };
        let Some(files) = self.take_onnx_files(files) else { return };
        if self.attach_files(&files) {
            return;
        }
        match self.read_files(files) {
            Ok(set) => {
                self.insert(Data::Yours, set);
                self.look_at(Data::Yours);
            }
            Err(error) => self.complain(error),
        }
    }

    /// Takes up a sweep's table, or a run's log and configuration; what else came, if there is something that is not the run's.
    fn take_run_files(&mut self, files: Files) -> Option<Files> {
        let named = |name: &str| files.iter().find(|(path, _)| base(path) == name);
        if let Some((path, table)) = named(RESULTS) {
            let folder = path.strip_suffix(RESULTS).unwrap_or_default().trim_end_matches(['/', '\\']);
            let mut sweep = SweepView::new(if folder.is_empty() { "Sweep" } else { folder });
            match sweep.take_results(path, &String::from_utf8_lossy(table)) {
                Ok(()) => self.take_sweep(sweep),
                Err(error) => self.complain(error),
            }
            return None;
        }
        let Some((path, log)) = named(METRICS) else { return Some(files) };
        let folder = path.strip_suffix(METRICS).unwrap_or_default().trim_end_matches(['/', '\\']);
        let mut run = RunView::new(if folder.is_empty() { "Run" } else { folder });
        if let Some((path, bytes)) = named(CONFIG)
            && let Err(error) = run.configure(path, bytes.to_vec())
        {
            self.complain(error);
        }
        if let Err(error) = run.grow(log) {
            self.complain(error);
        }
        let has_store = named(MANIFEST).is_some();
        self.take_run(run);
        has_store.then_some(files)
    }

    /// Takes files for the pictures of the reader's store, where some of them are.
    fn attach_files(&mut self, files: &Files) -> bool {
        let set = self.labels.set_of(Data::Yours).filter(|set| set.lacks_pictures());
        let Some(store) = set.and_then(DataSet::store) else { return false };
        let mut by_base: HashMap<&str, Vec<&NamedFile>> = HashMap::new();
        for file in files {
            by_base.entry(base(&file.0)).or_default().push(file);
        }
        let mut found = Vec::new();
        for image in 0..store.len().min(MOST_MATCHED) {
            let Ok(entry) = store.image(image) else { break };
            let is_it = |path: &str| path == base(&entry.name) || ends_with(path, &entry.name);
            let alike = by_base.get(base(&entry.name)).into_iter().flatten();
            if let Some((_, bytes)) = alike.copied().find(|(path, _)| is_it(path)) {
                let class = entry.name.split('/').next().unwrap_or_default().to_owned();
                found.push((entry.name, class, bytes.clone()));
            }
        }
        if found.is_empty() {
            return false;
        }
        let set = self.labels.set_mut(Data::Yours);
        let attached = set.and_then(|set| set.attach(ImageList::in_memory(found).ok()?));
        self.say_attached(attached)
    }

    /// Says how many pictures belong to the store; whether any do.
    pub(crate) fn say_attached(&mut self, attached: Option<(u64, u64)>) -> bool {
        let Some((found, looked_for)) = attached else { return false };
        self.labels.changed(Data::Yours);
        self.look_at(Data::Yours);
        self.notices
            .say(format!("Pictures of {found} of the store's first {looked_for} images are here now"));
        true
    }

    fn read_files(&mut self, files: Files) -> Result<DataSet> {
        if files.iter().any(|(name, _)| base(name) == MANIFEST) {
            let files: MemoryFiles =
                files.into_iter().map(|(name, bytes)| (base(&name).to_owned(), bytes)).collect();
            let store = Store::open_slices(Box::new(files))?;
            return Ok(DataSet::of_store("Label store", store, Pictures::None));
        }
        if let [(name, bytes)] = &*files
            && name.ends_with(".tar")
        {
            return Ok(DataSet::of_store(base(name).to_owned(), unpack(bytes, name)?, Pictures::None));
        }
        let mut images = Vec::new();
        for (name, bytes) in &files {
            match live_image(base(name), bytes) {
                Ok(image) => images.push(image),
                Err(error) => self.complain(error),
            }
        }
        if images.is_empty() {
            return Err(Error::damaged(
                Path::new("what was dropped"),
                "there is no image in it, and no label store",
            )
            .remedy("drop JPEG, PNG or WebP files, all files of a label store, one packed with tar, or a network in an ONNX file"));
        }
        let (teacher, classes) = self.photo_teacher();
        Ok(DataSet::live("Yours", teacher, classes, images))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Experiment;

    fn photo() -> Arc<[u8]> {
        include_bytes!("../../../assets/playground/photos/n02124075/chelsea.jpg").as_slice().into()
    }

    #[test]
    fn dropped_images_become_a_set_and_what_is_none_is_named() {
        let mut state = State::new(Experiment::default());
        let text: Arc<[u8]> = b"no image".as_slice().into();
        state.take_files(vec![("dir/cat.jpg".into(), photo()), ("notes.txt".into(), text)]);
        assert_eq!(state.experiment.data, Data::Yours);
        let set = state.set().unwrap();
        assert_eq!((set.len(), set.live_images().unwrap()[0].name.as_str()), (1, "cat.jpg"));
        assert!(state.notices.iter().any(|notice| notice.text.contains("notes.txt")), "{:?}", state.notices);
    }

    #[test]
    fn pictures_join_the_store_that_lacks_them() {
        let mut state = State::new(Experiment::default());
        let store: Arc<[u8]> =
            include_bytes!("../../../assets/playground/photos-store.tar").as_slice().into();
        state.take_files(vec![("photos.tar".into(), store)]);
        state.refresh();
        assert!(state.shown().unwrap().picture.is_none());
        state.take_files(vec![("train/n02124075/chelsea.jpg".into(), photo())]);
        state.refresh();
        let set = state.set().unwrap();
        assert!(set.store().is_some() && !set.lacks_pictures());
        assert!(state.shown().unwrap().picture.is_some(), "{:?}", state.shown_error());
        // Another image is one of the reader's own.
        let mut state = State::new(Experiment::default());
        let store: Arc<[u8]> =
            include_bytes!("../../../assets/playground/photos-store.tar").as_slice().into();
        state.take_files(vec![("photos.tar".into(), store)]);
        state.take_files(vec![("other.jpg".into(), photo())]);
        assert!(state.set().unwrap().live_images().is_some());
    }

    #[test]
    fn a_runs_files_become_its_curves_and_its_settings() {
        let mut state = State::new(Experiment::default());
        let log = r#"{"event":"started","job":"train","total":20,"unit":"steps","done":0}
{"event":"evaluation","step":10,"epoch":1.0,"top1":0.5,"top5":0.9,"loss":1.0,"best":true}
"#;
        let config = "images = \"data\"\nstore = \"labels\"\nsupervision = \"ferkd-drop\"\nlow = 0.1\nmid = 0.2\nhigh = 0.9\n";
        for name in ["a", "b"] {
            let file = |file: &str, text: &str| (format!("{name}/{file}"), Arc::from(text.as_bytes()));
            state.take_files(vec![file("config.toml", config), file("metrics.jsonl", log)]);
        }
        assert!(state.notices.is_empty(), "{:?}", state.notices);
        let (run, before) = (state.runs.current.as_ref().unwrap(), state.runs.before.as_ref().unwrap());
        assert_eq!((run.name.as_str(), before.name.as_str()), ("b", "a"));
        assert_eq!(run.monitor.accuracy.len(), 1);
        let settings = state.experiment.settings;
        assert_eq!(settings.adaptation, ferkd_method::calibration::Adaptation::DropOnly);
        assert!(!settings.by_quantile && settings.thresholds.mid == 0.2);
        assert_eq!(state.experiment.data, Data::Photos);
    }

    #[test]
    fn a_sweeps_table_becomes_its_arms() {
        let mut state = State::new(Experiment::default());
        let table: Arc<[u8]> = b"arm,epochs,seed,accuracy\nfkd,4,1,0.5\nfkd,4,2,0.7\n".as_slice().into();
        state.take_files(vec![("sweeps/first/results.csv".into(), table)]);
        let sweep = state.runs.sweep.as_ref().unwrap();
        assert_eq!((sweep.name.as_str(), sweep.cells.len()), ("sweeps/first", 1));
        assert!(state.runs.current.is_none() && state.notices.is_empty(), "{:?}", state.notices);
        state.take_files(vec![("results.csv".into(), b"a,b\n1,2\n".as_slice().into())]);
        assert!(state.notices.iter().any(|notice| notice.text.contains("results.csv")));
        assert_eq!(state.runs.sweep.as_ref().unwrap().cells.len(), 1, "what was looked at stays");
    }

    #[test]
    fn a_packed_store_opens_and_an_archive_without_one_is_refused() {
        let mut state = State::new(Experiment::default());
        let store: Arc<[u8]> =
            include_bytes!("../../../assets/playground/scenes-store.tar").as_slice().into();
        state.take_files(vec![("scenes.tar".into(), store)]);
        assert_eq!(state.set().unwrap().len(), 1348);
        let count = state.notices.len();
        state.take_files(vec![("x.tar".into(), vec![0u8; 2048].into())]);
        assert_eq!(state.notices.len(), count + 1);
    }
}
