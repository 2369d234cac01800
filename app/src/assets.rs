//! What ships with the inspector. A desktop program holds all of it; a page fetches it from beside itself, first what is
//! looked at first.

/// Something that ships.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asset {
    /// Labels of the photos.
    PhotoLabels,
    /// One of the [`PHOTOS`], by its number.
    Photo(u8),
    /// Labels of the demo's scenes.
    Scenes,
    /// Students that were trained on the scenes before, and how they fared.
    Students,
    /// Weights of the network that labels the demo's scenes.
    Digits,
    /// Weights of EfficientNet-Lite0, which labels photos.
    Lite0,
}

/// The photos by their names in the store of their labels, from one list.
macro_rules! photos {
    ($($name:literal),* $(,)?) => {
        /// The photos, as the store of their labels names them, in its order.
        pub const PHOTOS: &[&str] = &[$($name),*];

        /// Their paths beside the page.
        const PATHS: &[&str] = &[$(concat!("assets/photos/", $name)),*];

        /// Their files.
        #[cfg(feature = "desktop")]
        const FILES: &[&[u8]] = &[$(include_bytes!(concat!("../../assets/playground/photos/", $name))),*];
    };
}

photos![
    "n02124075/chelsea.jpg",
    "n02128925/jaguar.jpg",
    "n02134084/polar_bear.jpg",
    "n02395406/pig.jpg",
    "n02410509/bison.jpg",
    "n02497673/lemur.jpg",
    "n02509815/red_panda.jpg",
    "n02510455/panda.jpg",
    "n03400231/pan.jpg",
    "n03773504/rocket.jpg",
    "n04266014/astronaut.jpg",
    "n04485082/camera.jpg",
    "n07920052/coffee.jpg",
];

/// The teacher of photos that ships.
pub const SHIPPED_TEACHER: &str = "efficientnet-lite0";

/// Number of the photo that a reader sees first: the one of all whose regions are of every kind at the usual settings.
pub const FIRST_PHOTO: u8 = 11;

impl Asset {
    /// All of them, in the order in which a page fetches them.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::of_photos().chain([Self::Scenes, Self::Digits, Self::Students, Self::Lite0])
    }

    /// The photos and their labels, in the order in which they are taken up: what is seen first comes first.
    pub fn of_photos() -> impl Iterator<Item = Self> {
        let others = (0..PHOTOS.len() as u8).filter(|&number| number != FIRST_PHOTO);
        let photos = std::iter::once(FIRST_PHOTO).chain(others);
        std::iter::once(Self::PhotoLabels).chain(photos.map(Self::Photo))
    }

    /// Path beside the page.
    pub fn path(self) -> &'static str {
        match self {
            Self::PhotoLabels => "assets/photos-store.tar",
            Self::Photo(number) => PATHS.get(usize::from(number)).copied().unwrap_or_default(),
            Self::Lite0 => "assets/efficientnet-lite0/weights-f16.safetensors",
            Self::Digits => "assets/digits/weights-f16.safetensors",
            Self::Scenes => "assets/scenes-store.tar",
            Self::Students => "assets/students.safetensors",
        }
    }

    /// What it is, in a few words; several files may be one thing.
    pub fn title(self) -> &'static str {
        match self {
            Self::PhotoLabels | Self::Photo(_) => "Photos",
            Self::Lite0 => "EfficientNet-Lite0",
            Self::Digits => "Teacher of the scenes",
            Self::Scenes => "Labels of the scenes",
            Self::Students => "Trained students",
        }
    }

    /// Name of the teacher whose weights these are.
    pub fn teacher(self) -> Option<&'static str> {
        match self {
            Self::Lite0 => Some(SHIPPED_TEACHER),
            Self::Digits => Some(ferkd_train::demo::settings::TEACHER),
            Self::PhotoLabels | Self::Photo(_) | Self::Scenes | Self::Students => None,
        }
    }

    /// Its bytes, where the program holds them.
    #[cfg(feature = "desktop")]
    pub fn embedded(self) -> Option<&'static [u8]> {
        Some(match self {
            Self::PhotoLabels => include_bytes!("../../assets/playground/photos-store.tar"),
            Self::Photo(number) => return FILES.get(usize::from(number)).copied(),
            Self::Lite0 => include_bytes!("../../assets/teachers/efficientnet-lite0/weights-f16.safetensors"),
            Self::Digits => include_bytes!("../../assets/teachers/digits/weights-f16.safetensors"),
            Self::Scenes => include_bytes!("../../assets/playground/scenes-store.tar"),
            Self::Students => include_bytes!("../../assets/playground/students.safetensors"),
        })
    }

    /// Its bytes, where the program holds them.
    #[cfg(not(feature = "desktop"))]
    pub fn embedded(self) -> Option<&'static [u8]> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_photo_is_here_once_and_stands_in_the_page_beside_its_labels() {
        let all: Vec<Asset> = Asset::all().collect();
        assert!(all.iter().all(|asset| asset.embedded().is_some_and(|bytes| !bytes.is_empty())));
        assert!(all.iter().all(|asset| asset.path().starts_with("assets/")));
        assert_eq!(all[..2], [Asset::PhotoLabels, Asset::Photo(FIRST_PHOTO)], "what is shown first");
        let mut numbers: Vec<u8> = all
            .iter()
            .filter_map(|one| if let Asset::Photo(number) = one { Some(*number) } else { None })
            .collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..PHOTOS.len() as u8), "each once");
        assert!(PHOTOS.len() >= 12 && PHOTOS.is_sorted(), "{PHOTOS:?}");
        assert_eq!(Asset::Photo(u8::MAX).embedded(), None);
    }
}
