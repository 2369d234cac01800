//! Files that the reader hands over: dropped onto the page, or picked.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use ferkd_app::shell::Pick;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, HtmlInputElement};

use crate::browser::{listen, words};
use crate::drops::{Dropped, on_drop};
use crate::sources::{Sources, with_paths};

/// Files that came together: name and bytes of each.
type Together = Vec<(String, Arc<[u8]>)>;

/// Files on their way.
pub struct Files {
    arrived: Rc<RefCell<Vec<Result<Together, String>>>>,
    /// What is read by slices.
    pub sources: Rc<RefCell<Sources>>,
}

impl Files {
    /// Listens to the page's two pickers, and to what is dropped.
    pub fn new(ctx: &egui::Context) -> Self {
        let sources = Rc::new(RefCell::new(Sources::new(ctx)));
        let files = Self { arrived: Rc::default(), sources: sources.clone() };
        let (arrived, ctx) = (files.arrived.clone(), ctx.clone());
        let take = move |list: Result<Vec<(String, File)>, JsValue>| {
            let (ctx, arrived, sources) = (ctx.clone(), arrived.clone(), sources.clone());
            wasm_bindgen_futures::spawn_local(async move {
                let read = match list {
                    Ok(list) if sources.borrow().open_files(&list) => return,
                    Ok(list) => read_all(&list).await,
                    Err(why) => Err(words(&why)),
                };
                arrived.borrow_mut().push(read);
                ctx.request_repaint();
            });
        };
        for wish in [Pick::Files, Pick::Folder] {
            let Some(input) = picker(wish) else { continue };
            let (picked, take) = (input.clone(), take.clone());
            listen(&input, "change", move |_| {
                let list: Vec<File> = picked
                    .files()
                    .map(|list| (0..list.length()).filter_map(|i| list.get(i)).collect())
                    .unwrap_or_default();
                // The same files may be picked again.
                picked.set_value("");
                take(Ok(with_paths(list)));
            });
        }
        let sources = files.sources.clone();
        on_drop(move |dropped| match dropped {
            Ok(Dropped::Folder(handle)) => sources.borrow().open_folder(handle),
            Ok(Dropped::Files(list)) => take(Ok(list)),
            Err(why) => take(Err(why)),
        });
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

    /// Files that are here.
    pub fn arrived(&mut self) -> Vec<Result<Together, String>> {
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

async fn read_all(files: &[(String, File)]) -> Result<Together, String> {
    let mut read = Vec::with_capacity(files.len());
    for (path, file) in files {
        let bytes = JsFuture::from(file.array_buffer()).await;
        let bytes = bytes.map_err(|error| format!("{path}: {}", words(&error)))?;
        read.push((path.clone(), js_sys::Uint8Array::new(&bytes).to_vec().into()));
    }
    Ok(read)
}
