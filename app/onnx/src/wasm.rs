//! What a page's worker calls.

use wasm_bindgen::prelude::*;

use ferkd_onnx::{Network, Problem};

/// A file that is being opened, and the files beside it.
#[wasm_bindgen]
#[derive(Default)]
pub struct Loader {
    beside: Vec<(String, Vec<u8>)>,
}

#[wasm_bindgen]
impl Loader {
    /// Nothing yet.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes up a file beside the network's, which holds weights.
    pub fn beside(&mut self, name: String, bytes: Vec<u8>) {
        self.beside.push((name, bytes));
    }

    /// Opens the network's own file.
    ///
    /// # Errors
    /// A list of two texts: what is wrong, and what to do.
    pub fn open(self, file: Vec<u8>) -> Result<Session, Vec<String>> {
        Network::load(file, self.beside).map(Session).map_err(texts)
    }
}

/// A network that is open.
#[wasm_bindgen]
pub struct Session(Network);

#[wasm_bindgen]
impl Session {
    /// Side of its input in pixels, where it takes no other.
    #[wasm_bindgen(getter)]
    pub fn side(&self) -> Option<u32> {
        self.0.side().and_then(|side| u32::try_from(side).ok())
    }

    /// Tries it on one image of this side: its number of classes.
    ///
    /// # Errors
    /// A list of two texts: what is wrong, and what to do.
    pub fn classes(&self, side: u32) -> Result<u32, Vec<String>> {
        self.0.classes(side as usize).map(|classes| classes as u32).map_err(texts)
    }

    /// Logits, row by row, of images of shape (N, 3, side, side).
    ///
    /// # Errors
    /// A list of two texts: what is wrong, and what to do.
    pub fn logits(&self, images: &[f32], side: u32) -> Result<Vec<f32>, Vec<String>> {
        self.0.logits(images, side as usize).map_err(texts)
    }
}

fn texts(Problem { problem, remedy }: Problem) -> Vec<String> {
    vec![problem, remedy]
}

#[wasm_bindgen]
extern "C" {
    /// Hears the words of a panic, before the module traps.
    #[wasm_bindgen(js_name = ferkdPanic)]
    fn panic_words(words: &str);
}

/// Lets panics speak.
pub fn start() {
    std::panic::set_hook(Box::new(|panic| panic_words(&panic.to_string())));
}
