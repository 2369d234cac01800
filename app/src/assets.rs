//! What ships with the inspector. A desktop program holds all of it; a page holds the first picture's worth, and
//! fetches the rest from beside itself.

/// Something that ships.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asset {
    /// Weights of EfficientNet-Lite0, which labels photos.
    Lite0,
    /// Weights of the network that labels the demo's scenes.
    Digits,
    /// Labels of the demo's scenes.
    Scenes,
    /// Students that were trained on the scenes before, and how they fared.
    Students,
}

impl Asset {
    /// All of them, in the order in which a page fetches them.
    pub const ALL: [Self; 4] = [Self::Scenes, Self::Digits, Self::Students, Self::Lite0];

    /// Path beside the page.
    pub fn path(self) -> &'static str {
        match self {
            Self::Lite0 => "assets/efficientnet-lite0/weights-f16.safetensors",
            Self::Digits => "assets/digits/weights-f16.safetensors",
            Self::Scenes => "assets/scenes-store.tar",
            Self::Students => "assets/students.safetensors",
        }
    }

    /// What it is, in a few words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Lite0 => "EfficientNet-Lite0",
            Self::Digits => "Teacher of the scenes",
            Self::Scenes => "Labels of the scenes",
            Self::Students => "Trained students",
        }
    }

    /// Name of the teacher whose weights these are.
    pub fn teacher(self) -> Option<&'static str> {
        match self {
            Self::Lite0 => Some("efficientnet-lite0"),
            Self::Digits => Some(ferkd_train::demo::settings::TEACHER),
            Self::Scenes | Self::Students => None,
        }
    }

    /// Its bytes, where the program holds them.
    #[cfg(feature = "desktop")]
    pub fn embedded(self) -> Option<&'static [u8]> {
        Some(match self {
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

/// Labels of the photos, packed.
pub(crate) const PHOTO_LABELS: &[u8] = include_bytes!("../../assets/playground/photos-store.tar");

/// The photos: relative path, and the file.
pub(crate) const PHOTOS: [(&str, &[u8]); 2] = [
    ("n02124075/chelsea.jpg", include_bytes!("../../assets/playground/photos/n02124075/chelsea.jpg")),
    ("n07920052/coffee.jpg", include_bytes!("../../assets/playground/photos/n07920052/coffee.jpg")),
];
