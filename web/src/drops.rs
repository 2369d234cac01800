//! What is dropped onto the page: files, and folders with all that lies in them. A file stays where it is until
//! someone reads of it.

use js_sys::{Array, Function, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{DataTransferItem, DragEvent, File};

use crate::browser::listen_first;
use crate::sources::{MOST_FILES, call, file_of, text, too_many, walk};

/// What came with one drop.
pub enum Dropped {
    /// One folder that the page may look into again.
    Folder(JsValue),
    /// Files with their paths.
    Files(Vec<(String, File)>),
}

/// One thing that was dropped, as the browser gives it; asked for before the event is over.
enum Item {
    /// The promise of a handle.
    Handle(Promise),
    /// An entry of a file system, where the browser knows no handles.
    Entry(JsValue),
    /// A file.
    File(File),
}

/// Calls `heard` with what is dropped onto the page, in the place of everybody else who listens.
pub fn on_drop(heard: impl Fn(Result<Dropped, JsValue>) + Clone + 'static) {
    let Some(window) = web_sys::window() else { return };
    listen_first(&window, "drop", move |event| {
        let Some(data) = event.dyn_ref::<DragEvent>().and_then(DragEvent::data_transfer) else { return };
        let list = data.items();
        let items: Vec<Item> = (0..list.length()).filter_map(|at| item(&list.get(at)?)).collect();
        if items.is_empty() {
            return;
        }
        event.prevent_default();
        event.stop_propagation();
        let heard = heard.clone();
        wasm_bindgen_futures::spawn_local(async move { heard(gather(items).await) });
    });
}

fn item(item: &DataTransferItem) -> Option<Item> {
    if item.kind() != "file" {
        return None;
    }
    // Newer than what the bindings know; absent from some browsers.
    if let Ok(promise) = call(item, "getAsFileSystemHandle").and_then(JsCast::dyn_into) {
        return Some(Item::Handle(promise));
    }
    match call(item, "webkitGetAsEntry") {
        Ok(entry) if entry.is_object() => Some(Item::Entry(entry)),
        _ => item.get_as_file().ok().flatten().map(Item::File),
    }
}

async fn gather(items: Vec<Item>) -> Result<Dropped, JsValue> {
    let is_alone = items.len() == 1;
    let mut files = Vec::new();
    for item in items {
        match item {
            Item::File(file) => files.push((file.name(), file)),
            Item::Entry(entry) => below(entry, &mut files).await?,
            Item::Handle(promise) => {
                let handle = JsFuture::from(promise).await?;
                if text(&handle, "kind") == "file" {
                    files.push((text(&handle, "name"), file_of(&handle).await?));
                } else if is_alone {
                    return Ok(Dropped::Folder(handle));
                } else {
                    let folder = text(&handle, "name");
                    for (path, handle) in walk(&handle).await? {
                        files.push((format!("{folder}/{path}"), file_of(&handle).await?));
                    }
                }
            }
        }
    }
    Ok(Dropped::Files(files))
}

/// The files of an entry and of all below it.
async fn below(entry: JsValue, files: &mut Vec<(String, File)>) -> Result<(), JsValue> {
    let mut entries = vec![entry];
    while let Some(entry) = entries.pop() {
        if Reflect::get(&entry, &"isFile".into())?.is_truthy() {
            let file: File = answer(&entry, "file").await?.dyn_into()?;
            files.push((text(&entry, "fullPath").trim_start_matches('/').to_owned(), file));
            if files.len() > MOST_FILES {
                return Err(too_many());
            }
            continue;
        }
        let reader = call(&entry, "createReader")?;
        // A reader gives some at a time, and at last none.
        loop {
            let some: Array = answer(&reader, "readEntries").await?.dyn_into()?;
            if some.length() == 0 {
                break;
            }
            entries.extend(some.iter());
        }
    }
    Ok(())
}

/// What a function says that answers by callbacks.
async fn answer(of: &JsValue, name: &str) -> Result<JsValue, JsValue> {
    let function: Function = Reflect::get(of, &name.into())?.dyn_into()?;
    let promise = Promise::new(&mut |resolve, reject| {
        if let Err(error) = function.call2(of, &resolve, &reject) {
            // No one waits for what this gives back.
            let _ = reject.call1(&JsValue::NULL, &error);
        }
    });
    JsFuture::from(promise).await
}
