//! Files that the reader hands over: dropped onto the page, or picked.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use ferkd_app::shell::Pick;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, HtmlInputElement};

use crate::browser::{listen, words};
use crate::sources::{Sources, with_paths};

/// Files that came together: name and bytes of each.
type Together = Vec<(String, Arc<[u8]>)>;

/// Files on their way.
pub struct Files {
    ctx: egui::Context,
    arrived: Rc<RefCell<Vec<Result<Together, String>>>>,
    dropped: Vec<egui::DroppedFileHandle>,
    /// What is read by slices.
    pub sources: Rc<RefCell<Sources>>,
}

impl Files {
    /// Listens to the page's two pickers.
    pub fn new(ctx: &egui::Context) -> Self {
        let sources = Rc::new(RefCell::new(Sources::new(ctx)));
        let files = Self { ctx: ctx.clone(), arrived: Rc::default(), dropped: Vec::new(), sources };
        for wish in [Pick::Files, Pick::Folder] {
            let Some(input) = picker(wish) else { continue };
            let (ctx, arrived, picked) = (ctx.clone(), files.arrived.clone(), input.clone());
            let sources = files.sources.clone();
            listen(&input, "change", move |_| {
                let list: Vec<File> = picked
                    .files()
                    .map(|list| (0..list.length()).filter_map(|i| list.get(i)).collect())
                    .unwrap_or_default();
                // The same files may be picked again.
                picked.set_value("");
                if sources.borrow().open_files(&list) {
                    return;
                }
                let (ctx, arrived) = (ctx.clone(), arrived.clone());
                wasm_bindgen_futures::spawn_local(async move {
                    let read = read_all(&list).await;
                    arrived.borrow_mut().push(read);
                    ctx.request_repaint();
                });
            });
        }
        files
    }

    /// Shows a picker; the browser allows it shortly after a click.
    pub fn pick(&self, wish: Pick) {
        if wish == Pick::Folder && Sources::has_folders() {
            self.sources.borrow().pick_folder();
        } else if let Some(input) = picker(wish) {
            input.click();
        }
    }

    /// Takes note of a file that was dropped; those of one frame belong together.
    pub fn read_dropped(&mut self, file: egui::DroppedFileHandle) {
        self.dropped.push(file);
    }

    /// Files that are here.
    pub fn arrived(&mut self) -> Vec<Result<Together, String>> {
        let dropped = std::mem::take(&mut self.dropped);
        if !dropped.is_empty() {
            let (ctx, arrived) = (self.ctx.clone(), self.arrived.clone());
            wasm_bindgen_futures::spawn_local(async move {
                let mut together = Ok(Vec::new());
                for file in &dropped {
                    let name = file.path().display().to_string();
                    let read = file.bytes_async().await.map_err(|why| format!("{name}: {why}"));
                    together = together.and_then(|mut files: Together| {
                        files.push((name, read?.into()));
                        Ok(files)
                    });
                }
                arrived.borrow_mut().push(together);
                ctx.request_repaint();
            });
        }
        std::mem::take(&mut *self.arrived.borrow_mut())
    }
}

fn picker(wish: Pick) -> Option<HtmlInputElement> {
    let id = match wish {
        Pick::Files => "pick-files",
        Pick::Folder => "pick-folder",
    };
    web_sys::window()?.document()?.get_element_by_id(id)?.dyn_into().ok()
}

async fn read_all(files: &[File]) -> Result<Together, String> {
    let mut read = Vec::with_capacity(files.len());
    for (path, file) in with_paths(files) {
        let bytes = JsFuture::from(file.array_buffer()).await;
        let bytes = bytes.map_err(|error| format!("{}: {}", file.name(), words(&error)))?;
        read.push((path, js_sys::Uint8Array::new(&bytes).to_vec().into()));
    }
    Ok(read)
}
