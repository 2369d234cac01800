//! The engine in a Web Worker, where the CPU computes: the page stays free. Messages are requests and replies in
//! postcard's encoding; a text is the last word of a worker that has stopped, and a truth value tells it whether
//! the page is hidden.

use std::cell::RefCell;
use std::rc::Rc;

use burn::tensor::Device;
use ferkd_app::engine::core::Core;
use ferkd_app::engine::{Engine, Reply, Request};
use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent, Worker, WorkerOptions, WorkerType};

use crate::browser::{cover, listen, on_hidden, program, words};
use crate::inbox::{Inbox, serve as serve_requests};
use crate::onnx::OnnxInWorker;

/// What computes there, in words.
pub const DEVICE: &str = "CPU (flex), in a worker";

/// Milliseconds of work in which the worker hears nothing: no one draws there.
const DEAF_MS: f64 = 50.0;

/// An engine in a Web Worker.
pub struct WorkerEngine {
    worker: Worker,
    shared: Rc<RefCell<Shared>>,
}

#[derive(Default)]
struct Shared {
    replies: Vec<Reply>,
    /// Whether the worker listens yet; requests wait until then.
    listens: bool,
    waiting: Vec<Request>,
}

impl WorkerEngine {
    /// Starts it. `wake` is called after every reply: the page repaints.
    ///
    /// # Errors
    /// The browser has no worker to give.
    pub fn start(wake: impl Fn() + 'static) -> Result<Self, JsValue> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = Worker::new_with_options("./worker.js", &options)?;
        let shared = Rc::new(RefCell::new(Shared::default()));
        let (heard, ear) = (shared.clone(), worker.clone());
        listen(&worker, "message", move |event| {
            let data = event.unchecked_into::<MessageEvent>().data();
            hear(&heard, &ear, &data);
            wake();
        });
        listen(&worker, "error", |event| {
            let message = Reflect::get(&event, &"message".into()).unwrap_or_default();
            stopped(&words(&message));
        });
        // The program is here already, compiled: the worker takes it over.
        let start = Object::new();
        Reflect::set(&start, &"program".into(), &program().into())?;
        Reflect::set(&start, &"module".into(), &wasm_bindgen::module())?;
        worker.post_message(&start)?;
        let told = worker.clone();
        // A worker that has stopped has said so already.
        on_hidden(move |is_hidden| _ = told.post_message(&is_hidden.into()));
        Ok(Self { worker, shared })
    }
}

/// Takes in a message of the worker.
fn hear(shared: &Rc<RefCell<Shared>>, worker: &Worker, data: &JsValue) {
    if let Some(last_word) = data.as_string() {
        stopped(&last_word);
        return;
    }
    match postcard::from_bytes::<Reply>(&Uint8Array::new(data).to_vec()) {
        Ok(reply) => {
            let mut shared = shared.borrow_mut();
            shared.listens = true;
            for request in std::mem::take(&mut shared.waiting) {
                post(worker, &request);
            }
            shared.replies.push(reply);
        }
        Err(error) => stopped(&format!("a reply that cannot be read: {error}")),
    }
}

fn stopped(why: &str) {
    cover("The engine has stopped", why, "Start again", None);
}

fn post(worker: &Worker, request: &Request) {
    let sent = postcard::to_stdvec(request).map_err(|error| error.to_string()).and_then(|bytes| {
        let bytes = Uint8Array::from(&*bytes);
        // The bytes move: weights are not copied once more.
        worker.post_message_with_transfer(&bytes, &Array::of1(&bytes.buffer())).map_err(|error| words(&error))
    });
    if let Err(error) = sent {
        stopped(&error);
    }
}

impl Engine for WorkerEngine {
    fn send(&mut self, request: Request) {
        let mut shared = self.shared.borrow_mut();
        match shared.listens {
            true => post(&self.worker, &request),
            false => shared.waiting.push(request),
        }
    }

    fn replies(&mut self) -> Vec<Reply> {
        std::mem::take(&mut self.shared.borrow_mut().replies)
    }
}

/// The worker's side: answers what the page asks.
pub fn serve() {
    let Ok(scope) = js_sys::global().dyn_into::<DedicatedWorkerGlobalScope>() else { return };
    let page = scope.clone();
    std::panic::set_hook(Box::new(move |panic| {
        // No one to tell that it could not be told.
        let _ = page.post_message(&panic.to_string().into());
    }));
    let inbox = Inbox::default();
    let requests = inbox.clone();
    listen(&scope, "message", move |event| {
        let data = event.unchecked_into::<MessageEvent>().data();
        if let Some(is_hidden) = data.as_bool() {
            return requests.hide(is_hidden);
        }
        match postcard::from_bytes(&Uint8Array::new(&data).to_vec()) {
            Ok(request) => requests.send(request),
            Err(error) => {
                say(&Reply::Failed { job: None, what: "a request".into(), error: error.to_string() });
            }
        }
    });
    say(&Reply::Device(DEVICE.into()));
    let core = Core::new(Device::flex()).with_onnx(OnnxInWorker);
    wasm_bindgen_futures::spawn_local(serve_requests(core, inbox, DEAF_MS, |reply| say(&reply)));
}

/// Says something to the page.
fn say(reply: &Reply) {
    let Ok(scope) = js_sys::global().dyn_into::<DedicatedWorkerGlobalScope>() else { return };
    let message = match postcard::to_stdvec(reply) {
        Ok(bytes) => Uint8Array::from(&*bytes).into(),
        Err(error) => JsValue::from(error.to_string()),
    };
    // The page is gone: the browser ends its worker.
    let _ = scope.post_message(&message);
}
