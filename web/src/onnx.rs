//! ONNX files in a worker of their own (`onnx-worker.js`), whose module is loaded when the reader opens such a file.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use ferkd_app::engine::OnnxBytes;
use ferkd_app::engine::onnx::{Later, OnnxNetwork, OnnxRuntime};
use ferkd_method::{Error, ErrorKind, Result};
use js_sys::{Array, Float32Array, Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, Worker, WorkerOptions, WorkerType};

use crate::browser::{listen, sleep, words};

/// Seconds that opening a file may take, the module's way here and a first image among them.
const OPENING_S: u64 = 300;

/// Seconds that an image may take.
const IMAGE_S: u64 = 60;

/// Opens each ONNX file in a worker of its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct OnnxInWorker;

impl OnnxRuntime for OnnxInWorker {
    fn open(&mut self, bytes: OnnxBytes, side: u32) -> Later<'_, Box<dyn OnnxNetwork>> {
        Box::pin(async move {
            let mut worker = OnnxWorker::start(bytes.name)?;
            let (message, moved) = (Object::new(), Array::new());
            let array = |bytes: Vec<u8>| {
                let array = Uint8Array::from(&*bytes);
                moved.push(&array.buffer());
                array
            };
            let beside: Array = bytes
                .beside
                .into_iter()
                .map(|(name, bytes)| Array::of2(&name.into(), &array(bytes)))
                .collect();
            set(&message, "beside", &beside);
            set(&message, "file", &array(bytes.file));
            set(&message, "side", &side.into());
            let answer = worker.ask(&message, &moved, Duration::from_secs(OPENING_S)).await?;
            let classes = get(&answer, "classes").as_f64().map(|classes| classes as usize);
            worker.classes = classes.ok_or_else(|| worker.error("its worker gave no number of classes"))?;
            Ok(Box::new(worker) as Box<dyn OnnxNetwork>)
        })
    }
}

/// A worker that has one file open.
struct OnnxWorker {
    name: String,
    worker: Worker,
    answer: Rc<RefCell<Answer>>,
    classes: usize,
    is_stopped: bool,
}

/// What the worker said last, until it is taken.
#[derive(Default)]
struct Answer {
    /// The text is what ended the worker.
    said: Option<Result<JsValue, String>>,
    reader: Option<Waker>,
    /// Questions that were asked: a clock that runs for an older one says nothing.
    asked: u64,
}

fn say(answer: &Rc<RefCell<Answer>>, said: Result<JsValue, String>) {
    let reader = {
        let mut answer = answer.borrow_mut();
        answer.said = Some(said);
        answer.reader.take()
    };
    if let Some(reader) = reader {
        reader.wake();
    }
}

impl OnnxWorker {
    fn start(name: String) -> Result<Self> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        // Beside the page, and beside the script of the engine's own worker, which asks for it there.
        let worker = Worker::new_with_options("./onnx-worker.js", &options).map_err(|error| {
            Error::new(ErrorKind::Io, &*name, format!("the browser gives no worker: {}", words(&error)))
                .remedy("close other tabs, and open the file again")
        })?;
        let answer = Rc::new(RefCell::new(Answer::default()));
        let heard = answer.clone();
        listen(&worker, "message", move |event| {
            say(&heard, Ok(event.unchecked_into::<MessageEvent>().data()));
        });
        let heard = answer.clone();
        listen(&worker, "error", move |event| {
            // It is told in the page's own words.
            event.prevent_default();
            say(&heard, Err(format!("its worker has stopped: {}", words(&get(&event, "message")))));
        });
        Ok(Self { name, worker, answer, classes: 0, is_stopped: false })
    }

    fn error(&self, problem: impl Into<String>) -> Error {
        Error::damaged(&*self.name, problem).remedy("open the file again")
    }

    /// Asks the worker, whose arrays in `moved` move, and waits for its answer.
    async fn ask(&mut self, message: &Object, moved: &Array, most: Duration) -> Result<JsValue> {
        if self.is_stopped {
            return Err(self.error("what computes it has stopped"));
        }
        let number = {
            let mut answer = self.answer.borrow_mut();
            answer.asked += 1;
            answer.said = None;
            answer.asked
        };
        let posted = self.worker.post_message_with_transfer(message, moved);
        posted.map_err(|error| self.error(words(&error)))?;
        let clock = self.answer.clone();
        wasm_bindgen_futures::spawn_local(async move {
            sleep(most).await;
            let is_waiting = {
                let answer = clock.borrow();
                answer.asked == number && answer.said.is_none()
            };
            if is_waiting {
                say(&clock, Err(format!("it takes longer than {} s", most.as_secs())));
            }
        });
        let answer = self.answer.clone();
        let said = poll_fn(|context| {
            let mut answer = answer.borrow_mut();
            match answer.said.take() {
                Some(said) => {
                    // The clock of this question is not heard any more.
                    answer.asked += 1;
                    Poll::Ready(said)
                }
                None => {
                    answer.reader = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await;
        let said = match said {
            Ok(said) => said,
            Err(why) => {
                self.stop();
                return Err(self.error(why));
            }
        };
        let problem = get(&said, "problem");
        if problem.is_undefined() {
            return Ok(said);
        }
        if get(&said, "stopped").is_truthy() {
            self.stop();
        }
        let text = |index: u32| Reflect::get_u32(&problem, index).ok().and_then(|text| text.as_string());
        let [what, remedy] = [0, 1].map(|index| text(index).unwrap_or_default());
        Err(Error::damaged(&*self.name, what).remedy(remedy))
    }

    fn stop(&mut self) {
        self.is_stopped = true;
        self.worker.terminate();
    }
}

impl OnnxNetwork for OnnxWorker {
    fn classes(&self) -> usize {
        self.classes
    }

    fn logits(&mut self, images: Vec<f32>, side: u32) -> Later<'_, Vec<f32>> {
        Box::pin(async move {
            let size = 3 * u64::from(side) * u64::from(side);
            let count = images.len() as u64 / size.max(1);
            let (message, images) = (Object::new(), Float32Array::from(&*images));
            set(&message, "images", &images);
            set(&message, "side", &side.into());
            let most = Duration::from_secs(IMAGE_S * count.max(1));
            let answer = self.ask(&message, &Array::of1(&images.buffer()), most).await?;
            match get(&answer, "logits").dyn_into::<Float32Array>() {
                Ok(logits) => Ok(logits.to_vec()),
                Err(_) => Err(self.error("its worker gave no logits")),
            }
        })
    }
}

impl Drop for OnnxWorker {
    fn drop(&mut self) {
        self.worker.terminate();
    }
}

/// A property of an object; undefined where there is none.
fn get(of: &JsValue, name: &str) -> JsValue {
    Reflect::get(of, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

/// Gives a plain object, which takes any, a property.
fn set(of: &Object, name: &str, value: &JsValue) {
    let _ = Reflect::set(of, &name.into(), value);
}
