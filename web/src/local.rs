//! The engine on the page's own thread, between two frames: on WebGPU the work itself is elsewhere.

use std::cell::RefCell;
use std::rc::Rc;

use ferkd_app::engine::core::Core;
use ferkd_app::engine::{Engine, Reply, Request};
use ferkd_nn::device::SharedWgpu;

use crate::browser::on_hidden;
use crate::inbox::{Inbox, serve};
use crate::onnx::OnnxInWorker;

/// An engine between two frames.
pub struct LocalEngine {
    inbox: Inbox,
    replies: Rc<RefCell<Vec<Reply>>>,
}

impl LocalEngine {
    /// Starts it. `wake` is called after every reply: the page repaints.
    pub fn start(shared: &SharedWgpu, wake: impl Fn() + 'static) -> Self {
        let engine = Self { inbox: Inbox::default(), replies: Rc::default() };
        let replies = engine.replies.clone();
        let reply = move |said| {
            replies.borrow_mut().push(said);
            wake();
        };
        // The page draws between two pieces of work.
        let core = Core::with_wgpu(shared).with_onnx(OnnxInWorker);
        wasm_bindgen_futures::spawn_local(serve(core, engine.inbox.clone(), 0.0, reply));
        let inbox = engine.inbox.clone();
        on_hidden(move |is_hidden| inbox.hide(is_hidden));
        engine
    }
}

impl Engine for LocalEngine {
    fn send(&mut self, request: Request) {
        self.inbox.send(request);
    }

    fn replies(&mut self) -> Vec<Reply> {
        std::mem::take(&mut *self.replies.borrow_mut())
    }
}
