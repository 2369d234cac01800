//! The file of a sweep: what all runs share, and the arms that differ.

use std::path::PathBuf;

use crate::labelling::LabelConfig;
use crate::sweep::arms::{Arm, arms};
use ferkd_data::config::{Options, resolve};
use ferkd_method::error::{Error, Result};

ferkd_data::options! {
    /// A sweep: every arm x every budget of epochs x every seed is one run.
    SweepConfig {
        /// Teacher that labels the regions, and that kd and funmatch ask: a shipped one, a safetensors file or a run folder.
        teacher: String = "efficientnet-lite0".into(),
        /// Budgets: epochs of a run.
        epochs: Vec<usize> = Vec::new(),
        /// Seeds of weights, order and mixing; arms are compared seed by seed.
        seeds: Vec<u64> = vec![0],
        /// Arm that the others are held against; the first if left out. An arm may name another.
        baseline: Option<String> = None,
        /// Runs at a time, each on its own share of the cores; as many as there are cores if 0.
        jobs: usize = 0,
        /// Settings that all runs share: the keys of `ferkd train`; `regions` is M, the regions used of each image.
        train: toml::Table = toml::Table::new(),
        /// Settings of the teacher pass: the keys of `ferkd label`.
        label: toml::Table = toml::Table::new(),
        /// Lists of values by key, of which every combination is an arm.
        axes: toml::Table = toml::Table::new(),
        /// Arms by name, each with the keys in which it differs.
        arm: Vec<toml::Table> = Vec::new(),
    }
}

/// A sweep whose every setting is known to be sound.
#[derive(Debug, Clone)]
pub struct SweepPlan {
    /// The arms, in the order of tables.
    pub arms: Vec<Arm>,
    /// Budgets in epochs, ascending.
    pub epochs: Vec<usize>,
    /// Seeds, ascending.
    pub seeds: Vec<u64>,
    /// The teacher.
    pub teacher: String,
    /// Settings of the teacher pass: M is the most that any arm uses.
    pub label: LabelConfig,
    /// A store that is there already, where the file names one.
    pub store: Option<PathBuf>,
    /// The images.
    pub images: PathBuf,
    /// Runs at a time; 0 for as many as there are cores.
    pub jobs: usize,
    /// Whether each run that is done gets TensorBoard's event files into its folder. Results do not depend on it.
    pub tensorboard: bool,
    /// The sweep's file, with what flags changed.
    pub written: String,
}

impl SweepConfig {
    /// Reads a sweep from layers, later ones over earlier ones.
    ///
    /// # Errors
    /// An unknown key (the nearest known one is named), or a value of the wrong type.
    pub fn from_layers(layers: &[(String, toml::Table)]) -> Result<Self> {
        resolve(layers)
    }

