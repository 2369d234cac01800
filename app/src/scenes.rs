//! The demo's scenes beside their store: by name, as files in memory, and those that are held out of training.

use std::sync::OnceLock;

use ferkd_data::images::ImageList;
use ferkd_data::scenes::{Half, Scene, SceneMaker};
use ferkd_data::store::{Boxes, Store};
use ferkd_method::{Error, Result};

/// The scene of a name.
pub(crate) fn scene_of(maker: &SceneMaker, name: &str) -> Result<Scene> {
    let (digit, copy) =
        SceneMaker::parse_name(name).ok_or_else(|| Error::mismatch(name, "it is not a scene of the demo"))?;
    Ok(maker.scene(digit, copy))
}

/// The seed that a store's boxes, and with them the demo's scenes, were drawn from.
pub(crate) fn store_seed(store: &Store) -> u64 {
    match store.manifest().regions.boxes {
        Boxes::Generated(sampler) => sampler.seed,
        Boxes::Explicit => 0,
    }
}

/// A scene as a file in memory: its name, its class and its bytes.
pub(crate) type SceneFile = (String, String, Vec<u8>);

/// The scene of a digit as a file in memory.
pub(crate) fn scene_file(maker: &SceneMaker, digit: usize) -> Result<SceneFile> {
    let name = maker.name(digit, 0);
    let class = name.split('/').next().unwrap_or_default().to_owned();
    Ok((name, class, maker.png(digit, 0)?))
}

/// One half of the scenes as files in memory.
pub(crate) fn in_memory(maker: &SceneMaker, half: Half) -> Result<ImageList> {
    ImageList::in_memory(
        maker.digits(half).map(|digit| scene_file(maker, digit)).collect::<Result<Vec<_>>>()?,
    )
}

/// A scene that no student was trained on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldOutScene {
    /// Which digit it is, as core's maker of scenes counts them.
    pub digit: usize,
    /// Its class.
    pub class: u32,
    /// Its name.
    pub name: String,
}

/// The held-out scenes, in the order of predictions.
pub fn held_out() -> &'static [HeldOutScene] {
    static SCENES: OnceLock<Vec<HeldOutScene>> = OnceLock::new();
    SCENES.get_or_init(|| {
        // Digits are embedded: reading them cannot fail, and a test of core says so.
        let Ok(maker) = SceneMaker::new(0) else { return Vec::new() };
        let scene = |digit| {
            let name = maker.name(digit, 0);
            let class = name.split('/').next().and_then(|class| class.parse().ok()).unwrap_or_default();
            HeldOutScene { digit, class, name }
        };
        let mut scenes: Vec<HeldOutScene> = maker.digits(Half::HeldOut).map(scene).collect();
        scenes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        scenes
    })
}
