//! Where requests wait for an asynchronous loop: one reader, on one thread.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use ferkd_app::engine::core::Core;
use ferkd_app::engine::{Reply, Request};

use crate::browser::sleep;

/// Longest rest between two steps under a limit of speed: a request that came meanwhile is heard after it.
const REST: std::time::Duration = std::time::Duration::from_millis(50);

/// Requests that wait.
#[derive(Clone, Default)]
pub struct Inbox(Rc<RefCell<Waiting>>);

#[derive(Default)]
struct Waiting {
    requests: VecDeque<Request>,
    reader: Option<Waker>,
    /// Whether no one sees the page.
    is_hidden: bool,
}

impl Inbox {
    /// Puts a request in.
    pub fn send(&self, request: Request) {
        self.0.borrow_mut().requests.push_back(request);
        self.wake();
    }

    /// Says whether someone sees the page: students rest while no one does.
    pub fn hide(&self, is_hidden: bool) {
        self.0.borrow_mut().is_hidden = is_hidden;
        self.wake();
    }

    /// Lets the reader look again.
    fn wake(&self) {
        let reader = self.0.borrow_mut().reader.take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// The next request; none where there is other work, and someone sees the page.
    async fn next(&self, has_work: bool) -> Option<Request> {
        poll_fn(|context| {
            let mut waiting = self.0.borrow_mut();
            match waiting.requests.pop_front() {
                Some(request) => Poll::Ready(Some(request)),
                None if has_work && !waiting.is_hidden => Poll::Ready(None),
                None => {
                    waiting.reader = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

/// Answers requests for ever; between them students go on. Rests while there is neither, or the page is hidden.
///
/// Work goes on for at most `most_ms` milliseconds, and one piece of it, before the browser is let in: a timer takes it
/// 4 ms at least, which is much beside a small piece.
pub async fn serve(mut core: Core, inbox: Inbox, most_ms: f64, mut reply: impl FnMut(Reply)) {
    let mut begun = js_sys::Date::now();
    loop {
        match inbox.next(core.is_playing()).await {
            Some(request) => core.answer(request, &mut reply).await,
            None => {
                core.advance(&mut reply).await;
                let wait = core.wait().min(REST);
                if !wait.is_zero() || (js_sys::Date::now() - begun).abs() >= most_ms {
                    // The page draws, and hears its reader, between two steps.
                    sleep(wait).await;
                    begun = js_sys::Date::now();
                }
            }
        }
    }
}
