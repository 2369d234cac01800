//! What is looked at: images with their regions and labels, from a store or labelled while you look on.

use std::collections::BTreeMap;
use std::sync::Arc;

use ferkd_data::census::Census;
use ferkd_data::classes::ClassSpace;
use ferkd_data::images::ImageList;
use ferkd_data::pixels::{OrientationRule, decode};
use ferkd_data::scenes::{Half, SceneMaker};
use ferkd_data::store::{MemoryFiles, Store, image_list_sha256};
use ferkd_method::label::SoftLabel;
use ferkd_method::mining::Confidence;
use ferkd_method::region::Region;
use ferkd_method::{Error, Result};
use image::RgbImage;

use crate::assets::SHIPPED_TEACHER;
use crate::live_image::LiveImage;
use crate::scenes::{in_memory, scene_of, store_seed};

/// Is told image, class of the image, region and label.
pub type Visit<'a> = &'a mut dyn FnMut(u64, Option<u32>, u32, &SoftLabel);

/// Files of labels that are asked for ahead of a walk through all of them.
const FILES_AHEAD: u64 = 12;

/// Images with regions and labels.
pub struct DataSet {
    /// What it is called.
    pub name: String,
    /// The classes that labels refer to.
    pub classes: ClassSpace,
    source: Source,
    /// See [`identity`](Self::identity).
    identity: String,
}

enum Source {
    Store { store: Arc<Store>, pictures: Pictures },
    Live { images: Vec<LiveImage>, teacher: String },
}

/// Where the pictures of a store's images come from.
pub enum Pictures {
    /// From a list that holds them under the store's names.
    List(ImageList),
    /// From the demo's maker of scenes.
    Scenes(Arc<SceneMaker>),
    /// Files that have arrived so far, under the store's names; others are on their way.
    Arriving(BTreeMap<String, Arc<[u8]>>),
    /// From nowhere: boxes and labels are shown without them.
    None,
}

/// What is known of one region.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionFound {
    /// Name of its image.
    pub image: String,
    /// Class of its image.
    pub truth: Option<u32>,
    /// Its label, where it is known.
    pub label: Option<SoftLabel>,
}

/// One image, with everything that is shown of it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Its number.
    pub image: u64,
    /// Its name.
    pub name: String,
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// The picture, where there is one.
    pub picture: Option<Arc<RgbImage>>,
    /// Its class.
    pub truth: Option<u32>,
    /// Its regions.
    pub regions: Vec<Region>,
    /// The label of each region, where it is known.
    pub labels: Vec<Option<SoftLabel>>,
    /// Share of the object's ink within each region, in 0..=1, where the truth is known.
    pub visible: Option<Vec<f64>>,
}

impl DataSet {
    /// The program's photos, with their labels from the tar archive `labels`; their pictures come by
    /// [`arrive`](Self::arrive).
    ///
    /// # Errors
    /// No archive of a store.
    pub fn photos(labels: &[u8]) -> Result<Self> {
        let store = unpack(labels, "photos-store.tar")?;
        Ok(Self::of_store("Photos", store, Pictures::Arriving(BTreeMap::new())))
    }

    /// Takes up the picture's file of one of the program's photos.
    pub fn arrive(&mut self, name: &str, file: &[u8]) {
        if let Source::Store { pictures: Pictures::Arriving(files), .. } = &mut self.source {
            files.insert(name.into(), file.into());
        }
    }

    /// The demo's scenes, with their labels from the tar archive `labels`.
    ///
    /// # Errors
    /// No archive of a store.
    pub fn scenes(labels: &[u8]) -> Result<Self> {
        let store = unpack(labels, "scenes-store.tar")?;
        let maker = SceneMaker::new(store_seed(&store))?;
        Ok(Self::of_store("Scenes", store, Pictures::Scenes(Arc::new(maker))))
    }

