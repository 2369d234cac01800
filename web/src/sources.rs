//! Files that are read by slices: picked ones, those of a folder that the reader lets the page look into, or those
//! behind an address.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use ferkd_app::run::METRICS;
use ferkd_app::shell::Picked;
use ferkd_app::slices::{Blocks, Fetched, Want};
use ferkd_app::sweep::RESULTS;
use ferkd_data::store::MANIFEST;
use js_sys::{Function, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, Headers, RequestInit, Response};

use crate::browser::words;

/// Blocks that are fetched from one source at once: as many as browsers open connections to one server, and as many
/// again that wait for their turn there.
const AT_ONCE: usize = 12;

/// Bytes of a whole file that are taken from a server that gives no parts.
const MOST_WHOLE: u64 = 64 << 20;

/// Files that tell a store, a run or a sweep.
const MARKERS: [&str; 3] = [MANIFEST, METRICS, RESULTS];

/// Files of a folder, and of those below it, that are read whole.
pub const MOST_FILES: usize = 4096;

/// Where blocks come from.
enum Origin {
    /// Files as they were when they were picked, by name.
    Files(BTreeMap<String, File>),
    /// The files of a folder, as they are now.
    Folder(JsValue),
    /// An address that ends with `/`.
    Address(String),
}

/// Everything that someone reads by slices.
pub struct Sources {
    ctx: egui::Context,
    all: Vec<(Blocks, Rc<Origin>)>,
    /// What was opened since the window asked last.
    opened: Rc<RefCell<Vec<Opened>>>,
}

/// Something that was opened: what the window is told, and where its blocks come from.
type Opened = (Picked, Option<(Blocks, Origin)>);

impl Sources {
    /// None yet.
    pub fn new(ctx: &egui::Context) -> Self {
        Self { ctx: ctx.clone(), all: Vec::new(), opened: Rc::default() }
    }

    /// Opens files with their paths, if they are those of a store or of a run.
    pub fn open_files(&self, files: &[(String, File)]) -> bool {
        let Some(folder) = telling_folder(files.iter().map(|(path, _)| path.clone())) else { return false };
        let within = files.iter().filter_map(|(path, file)| {
            let name = path.strip_prefix(&folder)?.to_owned();
            (!name.contains('/')).then(|| (name, file.clone()))
        });
        let files: BTreeMap<String, File> = within.collect();
        let blocks = Blocks::of(files.iter().map(|(name, file)| (name.clone(), file.size() as u64)));
        let name = title(&folder, "Files");
        self.take((Picked::Blocks(name, blocks.clone(), false), Some((blocks, Origin::Files(files)))));
        true
    }

    /// Opens an address: of a store's folder, or of a run's.
    pub fn open_address(&self, address: &str) {
        let address = format!("{}/", address.trim_end_matches('/'));
        let blocks = Blocks::unknown();
        let name = address.trim_end_matches('/').to_owned();
        self.take((Picked::Blocks(name, blocks.clone(), true), Some((blocks, Origin::Address(address)))));
    }

    /// Whether the browser lets a page look into a folder again and again.
    pub fn has_folders() -> bool {
        Reflect::get(&js_sys::global(), &"showDirectoryPicker".into()).is_ok_and(|found| found.is_function())
    }

    /// Asks the reader for a folder to look into.
    pub fn pick_folder(&self) {
        let (opened, ctx) = (self.opened.clone(), self.ctx.clone());
        wasm_bindgen_futures::spawn_local(async move {
            let picked = async {
                let picker: Function =
                    Reflect::get(&js_sys::global(), &"showDirectoryPicker".into())?.dyn_into()?;
                JsFuture::from(picker.call0(&js_sys::global())?.dyn_into::<Promise>()?).await
            };
            // A dialog that is closed asks for nothing.
            if let Ok(handle) = picked.await {
                look_into(&handle, &opened, &ctx).await;
            }
        });
    }

    /// Opens a folder that the page may look into.
    pub fn open_folder(&self, handle: JsValue) {
        let (opened, ctx) = (self.opened.clone(), self.ctx.clone());
        wasm_bindgen_futures::spawn_local(async move { look_into(&handle, &opened, &ctx).await });
    }

    fn take(&self, opened: Opened) {
        self.opened.borrow_mut().push(opened);
        self.ctx.request_repaint();
    }

    /// What was opened since the last call.
    pub fn opened(&mut self) -> Vec<Picked> {
        let opened = std::mem::take(&mut *self.opened.borrow_mut());
        opened
            .into_iter()
            .map(|(picked, source)| {
                self.all.extend(source.map(|(blocks, origin)| (blocks, Rc::new(origin))));
                picked
            })
            .collect()
    }

