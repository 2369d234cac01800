//! Where in a folder, or in what archives unpack to, the images of a split begin.
//!
//! The same rules hold for both: a split's folder is found by its name, at the top or within the only folder there;
//! a single folder around the class folders is looked through; and what could be meant in two ways is refused.

use crate::images::notes::Notes;
use crate::images::split::{Split, SplitName, Splits};
use ferkd_method::error::{Error, Result};

/// Folders and images, by paths with `/`; the top is the empty path.
pub(super) trait Tree {
    /// Names of the folders there, sorted; hidden ones and the system's apart.
    fn folders(&self, at: &str) -> Result<Vec<String>>;
    /// Whether an image, or an archive of some, lies anywhere below.
    fn holds_images(&self, at: &str) -> Result<bool>;
    /// Whether an image, or an archive of some, lies right there.
    fn has_loose_images(&self, at: &str) -> Result<bool>;
    /// What messages call it.
    fn shown(&self, at: &str) -> String;
}

/// Where the images of a split begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Root {
    /// Path there, without a `/` at its end.
    pub(super) path: String,
    /// The split whose folder it is; none where splits are not told apart by folders.
    pub(super) split: Option<SplitName>,
}

pub(super) fn join(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}/{name}") }
}

/// Finds where the images of `wanted` begin; none where other splits are there, and this one is not. `own` is what the
/// name of the top itself says: within `train/`, a folder beside others is a class, whatever its name.
///
/// # Errors
/// Folders that could be meant in two ways, by name.
pub(super) fn find_root(
    tree: &impl Tree,
    wanted: Split,
    own: Option<SplitName>,
    notes: &mut Notes,
) -> Result<Option<Root>> {
    match split_at(tree, "", wanted, own, notes)? {
        Found::Root(root) => return Ok(Some(root)),
        Found::Missing => return Ok(None),
        Found::NoSplits => {}
    }
    if let Some(only) = only_folder(tree, "")? {
        match split_at(tree, &only, wanted, own, notes)? {
            Found::Root(root) => return Ok(Some(root)),
            Found::Missing => return Ok(None),
            Found::NoSplits => {}
        }
    }
    Ok(Some(Root { path: folder_of_classes(tree, "", notes)?, split: None }))
}

enum Found {
    Root(Root),
    Missing,
    NoSplits,
}

/// Looks for splits among the folders at `at`.
fn split_at(
    tree: &impl Tree,
    at: &str,
    wanted: Split,
    own: Option<SplitName>,
    notes: &mut Notes,
) -> Result<Found> {
    let folders = tree.folders(at)?;
    let mut splits = Splits::of_folders(&folders);
    let full: Vec<String>;
    if splits.is_empty() && own.is_none() && Splits::may_be_wider(&folders) {
        full = holding_images(tree, at, &folders)?;
        splits = Splits::of_wider(&full, &tree.shown(at))?;
    }
    if splits.is_empty() {
        return Ok(Found::NoSplits);
    }
    for other in folders.iter().filter(|name| !splits.holds(name)) {
        if tree.holds_images(&join(at, other))? {
            if own.is_some() {
                return Ok(Found::NoSplits);
            }
            let problem = format!(
                "{} looks like a split, and the folder `{other}` with images lies beside it",
                splits.shown()
            );
            return Err(Error::mismatch(tree.shown(at), problem).remedy(
                "name the folder that is meant; where these are class folders, put them into a folder of their own called train",
            ));
        }
    }
    let Some(choice) = splits.choose(wanted, &tree.shown(at))? else { return Ok(Found::Missing) };
    let path = join(at, choice.names[0]);
    notes.say(said(&tree.shown(at), &format!("`{}`", choice.names[0]), choice.split, wanted));
    Ok(Found::Root(Root { path: folder_of_classes(tree, &path, notes)?, split: Some(choice.split) }))
}

/// The folders among `names` at `at` that hold images.
fn holding_images(tree: &impl Tree, at: &str, names: &[String]) -> Result<Vec<String>> {
    let mut full = Vec::new();
    for name in names {
        if tree.holds_images(&join(at, name))? {
            full.push(name.clone());
        }
    }
    Ok(full)
}

/// Which split is used for what.
pub(super) fn said(root: &str, names: &str, split: SplitName, wanted: Split) -> String {
    match (split, wanted) {
        (SplitName::Test, Split::Val) => {
            format!("{root}: {names} is used as the validation split, since there is no other")
        }
        _ => format!("{root}: {names} is the {}", split.text()),
    }
}

/// The only folder with images, where no image lies beside it. A folder that is called by a WordNet id is a class.
fn only_folder(tree: &impl Tree, at: &str) -> Result<Option<String>> {
    let mut only = None;
    for name in tree.folders(at)? {
        let path = join(at, &name);
        if tree.holds_images(&path)? {
            if only.is_some() || starts_with_wordnet_id(&name) {
                return Ok(None);
            }
            only = Some(path);
        }
    }
    Ok(if only.is_some() && tree.has_loose_images(at)? { None } else { only })
}