    /// A label store, and where its pictures come from.
    pub fn of_store(name: impl Into<String>, store: Store, pictures: Pictures) -> Self {
        let classes = store.manifest().label.class_space();
        let manifest = store.manifest();
        let identity = format!(
            "{} {:?} {} {:?}",
            manifest.image_list_sha256, manifest.regions, manifest.teacher.name, manifest.teacher.sha256
        );
        Self {
            name: name.into(),
            classes,
            source: Source::Store { store: Arc::new(store), pictures },
            identity,
        }
    }

    /// Images that a teacher of these classes labels while you look on.
    pub fn live(
        name: impl Into<String>,
        teacher: impl Into<String>,
        classes: ClassSpace,
        images: Vec<LiveImage>,
    ) -> Self {
        let teacher = teacher.into();
        let mut identity = image_list_sha256(images.iter().map(|image| image.name.as_str()));
        // What was said of labels of the one is nothing to those of another; the shipped one's stay as they were kept.
        if teacher != SHIPPED_TEACHER {
            identity = format!("{identity} {teacher}");
        }
        Self { name: name.into(), classes, source: Source::Live { images, teacher }, identity }
    }

    /// The same images and regions, still to be labelled by another teacher. An image keeps its class where the other
    /// one has it too, by its identifier or its name; one whose picture is not here is left out.
    ///
    /// # Errors
    /// A damaged store, or a picture that cannot be decoded.
    pub fn relabelled(&self, teacher: &str, classes: &ClassSpace) -> Result<Self> {
        let mut images = Vec::new();
        for number in 0..self.len() {
            let Shown { name, picture, truth, regions, .. } = self.show(number)?;
            let Some(picture) = picture else { continue };
            let class = truth.and_then(|class| {
                let names = [&self.classes.ids, &self.classes.names].into_iter();
                let mut names = names.filter_map(|names| names.get(class as usize));
                // A name that several classes share is none of them.
                names.find_map(|name| classes.find(name).ok().flatten())
            });
            let labels = vec![None; regions.len()];
            images.push(LiveImage { name, picture, truth: class, regions, labels });
        }
        Ok(Self::live(&*self.name, teacher, classes.clone(), images))
    }

    /// Tells it from other data sets: by its images, its regions and its teacher.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Number of images.
    pub fn len(&self) -> u64 {
        match &self.source {
            Source::Store { store, .. } => store.len(),
            Source::Live { images, .. } => images.len() as u64,
        }
    }

    /// Takes pictures from a list, where this is a store without any and the list holds some of its images: how
    /// many of those that were looked for, the first hundred at the most, and of how many.
    pub fn attach(&mut self, list: ImageList) -> Option<(u64, u64)> {
        let Source::Store { store, pictures: pictures @ Pictures::None } = &mut self.source else {
            return None;
        };
        let looked_for = store.len().min(100);
        let names = (0..looked_for).filter_map(|image| store.image(image).ok());
        let found = names.filter(|entry| list.position(&entry.name).is_some()).count() as u64;
        if found == 0 {
            return None;
        }
        *pictures = Pictures::List(list);
        Some((found, looked_for))
    }

