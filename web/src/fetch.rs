//! Weights and labels from beside the page, with their progress; the browser's cache keeps them.

use std::cell::RefCell;
use std::rc::Rc;

use ferkd_app::app::{Arrival, Fetch};
use ferkd_app::assets::Asset;
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Cache, CacheStorage, ReadableStreamDefaultReader, Request, Response};

use crate::browser::words;

/// Name of the browser's cache.
const CACHE: &str = "ferkd-assets";

/// Brings what the program does not hold, one after the other.
pub struct PageFetch(Rc<RefCell<Vec<Arrival>>>);

impl PageFetch {
    /// Starts. `wake` is called after every arrival: the page repaints.
    pub fn start(wake: impl Fn() + 'static) -> Self {
        let arrivals = Rc::new(RefCell::new(Vec::new()));
        let arrive = {
            let arrivals = arrivals.clone();
            move |arrival| {
                arrivals.borrow_mut().push(arrival);
                wake();
            }
        };
        wasm_bindgen_futures::spawn_local(async move {
            for asset in Asset::ALL {
                match bring(asset, &arrive).await {
                    Ok(bytes) => arrive(Arrival::Whole(asset, bytes)),
                    Err(error) => {
                        let why = format!("{}; reload the page to try again", words(&error));
                        arrive(Arrival::Failed(asset, why));
                    }
                }
            }
        });
        Self(arrivals)
    }
}

impl Fetch for PageFetch {
    fn arrived(&mut self) -> Vec<Arrival> {
        std::mem::take(&mut *self.0.borrow_mut())
    }
}

/// Bytes of an asset and its checksum, as they were when the page was built.
fn expected(asset: Asset) -> (u64, &'static str) {
    let (size, sum) = match asset {
        Asset::Lite0 => (env!("FERKD_LITE0_SIZE"), env!("FERKD_LITE0_SUM")),
        Asset::Digits => (env!("FERKD_DIGITS_SIZE"), env!("FERKD_DIGITS_SUM")),
        Asset::Scenes => (env!("FERKD_SCENES_SIZE"), env!("FERKD_SCENES_SUM")),
        Asset::Students => (env!("FERKD_STUDENTS_SIZE"), env!("FERKD_STUDENTS_SUM")),
    };
    (size.parse().unwrap_or(0), sum)
}

async fn bring(asset: Asset, arrive: &impl Fn(Arrival)) -> Result<Vec<u8>, JsValue> {
    let (size, sum) = expected(asset);
    // The checksum tells this version's file from an older one, for every cache on the way.
    let address = format!("{}?v={sum}", asset.path());
    let cache = cache().await;
    if let Some(cache) = &cache
        && let Ok(bytes) = kept(cache, &address).await
        && bytes.len() as u64 == size
    {
        return Ok(bytes);
    }
    let bytes = download(&address, size, |here| arrive(Arrival::Part(asset, here, size))).await?;
    if bytes.len() as u64 != size {
        return Err(format!("{} bytes of {size} came", bytes.len()).into());
    }
    if let Some(cache) = &cache {
        // Full or forbidden: it is fetched again next time.
        let _ = keep(cache, &address, asset, &bytes).await;
    }
    Ok(bytes)
}

/// The browser's cache; none where the page is not served safely, or none is allowed.
async fn cache() -> Option<Cache> {
    let window = web_sys::window()?;
    let caches = Reflect::get(&window, &"caches".into()).ok()?;
    let caches: CacheStorage = if caches.is_undefined() { None } else { Some(caches.unchecked_into()) }?;
    JsFuture::from(caches.open(CACHE)).await.ok()?.dyn_into().ok()
}

async fn kept(cache: &Cache, address: &str) -> Result<Vec<u8>, JsValue> {
    let response: Response = JsFuture::from(cache.match_with_str(address)).await?.dyn_into()?;
    Ok(Uint8Array::new(&JsFuture::from(response.array_buffer()?).await?).to_vec())
}

async fn keep(cache: &Cache, address: &str, asset: Asset, bytes: &[u8]) -> Result<(), JsValue> {
    // What an older page kept of it goes.
    let keys: js_sys::Array = JsFuture::from(cache.keys()).await?.dyn_into()?;
    for key in keys.iter() {
        let request: Request = key.dyn_into()?;
        if request.url().contains(asset.path()) {
            JsFuture::from(cache.delete_with_request(&request)).await?;
        }
    }
    let response = Response::new_with_opt_buffer_source(Some(&Uint8Array::from(bytes)))?;
    JsFuture::from(cache.put_with_str(address, &response)).await?;
    Ok(())
}

/// The whole file; `progress` hears how many bytes are here.
async fn download(address: &str, size: u64, progress: impl Fn(u64)) -> Result<Vec<u8>, JsValue> {
    let window = web_sys::window().ok_or("no window")?;
    let response: Response = JsFuture::from(window.fetch_with_str(address)).await?.dyn_into()?;
    if !response.ok() {
        return Err(format!("the server answers {} to {address}", response.status()).into());
    }
    let body = response.body().ok_or("an empty answer")?;
    let reader: ReadableStreamDefaultReader = body.get_reader().dyn_into()?;
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    loop {
        let part = JsFuture::from(reader.read()).await?;
        if Reflect::get(&part, &"done".into())?.is_truthy() {
            return Ok(bytes);
        }
        let part: Uint8Array = Reflect::get(&part, &"value".into())?.dyn_into()?;
        bytes.extend_from_slice(&part.to_vec());
        progress(bytes.len() as u64);
    }
}
