//! What a run is trained on: images, classes, store, teacher, and whether they belong together.

#[cfg(not(target_family = "wasm"))]
use burn::tensor::Device;

use crate::config::{Supervision, TrainConfig};
#[cfg(not(target_family = "wasm"))]
use crate::image_check::{ImageCheck, check_validation, without_broken};
use ferkd_data::classes::ClassSpace;
use ferkd_data::images::ImageList;
#[cfg(not(target_family = "wasm"))]
use ferkd_data::images::{Half, Split};
#[cfg(not(target_family = "wasm"))]
use ferkd_data::store::SkippedImage;
use ferkd_data::store::Store;
use ferkd_method::error::{Error, Result};
use ferkd_method::mining::Confidence;
use ferkd_nn::classifier::Classifier;
#[cfg(not(target_family = "wasm"))]
use ferkd_nn::preprocessing::InputOverrides;

/// What a trainer works on.
pub struct Inputs {
    /// Images to train on.
    pub images: ImageList,
    /// Images to validate on.
    pub validation: Option<ImageList>,
    /// Their labels, for supervisions that read them.
    pub store: Option<Store>,
    /// The online teacher, for supervisions that ask one.
    pub teacher: Option<Classifier>,
}

#[cfg(not(target_family = "wasm"))]
impl Inputs {
    /// Opens the store and the teacher of a run with these images, the teacher on the first of `devices`.
    ///
    /// # Errors
    /// A store or teacher that is not there.
    pub fn open(
        config: &TrainConfig,
        images: ImageList,
        validation: Option<ImageList>,
        devices: &[Device],
    ) -> Result<Self> {
        let store = config.store.as_deref().map(Store::open).transpose()?;
        let teacher = match (&config.teacher, config.supervision.needs_teacher(), devices.first()) {
            (Some(name), true, Some(device)) => {
                let classes = config.classes_file.as_deref().map(ClassSpace::read).transpose()?;
                let asked = teacher_input(config);
                // The student's device; ONNX Runtime has no WebGPU here.
                let provider = if config.device.starts_with("wgpu") { "cpu" } else { &*config.device };
                Some(Classifier::load_with(name, &asked, classes.as_ref(), device, provider)?)
            }
            _ => None,
        };
        Ok(Self { images, validation, store, teacher })
    }

    /// Looks at the images, after what takes no time has been checked: leaves out those that cannot be decoded, where
    /// the settings say so, and checks those to validate on. What was left out of the images to train on.
    ///
    /// # Errors
    /// Classes that do not belong together, broken images, [`ErrorKind::Interrupted`](ferkd_method::ErrorKind).
    pub(super) fn look_at_images(
        &mut self,
        config: &TrainConfig,
        check: &mut ImageCheck<'_>,
    ) -> Result<Vec<SkippedImage>> {
        let store = self.store.as_ref();
        let classes = classes(config, &self.images, store, self.teacher.as_ref())?;
        if let [only] = &classes.ids[..] {
            let problem =
                format!("its images have one class alone, `{only}`: there is nothing to tell apart");
            return Err(Error::mismatch(self.images.root(), problem)
                .remedy("name a folder of several class folders; images without classes take --supervision fkd with a store"));
        }
        classes.map_folders(self.images.folders(), owner(store))?;
        if let Some(list) = &self.validation {
            validation_classes(list, &classes, owner(store))?;
        }
        let mut broken = Vec::new();
        // A store's images were all decoded when it was made, and have their places in it.
        if config.skip_bad && store.is_none() {
            check_classes(config, &self.images, None)?;
            (self.images, broken) = without_broken(self.images.clone(), check)?;
        }
        if let Some(list) = self.validation.as_ref().filter(|_| check.validates) {
            check_validation(list, config.skip_bad, check.listen)?;
        }
        Ok(broken)
    }
}

/// What the settings say of the online teacher's input.
#[cfg(not(target_family = "wasm"))]
fn teacher_input(config: &TrainConfig) -> InputOverrides {
    InputOverrides {
        arch: config.teacher_arch,
        side: config.teacher_side,
        filter: config.teacher_interpolation,
        mean: config.teacher_mean,
        std: config.teacher_std,
        crop: None,
    }
}

