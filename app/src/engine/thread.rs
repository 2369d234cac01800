//! The engine on a thread of its own.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};

use burn::tensor::Device;
use ferkd_nn::device::SharedWgpu;

use super::core::Core;
use super::onnx_here::OnnxHere;
use super::{Engine, Reply, Request};

/// An engine on a thread of its own; it ends with its handle.
pub struct ThreadEngine {
    requests: Sender<Request>,
    replies: Receiver<Reply>,
}

impl ThreadEngine {
    /// Starts it. `wake` is called after every reply: a window repaints.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(device: Device, wake: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        Self::run(move || Core::new(device), wake)
    }

    /// The same on a wgpu device, whose shaders help.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start_with_wgpu(shared: SharedWgpu, wake: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        Self::run(move || Core::with_wgpu(&shared), wake)
    }

    fn run(
        core: impl FnOnce() -> Core + Send + 'static,
        wake: impl Fn() + Send + 'static,
    ) -> std::io::Result<Self> {
        let (requests, inbox) = channel();
        let (outbox, replies) = channel();
        std::thread::Builder::new().name("engine".into()).spawn(move || {
            let mut core = core().with_onnx(OnnxHere);
            let mut reply = |said| {
                // No one listens any more: the next look at the inbox ends the thread.
                let _ = outbox.send(said);
                wake();
            };
            loop {
                let request = match core.is_playing() {
                    true => match inbox.recv_timeout(core.wait()) {
                        Ok(request) => Some(request),
                        Err(RecvTimeoutError::Timeout) => None,
                        Err(RecvTimeoutError::Disconnected) => return,
                    },
                    false => match inbox.recv() {
                        Ok(request) => Some(request),
                        Err(_) => return,
                    },
                };
                match request {
                    Some(request) => pollster::block_on(core.answer(request, &mut reply)),
                    None => pollster::block_on(core.advance(&mut reply)),
                }
            }
        })?;
        Ok(Self { requests, replies })
    }
}

impl Engine for ThreadEngine {
    fn send(&mut self, request: Request) {
        // Its thread ends only with this handle, or by a panic that is reported already.
        let _ = self.requests.send(request);
    }

    fn replies(&mut self) -> Vec<Reply> {
        self.replies.try_iter().collect()
    }
}
