//! The interface for screen readers: AccessKit's tree of the canvas as hidden elements of the page. eframe itself hands
//! that tree to no one here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use egui::accesskit::{Action, ActionRequest, NodeId, TreeId, TreeUpdate};
use egui::{Context, Event, FullOutput, Plugin, RawInput};
use ferkd_app::mirror::elements;
use wasm_bindgen::prelude::*;

use crate::browser::sleep;

/// Time between two looks: a screen reader reads no faster, and a number that runs costs nothing.
const PAUSE: Duration = Duration::from_millis(400);

#[wasm_bindgen]
extern "C" {
    /// Takes up a list of elements, as JSON.
    #[wasm_bindgen(js_namespace = ferkdMirror, js_name = show)]
    fn show(json: &str);

    /// Calls a function with the node of every element that is clicked.
    #[wasm_bindgen(js_namespace = ferkdMirror, js_name = onClick)]
    fn on_click(heard: &JsValue);
}

/// What passes between egui and the page.
#[derive(Default)]
struct Shared {
    /// The last frame's tree, until the page has seen it.
    tree: Mutex<Option<TreeUpdate>>,
    /// Nodes that were clicked since the last frame.
    clicked: Mutex<Vec<u64>>,
    /// Whether the page is about to look.
    is_due: AtomicBool,
    /// What the page saw last.
    shown: Mutex<String>,
}

impl Shared {
    fn look(&self) {
        self.is_due.store(false, Ordering::Relaxed);
        let Some(tree) = self.tree.lock().ok().and_then(|mut tree| tree.take()) else { return };
        // Plain data: it can be written.
        let Ok(json) = serde_json::to_string(&elements(&tree)) else { return };
        if let Ok(mut shown) = self.shown.lock()
            && *shown != json
        {
            show(&json);
            *shown = json;
        }
    }
}

/// Lets the page say what the canvas shows, from the next frame on.
pub fn start(ctx: &Context) {
    let shared = Arc::new(Shared::default());
    let (of, wake) = (shared.clone(), ctx.clone());
    let heard = Closure::<dyn Fn(String)>::new(move |node: String| {
        if let (Ok(node), Ok(mut clicked)) = (node.parse(), of.clicked.lock()) {
            clicked.push(node);
        }
        wake.request_repaint();
    });
    on_click(&heard.into_js_value());
    ctx.enable_accesskit();
    ctx.add_plugin(Mirror(shared));
}

struct Mirror(Arc<Shared>);

impl Plugin for Mirror {
    fn debug_name(&self) -> &'static str {
        "mirror"
    }

    fn input_hook(&mut self, _: &Context, input: &mut RawInput) {
        let clicked =
            self.0.clicked.lock().map(|mut clicked| std::mem::take(&mut *clicked)).unwrap_or_default();
        input.events.extend(clicked.into_iter().map(|node| {
            Event::AccessKitActionRequest(ActionRequest {
                action: Action::Click,
                target_tree: TreeId::ROOT,
                target_node: NodeId(node),
                data: None,
            })
        }));
    }

    fn output_hook(&mut self, _: &Context, output: &mut FullOutput) {
        let Some(tree) = output.platform_output.accesskit_update.take() else { return };
        if let Ok(mut latest) = self.0.tree.lock() {
            *latest = Some(tree);
        }
        if !self.0.is_due.swap(true, Ordering::Relaxed) {
            let shared = self.0.clone();
            wasm_bindgen_futures::spawn_local(async move {
                sleep(PAUSE).await;
                shared.look();
            });
        }
    }
}