    /// Resolves and checks every arm, before anything is read or started.
    ///
    /// # Errors
    /// A setting that is wrong, in which arm it stands, and what to do.
    pub fn plan(&self, images: Option<PathBuf>) -> Result<SweepPlan> {
        let ascending = |what: &str, list: Vec<u64>| -> Result<Vec<u64>> {
            let mut sorted = list;
            let before = sorted.len();
            sorted.sort_unstable();
            sorted.dedup();
            if sorted.is_empty() || sorted.len() < before {
                let problem = if before == 0 { "the list is empty" } else { "a value stands twice" };
                return Err(Error::usage(what, problem).remedy(format!("write `{what} = [...]` at the top")));
            }
            Ok(sorted)
        };
        let epochs = ascending("epochs", self.epochs.iter().map(|&e| e as u64).collect())?;
        let epochs: Vec<usize> = epochs.into_iter().map(|e| e as usize).collect();
        let seeds = ascending("seeds", self.seeds.clone())?;

        let mut base = self.train.clone();
        if let Some(images) = images {
            base.insert("images".into(), images.to_string_lossy().into_owned().into());
        }
        base.entry("teacher").or_insert_with(|| self.teacher.clone().into());
        // An online teacher sees what the one that labels sees.
        for key in ["side", "interpolation", "mean", "std"] {
            if let Some(value) = self.label.get(key) {
                base.entry(format!("teacher-{key}")).or_insert_with(|| value.clone());
            }
        }
        let source = Self { train: base.clone(), ..self.clone() };
        let written = toml::to_string(&source)
            .map_err(|e| Error::usage("sweep", format!("its settings cannot be written: {e}")))?;
        let mut arms = arms(base, &self.arm, &self.axes, self.baseline.as_deref())?;

        let mut label: LabelConfig = resolve(&[("[label]".into(), self.label.clone())])?;
        let store = arms.iter().find_map(|arm| arm.config.store.clone());
        let most = arms.iter().filter_map(|arm| arm.config.store_regions).max();
        match most {
            Some(most) if self.label.contains_key("regions") && most > label.regions => {
                let problem = format!("{} regions are labelled, and an arm uses {most}", label.regions);
                return Err(Error::usage("[label] regions", problem).remedy("leave it out, or raise it"));
            }
            Some(most) if !self.label.contains_key("regions") => label.regions = most,
            _ => {}
        }
        for key in ["images-per-class", "part"] {
            if self.label.contains_key(key) {
                return Err(Error::usage(format!("[label] {key}"), "a sweep decides it")
                    .remedy("write images-per-class under [train]; a sweep labels in one part"));
            }
        }
        // One list of images for teacher and students: both take the same ones.
        let Some(first) = arms.first() else { return Err(Error::usage("sweep", "it has no arm")) };
        let (images, val) = (first.config.images.clone(), first.config.val.clone());
        label.images_per_class = first.config.images_per_class;
        for arm in &mut arms {
            let config = &mut arm.config;
            if config.images != images || config.images_per_class != label.images_per_class {
                return Err(Error::usage(format!("arm `{}`", arm.name), "it has images of its own")
                    .remedy("all arms of a sweep learn from the same images: set them under [train]"));
            }
            if config.val != val {
                return Err(Error::usage(
                    format!("arm `{}`", arm.name),
                    "it has validation images of its own",
                )
                .remedy("all arms are evaluated on the same images: set val under [train]"));
            }
            if config.store != store {
                return Err(Error::usage(format!("arm `{}`", arm.name), "it has a store of its own")
                    .remedy("all arms of a sweep share one store: name it under [train], or leave it out"));
            }
            if config.store_regions.is_none() {
                config.store_regions = store.is_none().then_some(label.regions);
                config.regions = label.regions;
            }
        }
        let plan = SweepPlan {
            arms,
            epochs,
            seeds,
            teacher: self.teacher.clone(),
            label,
            store,
            images,
            jobs: self.jobs,
            tensorboard: false,
            written,
        };
        plan.check()?;
        Ok(plan)
    }
}

impl SweepPlan {
    /// Whether any arm reads stored labels.
    pub fn needs_store(&self) -> bool {
        self.arms.iter().any(|arm| arm.config.supervision.needs_store())
    }

    /// Number of runs.
    pub fn runs(&self) -> usize {
        self.arms.len() * self.epochs.len() * self.seeds.len()
    }

    fn check(&self) -> Result<()> {
        for arm in &self.arms {
            for &epochs in &self.epochs {
                let mut config = arm.run(epochs, 0);
                // It will be there when the run begins.
                config.store = Some(PathBuf::from("store"));
                let blame = |e: Error| {
                    Error::new(e.kind(), format!("arm `{}`, {epochs} epochs", arm.name), e.to_string())
                };
                config.check().map_err(blame)?;
                let length = config.resolved().length();
                ferkd_data::batches::plan::BatchPlan::new(1, config.batch, length, 0).map_err(blame)?;
            }
        }
        Ok(())
    }
}

/// The keys of a sweep's file with what they mean, for its help.
pub fn keys() -> String {
    SweepConfig::KEYS.iter().map(|key| format!("  {:<9} {}\n", key.name(), key.doc.trim())).collect()
}
