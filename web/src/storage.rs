//! What stays between visits, in the browser's local storage: layout and theme.

use eframe::web::storage::{local_storage_get, local_storage_remove, local_storage_set};

use crate::browser::listen;
use crate::page::Page;

/// Keeps layout and theme when the reader leaves: eframe itself keeps them only while it draws.
pub fn on_leave(runner: &eframe::WebRunner) {
    let Some(document) = web_sys::window().and_then(|window| window.document()) else { return };
    let runner = runner.clone();
    listen(&document, "visibilitychange", move |_| {
        if let Some(mut page) = runner.app_mut::<Page>() {
            eframe::App::save(&mut *page, &mut LocalStorage);
        }
    });
}

struct LocalStorage;

impl eframe::Storage for LocalStorage {
    fn get_string(&self, key: &str) -> Option<String> {
        local_storage_get(key)
    }

    fn set_string(&mut self, key: &str, value: String) {
        local_storage_set(key, &value);
    }

    fn remove_string(&mut self, key: &str) {
        local_storage_remove(key);
    }

    fn flush(&mut self) {}
}
