//! Which dictionary of a checkpoint holds the weights.

use std::collections::HashSet;

use crate::pickle::{Id, Pickle};

/// Keys under which training programs keep the weights, the first ones before the others: where an average over the
/// training was kept it is what was evaluated, so that it comes before the last step's weights (as in timm).
const KEYS: [&str; 20] = [
    "state_dict_ema",
    "model_ema",
    "model_ema_state_dict",
    "ema_state_dict",
    "params_ema",
    "ema_model",
    "ema",
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "network",
    "net",
    "weights",
    "params",
    // Within one of the others.
    "module",
    "shadow",
    "shadow_params",
    "averaged_model",
    "state",
];

/// Levels of dictionaries that are looked into.
const MAX_DEPTH: usize = 5;

/// A dictionary with tensors, and how it is reached from the top: empty, or keys with dots between them.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) dictionary: Id,
    pub(super) path: String,
}

/// Finds the dictionary with the weights: under one of the keys that are usual, at the top, or the only dictionary
/// with tensors that the top holds.
///
/// # Errors
/// No dictionary, none with tensors, or several of them under keys that say nothing.
pub(super) fn weights(pickle: &Pickle) -> Result<Found, String> {
    let root = pickle.root();
    let items = pickle.items(root).ok_or("it holds no dictionary of weights")?;
    if let Some(found) = seek(pickle, root, String::new(), &mut HashSet::new()) {
        return Ok(found);
    }
    let named = items.iter().filter_map(|&(key, value)| Some((pickle.str(key)?, value)));
    let mut others: Vec<(&str, Id)> = named.filter(|&(_, value)| holds_tensors(pickle, value)).collect();
    match others[..] {
        [] => Err("it holds no float tensor".into()),
        [(key, dictionary)] => Ok(Found { dictionary, path: shown(key) }),
        _ => {
            let count = others.len();
            others.truncate(3);
            let names: Vec<String> = others.iter().map(|(key, _)| format!("`{}`", shown(key))).collect();
            let names = names.join(", ");
            Err(format!("{count} dictionaries of tensors, and which are the weights is not known: {names}"))
        }
    }
}

/// Looks under the usual keys first, then at the dictionary itself. Each dictionary is looked at once: one can hold
/// itself, and one can be shared by many.
fn seek(pickle: &Pickle, dictionary: Id, path: String, seen: &mut HashSet<Id>) -> Option<Found> {
    if path.matches('.').count() >= MAX_DEPTH || !seen.insert(dictionary) {
        return None;
    }
    pickle.items(dictionary)?;
    for key in KEYS {
        let Some(inner) = pickle.get(dictionary, key) else { continue };
        let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        if let Some(found) = seek(pickle, inner, path, seen) {
            return Some(found);
        }
    }
    holds_tensors(pickle, dictionary).then_some(Found { dictionary, path })
}

/// Whether a value is a dictionary with a tensor under a name.
fn holds_tensors(pickle: &Pickle, id: Id) -> bool {
    let items = pickle.items(id).unwrap_or_default();
    items.iter().any(|&(key, value)| pickle.str(key).is_some() && is_tensor(pickle, value))
}

fn is_tensor(pickle: &Pickle, id: Id) -> bool {
    pickle.call(id).is_some_and(|(constructor, ..)| {
        constructor.starts_with("torch._utils _rebuild") || constructor.starts_with("torch._tensor _rebuild")
    })
}

/// A key for a message.
fn shown(key: &str) -> String {
    key.chars().take(100).flat_map(char::escape_debug).collect()
}