/// The folder of the class folders below `at`: `at` itself, or a single folder in it that holds several with images.
fn folder_of_classes(tree: &impl Tree, at: &str, notes: &mut Notes) -> Result<String> {
    let Some(only) = only_folder(tree, at)? else { return Ok(at.to_owned()) };
    if tree.has_loose_images(&only)? {
        return Ok(at.to_owned());
    }
    let mut classes = 0;
    for name in tree.folders(&only)? {
        classes += usize::from(tree.holds_images(&join(&only, &name))?);
        if classes == 2 {
            notes.say(format!("{}: its folders are the classes", tree.shown(&only)));
            return Ok(only);
        }
    }
    Ok(at.to_owned())
}

/// Whether a name begins with a WordNet id: `n01440764`, `n01440764_tench`.
pub(super) fn starts_with_wordnet_id(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.len() >= 9
        && bytes[0] == b'n'
        && bytes[1..9].iter().all(u8::is_ascii_digit)
        && bytes.get(9).is_none_or(|b| !b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Images by their paths.
    struct Paths(&'static [&'static str]);

    impl Tree for Paths {
        fn folders(&self, at: &str) -> Result<Vec<String>> {
            let prefix = if at.is_empty() { String::new() } else { format!("{at}/") };
            let below = self.0.iter().filter_map(|path| path.strip_prefix(prefix.as_str()));
            let names = below.filter_map(|path| path.split_once('/')).map(|(name, _)| name.to_owned());
            Ok(names.collect::<std::collections::BTreeSet<_>>().into_iter().collect())
        }

        fn holds_images(&self, at: &str) -> Result<bool> {
            Ok(self.0.iter().any(|path| path.starts_with(&format!("{at}/"))))
        }

        fn has_loose_images(&self, at: &str) -> Result<bool> {
            let prefix = if at.is_empty() { String::new() } else { format!("{at}/") };
            Ok(self.0.iter().any(|path| path.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('/'))))
        }

        fn shown(&self, at: &str) -> String {
            join("d", at)
        }
    }

    fn root(
        paths: &'static [&'static str],
        wanted: Split,
    ) -> Result<Option<(String, Option<SplitName>)>, String> {
        let found = find_root(&Paths(paths), wanted, None, &mut Notes::default());
        found.map(|root| root.map(|root| (root.path, root.split))).map_err(|e| e.to_string())
    }

    #[test]
    fn splits_are_found_at_the_top_or_in_the_only_folder() {
        let at = |path: &str, split| Ok(Some((path.to_owned(), split)));
        let (train, val, test) = (Some(SplitName::Train), Some(SplitName::Validation), Some(SplitName::Test));
        for (paths, of_train, of_val) in [
            (&["Train/a/1", "Train/b/1", "Val/a/1"][..], at("Train", train), at("Val", val)),
            (
                &["set/training/a/1", "set/validation/a/1"],
                at("set/training", train),
                at("set/validation", val),
            ),
            (&["train/a/1", "dev/a/1"], at("train", train), at("dev", val)),
            (&["train/a/1", "test/a/1"], at("train", train), at("test", test)),
            (&["train/a/1", "test/a/1", "valid/a/1"], at("train", train), at("valid", val)),
            (&["my-train/a/1", "my-val/a/1"], at("my-train", train), at("my-val", val)),
            (&["set/train (1)/a/1", "set/val (1)/a/1"], at("set/train (1)", train), at("set/val (1)", val)),
            (&["bullet_train/1", "car/1"], at("", None), at("", None)),
            (&["train/a/1"], at("train", train), Ok(None)),
            (&["val/a/1"], Ok(None), at("val", val)),
            (&["a/1", "b/1"], at("", None), at("", None)),
            (&["1", "2"], at("", None), at("", None)),
            (&["d/a/1", "d/b/1"], at("d", None), at("d", None)),
            (&["train/train/a/1", "train/train/b/1"], at("train/train", train), Ok(None)),
            (&["cats/2021/1"], at("", None), at("", None)),
            (&["n02124075/x/1", "n02124075/y/1"], at("", None), at("", None)),
        ] {
            assert_eq!(root(paths, Split::Train), of_train, "{paths:?}");
            assert_eq!(root(paths, Split::Val), of_val, "{paths:?}");
        }
    }

    #[test]
    fn what_could_be_meant_in_two_ways_is_refused_by_name() {
        for (paths, words) in [
            (&["train/a/1", "training/a/1"][..], &["`train`", "`training`"][..]),
            (&["train/a/1", "apple/1", "val/a/1"], &["`apple`", "`train`"]),
            (&["x_train/a/1", "apple/1", "x_val/a/1"], &["`apple`", "`x_train`"]),
            (&["bullet_train/1", "test_tube/1"], &["`bullet_train`", "`test_tube`"]),
        ] {
            let error = root(paths, Split::Train).unwrap_err();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
        let error = root(&["train/a/1", "val/a/1", "valid/a/1"], Split::Val).unwrap_err();
        assert!(error.contains("`val` and `valid`"), "{error}");
    }

    #[test]
    fn within_a_split_a_folder_that_is_called_like_one_is_a_class() {
        let paths = Paths(&["apple/1", "train/1"]);
        let found = find_root(&paths, Split::Train, Some(SplitName::Train), &mut Notes::default()).unwrap();
        assert_eq!(found, Some(Root { path: String::new(), split: None }));
    }
}
