//! Small things of the browser: timers, errors as text, the cover over the canvas.

use std::time::Duration;

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    /// Global in pages and workers alike.
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &js_sys::Function, milliseconds: u32);

    /// Takes the cover away: the canvas shows something.
    #[wasm_bindgen(js_namespace = ferkdCover, js_name = hide)]
    pub fn hide_cover();

    /// Covers the page with plain words and a way on: a search part of the address to open the page again with.
    #[wasm_bindgen(js_namespace = ferkdCover, js_name = fail)]
    pub fn cover(title: &str, text: &str, button: &str, search: Option<&str>);

    /// Whether a canvas of this browser can draw by WebGL.
    #[wasm_bindgen(js_namespace = ferkdCover, js_name = hasWebGl)]
    pub fn has_web_gl() -> bool;

    /// Whether this browser offers a WebGPU adapter.
    #[wasm_bindgen(js_namespace = ferkdCover, js_name = hasWebGpu)]
    fn has_web_gpu_promise() -> js_sys::Promise;

    /// Whether the reader's system asks that nothing move by itself.
    #[wasm_bindgen(js_namespace = ferkdCover, js_name = wantsStill)]
    pub fn wants_still() -> bool;

    /// Address of this program's script.
    #[wasm_bindgen(js_namespace = ferkdCover, js_name = program)]
    pub fn program() -> String;
}

/// Whether this browser offers a WebGPU adapter.
pub async fn has_web_gpu() -> bool {
    JsFuture::from(has_web_gpu_promise()).await.is_ok_and(|there| there == JsValue::TRUE)
}

/// Threads that the browser says the machine has; one where it does not say.
pub fn cores() -> usize {
    let said = web_sys::window().map_or(1.0, |window| window.navigator().hardware_concurrency());
    (said as usize).max(1)
}

/// Lets the browser do its work, and goes on after some time.
pub async fn sleep(time: Duration) {
    let milliseconds = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    let promise = js_sys::Promise::new(&mut |resolve, _| set_timeout(&resolve, milliseconds));
    // A timer does not fail.
    let _ = JsFuture::from(promise).await;
}

/// What the browser says went wrong.
pub fn words(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => error.as_string().unwrap_or_else(|| format!("{error:?}")),
    }
}

/// Calls `heard` with whether the page is hidden, now and whenever that changes.
pub fn on_hidden(heard: impl Fn(bool) + 'static) {
    let Some(document) = web_sys::window().and_then(|window| window.document()) else { return };
    heard(document.hidden());
    let of = document.clone();
    listen(&document, "visibilitychange", move |_| heard(of.hidden()));
}

/// Calls `heard` at every event of this name, for as long as the page lives.
pub fn listen(target: &web_sys::EventTarget, event: &str, heard: impl FnMut(web_sys::Event) + 'static) {
    listen_as(target, event, &web_sys::AddEventListenerOptions::new(), heard);
}

/// The same, before anybody else hears of the event.
pub fn listen_first(target: &web_sys::EventTarget, event: &str, heard: impl FnMut(web_sys::Event) + 'static) {
    let options = web_sys::AddEventListenerOptions::new();
    options.set_capture(true);
    listen_as(target, event, &options, heard);
}

fn listen_as(
    target: &web_sys::EventTarget,
    event: &str,
    options: &web_sys::AddEventListenerOptions,
    heard: impl FnMut(web_sys::Event) + 'static,
) {
    let closure = Closure::<dyn FnMut(web_sys::Event)>::new(heard);
    let ear = closure.as_ref().unchecked_ref();
    let added = target.add_event_listener_with_callback_and_add_event_listener_options(event, ear, options);
    if let Err(error) = added {
        log::error!("no ear for {event}: {}", words(&error));
    }
    closure.forget();
}

/// Hands bytes to the reader as a file, by the way of the browser's downloads.
///
/// # Errors
/// What the browser says.
pub fn download(name: &str, bytes: &[u8]) -> Result<(), JsValue> {
    let parts = js_sys::Array::of1(&js_sys::Uint8Array::from(bytes));
    let blob = web_sys::Blob::new_with_u8_array_sequence(&parts)?;
    let url = web_sys::Url::create_object_url_with_blob(&blob)?;
    let document = web_sys::window().and_then(|window| window.document());
    let document = document.ok_or_else(|| JsValue::from("there is no document"))?;
    let link: web_sys::HtmlElement = document.create_element("a")?.unchecked_into();
    link.set_attribute("href", &url)?;
    link.set_attribute("download", name)?;
    link.click();
    web_sys::Url::revoke_object_url(&url)
}
