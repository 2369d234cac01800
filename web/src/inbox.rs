//! Where requests wait for an asynchronous loop: one reader, on one thread.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use ferkd_app::engine::{Core, Reply, Request};

use crate::browser::{is_hidden, sleep};

/// Requests that wait.
#[derive(Clone, Default)]
pub struct Inbox(Rc<RefCell<Waiting>>);

#[derive(Default)]
struct Waiting {
    requests: VecDeque<Request>,
    reader: Option<Waker>,
}

impl Inbox {
    /// Puts a request in.
    pub fn send(&self, request: Request) {
        self.0.borrow_mut().requests.push_back(request);
        self.wake();
    }

    /// Lets the reader look again.
    pub fn wake(&self) {
        let reader = self.0.borrow_mut().reader.take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// The next request; none where `goes_on` says that there is other work.
    async fn next(&self, goes_on: impl Fn() -> bool) -> Option<Request> {
        poll_fn(|context| {
            let mut waiting = self.0.borrow_mut();
            match waiting.requests.pop_front() {
                Some(request) => Poll::Ready(Some(request)),
                None if goes_on() => Poll::Ready(None),
                None => {
                    waiting.reader = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

/// Answers requests for ever; between them students go on. Rests while there is neither, or nobody looks.
pub async fn serve(mut core: Core, inbox: Inbox, mut reply: impl FnMut(Reply)) {
    loop {
        let is_playing = core.is_playing();
        match inbox.next(|| is_playing && !is_hidden()).await {
            Some(request) => core.answer(request, &mut reply).await,
            None => {
                core.advance(&mut reply).await;
                // The page draws, and hears its reader, between two steps.
                sleep(std::time::Duration::ZERO).await;
            }
        }
    }
}
