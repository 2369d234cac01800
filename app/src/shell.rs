//! What the interface asks of the program around it: a window's or a page's.

use std::path::PathBuf;
use std::sync::Arc;

use crate::slices::Blocks;

/// What the reader may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// Images, a packed label store, or a network in an ONNX file.
    Files,
    /// The folder of a label store, of a run, or of images.
    Folder,
}

/// What the reader has chosen.
#[derive(Clone)]
pub enum Picked {
    /// A path, where there are paths.
    Path(PathBuf),
    /// Files by name, where there are none.
    Files(Vec<(String, Arc<[u8]>)>),
    /// The files of a store or of a run, read by slices: what they are called, and whether a log can be read again
    /// as it grows.
    Blocks(String, Blocks, bool),
    /// Nothing came of it; why.
    Failed(String),
}

/// The program around the interface. No call blocks.
pub trait Shell {
    /// Offers a file to the reader, under this name.
    fn save(&mut self, name: &str, bytes: Vec<u8>);
    /// Asks the reader for files; they come through [`picked`](Self::picked).
    fn pick(&mut self, what: Pick);
    /// What the reader has chosen since the last call.
    fn picked(&mut self) -> Vec<Picked>;
    /// What stands before `#` in a link to this program.
    fn base_link(&self) -> String;
}

/// A shell without a reader: files go nowhere, nothing is ever chosen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Shell for Nobody {
    fn save(&mut self, _: &str, _: Vec<u8>) {}

    fn pick(&mut self, _: Pick) {}

    fn picked(&mut self) -> Vec<Picked> {
        Vec::new()
    }

    fn base_link(&self) -> String {
        String::new()
    }
}