    /// Fetches what is wanted; once a frame. Sources that no one reads any more are let go.
    pub fn pump(&mut self) {
        self.all.retain(|(blocks, _)| !blocks.is_forgotten());
        for (blocks, origin) in &self.all {
            for want in blocks.take_wanted(AT_ONCE) {
                let (blocks, origin, ctx) = (blocks.clone(), origin.clone(), self.ctx.clone());
                wasm_bindgen_futures::spawn_local(async move {
                    let fetched = origin.fetch(&want).await;
                    blocks.deliver(&want, fetched.unwrap_or_else(|why| Fetched::Failed(words(&why))));
                    ctx.request_repaint();
                });
            }
        }
    }
}

impl Origin {
    async fn fetch(&self, want: &Want) -> Result<Fetched, JsValue> {
        match self {
            Self::Files(files) => match files.get(&want.file) {
                Some(file) => slice(file, want).await,
                None => Ok(Fetched::Missing),
            },
            Self::Folder(folder) => match in_folder(folder, &want.file).await? {
                Some(handle) => slice(&file_of(&handle).await?, want).await,
                None => Ok(Fetched::Missing),
            },
            Self::Address(address) => download(address, want).await,
        }
    }
}

/// A part of a file.
async fn slice(file: &File, want: &Want) -> Result<Fetched, JsValue> {
    let size = file.size() as u64;
    let (from, to) = (want.offset.min(size), want.offset.saturating_add(want.len).min(size));
    let part = file.slice_with_f64_and_f64(from as f64, to as f64)?;
    let bytes = JsFuture::from(part.array_buffer()).await?;
    Ok(Fetched::Bytes(Uint8Array::new(&bytes).to_vec(), size))
}

/// A part of a file behind an address, by an HTTP range.
async fn download(address: &str, want: &Want) -> Result<Fetched, JsValue> {
    let window = web_sys::window().ok_or("no window")?;
    let (headers, init) = (Headers::new()?, RequestInit::new());
    let last = want.offset.saturating_add(want.len).saturating_sub(1);
    headers.set("range", &format!("bytes={}-{last}", want.offset))?;
    init.set_headers(&headers);
    // A log that grows is to be seen as it is.
    init.set_cache(web_sys::RequestCache::NoStore);
    let address = format!("{address}{}", want.file);
    let response = JsFuture::from(window.fetch_with_str_and_init(&address, &init)).await;
    let response: Response = match response {
        Ok(response) => response.dyn_into()?,
        Err(why) => {
            return Err(format!(
                "{}: {address} cannot be read; another server than the page's has to allow it (CORS)",
                words(&why)
            )
            .into());
        }
    };
    let header = |name: &str| response.headers().get(name).ok().flatten();
    match response.status() {
        404 | 410 => Ok(Fetched::Missing),
        206 => {
            let range = header("content-range").unwrap_or_default();
            let size = range.rsplit_once('/').and_then(|(_, size)| size.parse().ok());
            let size = size.ok_or_else(|| format!("the server's content-range makes no sense: {range:?}"))?;
            let bytes = JsFuture::from(response.array_buffer()?).await?;
            Ok(Fetched::Bytes(Uint8Array::new(&bytes).to_vec(), size))
        }
        // Nothing lies behind the offset: the file is as long as it was, or shorter.
        416 => {
            let range = header("content-range").unwrap_or_default();
            let size = range.rsplit_once('/').and_then(|(_, size)| size.parse().ok());
            Ok(Fetched::Bytes(Vec::new(), size.unwrap_or(want.offset)))
        }
        200 => {
            let size: Option<u64> = header("content-length").and_then(|size| size.parse().ok());
            if size.is_some_and(|size| size > MOST_WHOLE) {
                let why = "the server gives no parts of files (HTTP ranges), and this one is large";
                let remedy = "serve the folder by a server that does, or open it from this machine";
                return Ok(Fetched::Refused(why.into(), remedy.into()));
            }
            let bytes = JsFuture::from(response.array_buffer()?).await?;
            Ok(Fetched::Whole(Uint8Array::new(&bytes).to_vec()))
        }
        status => Err(format!("the server answers {status} to {address}").into()),
    }
}

/// A picked file's path within its folder, or its name.
fn path(file: &File) -> String {
    let relative = Reflect::get(file, &"webkitRelativePath".into()).ok().and_then(|path| path.as_string());
    relative.filter(|path| !path.is_empty()).unwrap_or_else(|| file.name())
}

/// The path and the file of each picked one.
pub fn with_paths(files: Vec<File>) -> Vec<(String, File)> {
    files.into_iter().map(|file| (path(&file), file)).collect()
}