    /// Whether it is a store of which no picture is at hand.
    pub fn lacks_pictures(&self) -> bool {
        matches!(&self.source, Source::Store { pictures: Pictures::None, .. })
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether its regions carry true visible shares.
    pub fn knows_truth(&self) -> bool {
        matches!(&self.source, Source::Store { pictures: Pictures::Scenes(_), .. })
    }

    /// The store behind it.
    pub fn store(&self) -> Option<&Arc<Store>> {
        match &self.source {
            Source::Store { store, .. } => Some(store),
            Source::Live { .. } => None,
        }
    }

    /// The images that are labelled while you look on.
    pub fn live_images_mut(&mut self) -> Option<&mut Vec<LiveImage>> {
        match &mut self.source {
            Source::Store { .. } => None,
            Source::Live { images, .. } => Some(images),
        }
    }

    /// The images that are labelled while you look on.
    pub fn live_images(&self) -> Option<&[LiveImage]> {
        match &self.source {
            Source::Store { .. } => None,
            Source::Live { images, .. } => Some(images),
        }
    }

    /// Temperature of the teacher's softmax behind the labels.
    pub fn temperature(&self) -> f32 {
        self.store().map_or(1.0, |store| store.manifest().label.temperature)
    }

    /// The teacher's name.
    pub fn teacher(&self) -> &str {
        match &self.source {
            Source::Store { store, .. } => &store.manifest().teacher.name,
            Source::Live { teacher, .. } => teacher,
        }
    }

    /// Name of a class for people.
    pub fn class_name(&self, class: u32) -> String {
        self.classes.names.get(class as usize).cloned().unwrap_or_else(|| format!("class {class}"))
    }

    /// Every confidence that it holds.
    ///
    /// # Errors
    /// A damaged store, or [`Confidence::Target`] where an image has no class.
    pub fn census(&self, which: Confidence) -> Result<Census> {
        let images = match &self.source {
            Source::Store { store, .. } => return Census::of_store(store, which),
            Source::Live { images, .. } => images,
        };
        if which == Confidence::Target
            && let Some(image) = images.iter().find(|image| image.truth.is_none())
        {
            return Err(Error::mismatch(&*image.name, "it has no class").remedy("give it one, or use max"));
        }
        let regions = images.iter().flat_map(|image| {
            let judged = move |label| which.of(label, image.truth).map(|c| (image.truth, c));
            image.labels.iter().flatten().map(judged)
        });
        Census::of(regions.collect::<Result<Vec<_>>>()?)
    }

    /// The class of an image, where it has one.
    ///
    /// # Errors
    /// No such image, or a damaged store.
    pub fn class_of(&self, image: u64) -> Result<Option<u32>> {
        match &self.source {
            Source::Store { store, .. } => store.class(image),
            Source::Live { images, .. } => Ok(images.get(image as usize).and_then(|image| image.truth)),
        }
    }

    /// What is known of one region, without its image's picture.
    ///
    /// # Errors
    /// No such image or region, or a damaged store.
    pub fn region(&self, image: u64, region: u32) -> Result<RegionFound> {
        let images = match &self.source {
            Source::Store { store, .. } => {
                let (entry, label) = (store.image(image)?, store.label(image, region)?);
                return Ok(RegionFound { image: entry.name, truth: entry.class, label: Some(label) });
            }
            Source::Live { images, .. } => images,
        };
        let found = images
            .get(image as usize)
            .and_then(|found| Some((found, found.labels.get(region as usize)?)))
            .ok_or_else(|| Error::usage("region", format!("image {image} has no region {region}")))?;
        let (found, label) = found;
        Ok(RegionFound { image: found.name.clone(), truth: found.truth, label: label.clone() })
    }

    /// Where the regions of an image are, in pixels of its picture.
    ///
    /// # Errors
    /// No such image, or a damaged store.
    pub fn regions(&self, image: u64) -> Result<Vec<Region>> {
        match &self.source {
            Source::Store { store, .. } => store.regions(image),
            Source::Live { images, .. } => images
                .get(image as usize)
                .map(|found| found.regions.clone())
                .ok_or_else(|| Error::usage("image", format!("there is no image {image}"))),
        }
    }

    /// Share of the object's ink within each region of an image, in 0..=1, where the truth is known.
    ///
    /// # Errors
    /// No such image, or a damaged store.
    pub fn visible(&self, image: u64) -> Result<Option<Vec<f64>>> {
        let Source::Store { store, pictures: Pictures::Scenes(maker) } = &self.source else {
            return Ok(None);
        };
        let scene = scene_of(maker, &store.image(image)?.name)?;
        let regions = store.regions(image)?;
        Ok(Some(regions.iter().map(|region| scene.visible_share(region)).collect()))
    }

    /// Asks for labels beyond an image whose own are on their way: those of the next files come with them.
    pub(crate) fn ask_ahead(&self, image: u64) {
        let Some(store) = self.store() else { return };
        let of_a_file = u64::from(store.manifest().shard_images);
        for ahead in 1..=FILES_AHEAD {
            let Some(next) = of_a_file.checked_mul(ahead).and_then(|step| image.checked_add(step)) else {
                return;
            };
            if next < store.len() {
                // The pane that shows it says what is wrong with it.
                let _ = store.label(next, 0);
            }
        }
    }

    /// Calls `visit(image, its class, region, label)` for every labelled region of some images, in order.
    ///
    /// # Errors
    /// A damaged store.
    pub fn walk(&self, images: std::ops::Range<u64>, visit: Visit<'_>) -> Result<()> {
        match &self.source {
            Source::Store { store, .. } => store.walk(images, |image, class, labels| {
                labels.iter().zip(0..).for_each(|(label, region)| visit(image, class, region, label));
            }),
            Source::Live { images: all, .. } => {
                for image in images {
                    let Some(found) = all.get(image as usize) else { continue };
                    for (label, region) in found.labels.iter().zip(0..) {
                        label.iter().for_each(|label| visit(image, found.truth, region, label));
                    }
                }
                Ok(())
            }
        }
    }

    /// Everything that is shown of one image.
    ///
    /// # Errors
    /// No such image, a damaged store, or a picture that cannot be decoded or is not as large as the one that was
    /// labelled.
    pub fn show(&self, image: u64) -> Result<Shown> {
        let (store, pictures) = match &self.source {
            Source::Store { store, pictures } => (store, pictures),
            Source::Live { images, .. } => {
                let found = images
                    .get(image as usize)
                    .ok_or_else(|| Error::usage("image", format!("there is no image {image}")))?;
                return Ok(Shown {
                    image,
                    name: found.name.clone(),
                    size: found.picture.dimensions(),
                    picture: Some(found.picture.clone()),
                    truth: found.truth,
                    regions: found.regions.clone(),
                    labels: found.labels.clone(),
                    visible: None,
                });
            }
        };
        let entry = store.image(image)?;
        let regions = store.regions(image)?;
        let labels = store.labels(image)?.into_iter().map(Some).collect();
        let (picture, visible) = match pictures {
            Pictures::None => (None, None),
            Pictures::List(_) | Pictures::Arriving(_) => {
                let picture = find_picture(pictures, &entry.name, store.manifest().orientation)?;
                if let Some(picture) = &picture {
                    store.check_size(image, &entry.name, picture.dimensions())?;
                }
                (picture, None)
            }
            Pictures::Scenes(maker) => {
                let scene = scene_of(maker, &entry.name)?;
                let visible = regions.iter().map(|region| scene.visible_share(region)).collect();
                (Some(Arc::new(scene.picture)), Some(visible))
            }
        };
        Ok(Shown {
            image,
            name: entry.name,
            size: (entry.width, entry.height),
            picture,
            truth: entry.class,
            regions,
            labels,
            visible,
        })
    }

    /// The picture of one of the demo's digits, where this is the scenes.
    pub fn scene(&self, digit: usize) -> Option<RgbImage> {
        match &self.source {
            Source::Store { pictures: Pictures::Scenes(maker), .. } => Some(maker.scene(digit, 0).picture),
            _ => None,
        }
    }

    /// The training images and held-out ones as files in memory, where students can be trained on them.
    pub fn scenes_in_memory(&self) -> Option<Result<(ImageList, ImageList)>> {
        let Source::Store { pictures: Pictures::Scenes(maker), .. } = &self.source else { return None };
        Some(in_memory(maker, Half::Train).and_then(|train| Ok((train, in_memory(maker, Half::HeldOut)?))))
    }
}

/// Opens a store that is packed in a tar archive.
///
/// # Errors
/// No tar archive, or one that holds no store.
pub fn unpack(archive: &[u8], name: &str) -> Result<Store> {
    Store::open_slices(Box::new(MemoryFiles::from_tar(archive, name)?))
}

/// An image's picture, where its file is at hand.
fn find_picture(
    pictures: &Pictures,
    name: &str,
    orientation: OrientationRule,
) -> Result<Option<Arc<RgbImage>>> {
    let found = match pictures {
        Pictures::List(list) => list.position(name).map(|i| list.decode(i, orientation)),
        Pictures::Arriving(files) => files.get(name).map(|file| decode(file, name, orientation)),
        Pictures::Scenes(_) | Pictures::None => None,
    };
    found.map(|decoded| Ok(Arc::new(decoded?.image))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assets::{Asset, PHOTOS};

    #[test]
    fn the_photos_come_with_labels_that_speak_of_them() {
        let mut photos = DataSet::photos(Asset::PhotoLabels.embedded().unwrap()).unwrap();
        assert_eq!(photos.len(), PHOTOS.len() as u64);
        assert!(photos.show(0).unwrap().picture.is_none(), "it is on its way");
        for (number, name) in PHOTOS.iter().enumerate() {
            photos.arrive(name, Asset::Photo(number as u8).embedded().unwrap());
            let shown = photos.show(number as u64).unwrap();
            assert_eq!((shown.name.as_str(), shown.picture.is_some()), (*name, true));
            // The class of each is one that the teacher sees somewhere in it.
            let truth = shown.truth.unwrap();
            let sees = shown.labels.iter().flatten().any(|label| label.prediction() == Some(truth));
            assert!(sees, "{name}: {}", photos.class_name(truth));
        }
        let cat = photos.show(0).unwrap();
        assert_eq!(cat.size, cat.picture.as_ref().unwrap().dimensions());
        assert_eq!(photos.class_name(cat.truth.unwrap()), "Egyptian Mau");
        assert_eq!((cat.regions.len(), cat.labels.len()), (48, 48));
        let census = photos.census(Confidence::Max).unwrap();
        assert_eq!(census.regions(), 48 * photos.len());
    }

    #[test]
    fn an_image_of_another_size_is_not_the_one_that_was_labelled() {
        let mut photos = DataSet::photos(Asset::PhotoLabels.embedded().unwrap()).unwrap();
        photos.arrive(PHOTOS[0], Asset::Photo(1).embedded().unwrap());
        let error = photos.show(0).unwrap_err().to_string();
        assert!(error.contains(PHOTOS[0]) && error.contains("the image that was labelled had"), "{error}");
    }

    #[test]
    fn another_teacher_finds_the_same_regions_and_the_classes_that_it_knows() {
        let mut photos = DataSet::photos(Asset::PhotoLabels.embedded().unwrap()).unwrap();
        for (number, name) in PHOTOS.iter().enumerate().take(2) {
            photos.arrive(name, Asset::Photo(number as u8).embedded().unwrap());
        }
        let cat = photos.show(0).unwrap();
        let classes = ClassSpace::of_folders(&["dog".into(), "Egyptian Mau".into()]);
        let other = photos.relabelled("own.onnx", &classes).unwrap();
        assert_eq!((other.len(), other.teacher(), other.classes.len()), (2, "own.onnx", 2));
        let shown = other.show(0).unwrap();
        assert_eq!((shown.truth, &shown.regions, &shown.picture), (Some(1), &cat.regions, &cat.picture));
        assert!(shown.labels.len() == 48 && shown.labels.iter().all(Option::is_none));
        assert_eq!(other.show(1).unwrap().truth, None, "it knows no jaguar");
        assert_ne!(other.identity(), photos.identity());
        let back = other.relabelled(SHIPPED_TEACHER, &ClassSpace::imagenet()).unwrap();
        assert_eq!(back.show(0).unwrap().truth, Some(285));
    }

    #[test]
    fn scenes_are_those_that_were_labelled() {
        let bytes = include_bytes!("../../assets/playground/scenes-store.tar");
        let scenes = DataSet::scenes(bytes).unwrap();
        let shown = scenes.show(5).unwrap();
        assert_eq!(shown.visible.as_ref().unwrap().len(), shown.regions.len());
        let (train, held_out) = scenes.scenes_in_memory().unwrap().unwrap();
        assert_eq!((train.len() as u64, held_out.len()), (scenes.len(), 449));
        // The very images that the store was made from.
        let ours = crate::scenes::held_out();
        assert!(ours.iter().enumerate().all(|(i, scene)| held_out.name(i) == scene.name));
        assert_eq!(train.digest(), scenes.store().unwrap().manifest().image_list_sha256);
    }
}
