//! What stands before the names of a network's tensors because of what the network was wrapped in.

use std::collections::{BTreeMap, BTreeSet};

/// What wrappers put before names: data parallelism, `torch.compile`, Lightning, and common modules.
const KNOWN: [&str; 6] = ["module.", "_orig_mod.", "model.", "net.", "network.", "backbone."];

/// Wrappers within wrappers that are looked for.
const MOST: usize = 8;

/// Takes prefixes off the names: one that all names have, whatever it is, and the known ones from the names that have
/// them, as long as no two names become the same. Returns what was taken off, in order.
pub fn strip<T>(tensors: &mut BTreeMap<String, T>) -> Vec<String> {
    let mut taken = Vec::new();
    for _ in 0..MOST {
        let known = || KNOWN.iter().map(|&prefix| prefix.to_owned());
        let found = common(tensors).into_iter().chain(known()).find(|prefix| can_go(tensors, prefix));
        let Some(prefix) = found else { break };
        take(tensors, &prefix);
        taken.push(prefix);
    }
    taken
}

/// Takes a prefix off the names that have it.
pub fn take<T>(tensors: &mut BTreeMap<String, T>, prefix: &str) {
    let names = std::mem::take(tensors).into_iter();
    tensors.extend(names.map(|(name, tensor)| match name.strip_prefix(prefix) {
        Some(rest) => (rest.to_owned(), tensor),
        None => (name, tensor),
    }));
}

/// The first part of a name, with its dot, where all of several names have the same.
fn common<T>(tensors: &BTreeMap<String, T>) -> Option<String> {
    let (first, last) = (tensors.keys().next()?, tensors.keys().next_back()?);
    let prefix = &first[..=first.find('.')?];
    // Names are in order, so that what the first and the last one share is shared by all.
    (first != last && last.starts_with(prefix)).then(|| prefix.to_owned())
}

/// Whether some name has the prefix, and without it is neither empty nor another one's.
fn can_go<T>(tensors: &BTreeMap<String, T>, prefix: &str) -> bool {
    let with: BTreeSet<&str> = tensors.keys().filter_map(|name| name.strip_prefix(prefix)).collect();
    !with.is_empty()
        && with.iter().all(|&rest| {
            let other = tensors.contains_key(rest) && !rest.starts_with(prefix);
            !rest.is_empty() && !other
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(names: &[&str]) -> (Vec<String>, Vec<String>) {
        let mut tensors: BTreeMap<String, u8> = names.iter().map(|&name| (name.to_owned(), 0)).collect();
        let taken = strip(&mut tensors);
        (tensors.into_keys().collect(), taken)
    }

    #[test]
    fn prefixes_of_wrappers_are_taken_off() {
        for prefix in
            ["module.", "_orig_mod.", "model.", "net.", "backbone.", "anything.", "module._orig_mod.model."]
        {
            let names = ["bn1.bias", "conv1.weight", "layer1.0.conv1.weight"];
            let wrapped = names.map(|name| format!("{prefix}{name}"));
            let (found, taken) = stripped(&wrapped.each_ref().map(String::as_str));
            assert_eq!((found, taken.concat()), (names.map(String::from).to_vec(), prefix.to_owned()));
        }
    }

    #[test]
    fn a_head_outside_of_the_backbone_stays() {
        let (found, _) = stripped(&["backbone.conv1.weight", "backbone.layer1.0.bn1.bias", "fc.weight"]);
        assert_eq!(found, ["conv1.weight", "fc.weight", "layer1.0.bn1.bias"]);
    }

    #[test]
    fn names_that_would_become_the_same_keep_their_prefix() {
        let names = ["conv1.weight", "fc.bias", "model.conv1.weight"];
        assert_eq!(stripped(&names), (names.map(String::from).to_vec(), Vec::new()));
        let names = ["model.fc.bias", "net.fc.bias", "other.fc.bias"];
        let (found, _) = stripped(&names);
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn plain_names_stay() {
        let names = ["bn1.bias", "conv1.weight", "fc.bias"];
        assert_eq!(stripped(&names), (names.map(String::from).to_vec(), Vec::new()));
        assert_eq!(stripped(&["fc.weight"]).0, ["fc.weight"]);
    }
}