/// The folder, with its `/`, of the first file that tells a store or a run.
fn telling_folder(paths: impl Iterator<Item = String>) -> Option<String> {
    let mut folders: Vec<String> = paths
        .filter_map(|path| {
            MARKERS
                .iter()
                .find_map(|name| path.strip_suffix(name))
                .filter(|f| f.is_empty() || f.ends_with('/'))
                .map(str::to_owned)
        })
        .collect();
    folders.sort_by_key(String::len);
    folders.into_iter().next()
}

fn title(folder: &str, otherwise: &str) -> String {
    let name = folder.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    if name.is_empty() { otherwise.into() } else { name.into() }
}

/// The file behind a handle, as it is now.
pub async fn file_of(handle: &JsValue) -> Result<File, JsValue> {
    JsFuture::from(call(handle, "getFile")?.dyn_into::<Promise>()?).await?.dyn_into()
}

/// Calls a function that takes nothing.
pub fn call(of: &JsValue, name: &str) -> Result<JsValue, JsValue> {
    let function: Function = Reflect::get(of, &name.into())?.dyn_into()?;
    function.call0(of)
}

/// A text that something has under a name; empty where it has none.
pub fn text(of: &JsValue, name: &str) -> String {
    Reflect::get(of, &name.into()).ok().and_then(|found| found.as_string()).unwrap_or_default()
}

/// What is said of a folder that holds too much for a page.
pub fn too_many() -> JsValue {
    format!("more than {MOST_FILES} files: take the desktop program, or a store's or a run's own folder")
        .into()
}

/// What a folder's way of saying that it has no such file is called.
const NOT_FOUND: &str = "NotFoundError";

/// The handle of a folder's file; none where there is no such file.
async fn in_folder(folder: &JsValue, name: &str) -> Result<Option<JsValue>, JsValue> {
    let function: Function = Reflect::get(folder, &"getFileHandle".into())?.dyn_into()?;
    match JsFuture::from(function.call1(folder, &name.into())?.dyn_into::<Promise>()?).await {
        Ok(handle) => Ok(Some(handle)),
        Err(error) if text(&error, "name") == NOT_FOUND => Ok(None),
        Err(error) => Err(error),
    }
}

/// What lies in a folder and in those below it.
enum Found {
    /// A store's or a run's folder, with its path.
    Marker(String, JsValue),
    /// Files that tell neither, with their paths.
    Files(Vec<(String, JsValue)>),
}

/// Looks through a folder, the nearest first; a store's files are asked for by name and need not be listed.
async fn look_through(folder: &JsValue, ends_at_telling: bool) -> Result<Found, JsValue> {
    let (mut found, mut folders) = (Vec::new(), VecDeque::from([(String::new(), folder.clone())]));
    while let Some((path, folder)) = folders.pop_front() {
        for name in MARKERS {
            if ends_at_telling && in_folder(&folder, name).await?.is_some() {
                return Ok(Found::Marker(path, folder));
            }
        }
        let entries = call(&folder, "values")?;
        loop {
            let next = JsFuture::from(call(&entries, "next")?.dyn_into::<Promise>()?).await?;
            if Reflect::get(&next, &"done".into())?.is_truthy() {
                break;
            }
            let entry = Reflect::get(&next, &"value".into())?;
            let name = format!("{path}{}", text(&entry, "name"));
            match text(&entry, "kind").as_str() {
                "file" => found.push((name, entry)),
                _ => folders.push_back((format!("{name}/"), entry)),
            }
            if found.len() > MOST_FILES {
                return Err(too_many());
            }
        }
    }
    Ok(Found::Files(found))
}

/// The files of a folder and of those below it, with their paths.
pub async fn walk(folder: &JsValue) -> Result<Vec<(String, JsValue)>, JsValue> {
    match look_through(folder, false).await? {
        Found::Files(files) => Ok(files),
        Found::Marker(..) => Ok(Vec::new()),
    }
}

/// Opens a folder, and says what came of it.
async fn look_into(folder: &JsValue, opened: &RefCell<Vec<Opened>>, ctx: &egui::Context) {
    let found = open_handle(folder).await;
    opened.borrow_mut().push(found.unwrap_or_else(|why| (Picked::Failed(words(&why)), None)));
    ctx.request_repaint();
}

async fn open_handle(folder: &JsValue) -> Result<Opened, JsValue> {
    match look_through(folder, true).await? {
        Found::Marker(path, within) => {
            let blocks = Blocks::unknown();
            let name = title(&path, &text(folder, "name"));
            Ok((Picked::Blocks(name, blocks.clone(), true), Some((blocks, Origin::Folder(within)))))
        }
        Found::Files(files) => {
            let mut together: Vec<(String, Arc<[u8]>)> = Vec::with_capacity(files.len());
            for (path, handle) in files {
                let bytes = JsFuture::from(file_of(&handle).await?.array_buffer()).await?;
                together.push((path, Uint8Array::new(&bytes).to_vec().into()));
            }
            Ok((Picked::Files(together), None))
        }
    }
}