/// The images of a run, to train and to validate on; what fits into the cache is decoded once.
///
/// # Errors
/// Folders that cannot be listed, and images to validate on without classes.
#[cfg(not(target_family = "wasm"))]
pub fn image_lists(config: &TrainConfig) -> Result<(ImageList, Option<ImageList>)> {
    let cache = ferkd_data::images::cache::Budget::mebibytes(config.cache_mb);
    // First, because looking for a half in archives takes more memory than keeping their index does.
    let (validation, passed_over) = match &config.val {
        Some(path) => (Some(ImageList::open(path, Split::Val)?), None),
        None => match ImageList::open_half(&config.images, Split::Val)? {
            Half::Found(list) => (Some(*list), None),
            Half::Missing => (None, None),
            Half::PassedOver(why) => (None, Some(why)),
        },
    };
    let mut images =
        ImageList::open(&config.images, Split::Train)?.first_per_class(config.images_per_class)?;
    match &validation {
        Some(list) => {
            list.check_classes()?;
            if let Some(warning) = trained_on(&images, list) {
                images = images.with_notice(warning);
            }
        }
        None => {
            let root = config.images.display();
            images = passed_over.into_iter().fold(images, ImageList::with_notice);
            let text = format!("{root}: no images to validate on: no val/ beside train/, and no --val");
            images = images.with_notice(text);
        }
    }
    Ok((images.cached(&cache), validation.map(|list| list.cached(&cache))))
}

/// What to say where files are validated on that are trained on as well: an accuracy that says nothing of new images.
#[cfg(not(target_family = "wasm"))]
fn trained_on(images: &ImageList, validation: &ImageList) -> Option<String> {
    let whole = |list: &ImageList| std::fs::canonicalize(&*list.root()).ok();
    let root = whole(validation)?;
    if whole(images)? != root {
        return None;
    }
    // An archive may hold both splits, of the same names.
    let same = |i: usize, j: usize| root.is_dir() || images.label_of(j) == validation.label_of(i);
    let is_in_both = |&i: &usize| images.position(validation.name(i)).is_some_and(|j| same(i, j));
    let both = (0..validation.len()).filter(is_in_both).count();
    (both > 0).then(|| {
        format!(
            "warning: {}: {both} of {} images to validate on are trained on, too: the accuracy says nothing of new images",
            validation.root(),
            validation.len()
        )
    })
}

/// The student's classes: the store's; else the teacher's that the folder holds; else those that a file names; else the
/// folder's own.
pub(super) fn classes(
    config: &TrainConfig,
    images: &ImageList,
    store: Option<&Store>,
    teacher: Option<&Classifier>,
) -> Result<ClassSpace> {
    // The teacher's are named by the file already.
    let file = config.classes_file.as_deref().filter(|_| teacher.is_none());
    let named = file.map(|file| ClassSpace::read(file).map(|classes| (file, classes))).transpose()?;
    if let Some(store) = store {
        let classes = store.manifest().label.class_space();
        if let Some((file, _)) = named.filter(|(_, named)| !named.same_ids(&classes)) {
            return Err(Error::mismatch(
                file.display().to_string(),
                "its classes are not those of the store",
            )
            .remedy("leave --classes-file out: the store names its classes"));
        }
        return Ok(classes);
    }
    if let Some((file, classes)) = named {
        classes.map_folders(images.folders(), &file.display().to_string())?;
        return Ok(classes);
    }
    let known = match teacher {
        Some(teacher) => {
            let all = &teacher.classes;
            all.map_folders(images.folders(), &format!("the teacher {}", teacher.name))?;
            Some(all.clone())
        }
        // WordNet ids get their names; anything else stands for itself.
        None => {
            let imagenet = ClassSpace::imagenet();
            imagenet.map_folders(images.folders(), "ImageNet").ok().map(|_| imagenet)
        }
    };
    match known {
        Some(space) => {
            let mut indices = space.map_folders(images.folders(), "the teacher")?;
            indices.sort_unstable();
            indices.dedup();
            Ok(space.subset(&indices))
        }
        None => Ok(ClassSpace::of_folders(images.folders())),
    }
}

/// The class of each folder of the validation images.
///
/// # Errors
/// An image without a class, a folder that is none of `classes`, which are `owner`'s.
pub(super) fn validation_classes(list: &ImageList, classes: &ClassSpace, owner: &str) -> Result<Vec<u32>> {
    if let Some(image) = list.first_without_folder() {
        return Err(Error::mismatch(list.label_of(image), "a validation image whose class is not known")
            .remedy("put validation images into class folders, or name others with --val"));
    }
    classes.map_folders(list.folders(), owner)
}

/// Whose classes errors call those of a run.
pub(super) fn owner(store: Option<&Store>) -> &'static str {
    if store.is_some() { "the store" } else { "the student" }
}

/// Checks that every image has the class that its label needs, before anything is trained.
///
/// # Errors
/// The first image without one, by name.
pub(super) fn check_classes(config: &TrainConfig, images: &ImageList, store: Option<&Store>) -> Result<()> {
    if config.supervision == Supervision::Fkd {
        return Ok(());
    }
    if let Some(image) = images.first_without_folder() {
        return Err(Error::unknown_class(config.supervision.name()).about(images.label_of(image)));
    }
    if let Some(store) = store
        && config.supervision.needs_store()
        && config.confidence == Confidence::Target
        && let Some(image) = store.first_without_class()?
    {
        return Err(store.unknown_class(image, "--confidence target"));
    }
    Ok(())
}
