//! The splits of an image set, and which names mean which of them: one place for folders and archives.

use ferkd_method::error::{Error, Result};

/// Which part of an image set is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// The images to train on or to label: `IMAGES/train` where splits are told apart, else IMAGES.
    Train,
    /// The images to evaluate on: `IMAGES/val`, else `IMAGES/test`, where splits are told apart, else IMAGES.
    Val,
}

/// What a name says of the images below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SplitName {
    Train,
    Validation,
    Test,
}

/// Words that name a split, in lower case.
const WORDS: [(&str, SplitName); 16] = [
    ("train", SplitName::Train),
    ("training", SplitName::Train),
    ("trainset", SplitName::Train),
    ("trainingset", SplitName::Train),
    ("val", SplitName::Validation),
    ("valid", SplitName::Validation),
    ("validation", SplitName::Validation),
    ("valset", SplitName::Validation),
    ("validationset", SplitName::Validation),
    ("dev", SplitName::Validation),
    ("devset", SplitName::Validation),
    ("eval", SplitName::Validation),
    ("evaluation", SplitName::Validation),
    ("test", SplitName::Test),
    ("testing", SplitName::Test),
    ("testset", SplitName::Test),
];

fn word(text: &str) -> Option<SplitName> {
    WORDS.iter().find(|(word, _)| *word == text).map(|&(_, split)| split)
}

impl SplitName {
    /// What a folder's whole name says: `Train`, `valid`, `val2017`, `train_set`, `ILSVRC2012_img_val`. A class such
    /// as `bullet_train` is no split.
    pub(super) fn of_folder(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let own = match name.split_once("_img_") {
            Some((set, rest)) if set.starts_with("ilsvrc") => rest,
            _ => &name,
        };
        let own = own.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '-' | '_' | ' '));
        let letters: String = own.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).collect();
        word(&letters)
    }

    /// What a word anywhere in a folder's name says, and the words beside it: `imagenet_train`, `val (1)`. Only beside
    /// its counterpart is such a folder a split: see [`Splits::of_wider`].
    fn within_folder(name: &str) -> Option<(Self, String)> {
        let lower = name.to_ascii_lowercase();
        let words = || lower.split(|c: char| !c.is_ascii_alphabetic()).filter(|part| !part.is_empty());
        let mut said = words().filter_map(word);
        let split = said.next().filter(|_| said.next().is_none())?;
        Some((split, words().filter(|part| word(part).is_none()).collect::<Vec<_>>().join(" ")))
    }

    /// What a word anywhere in an archive's name says: `imagenet1k-validation-07.tar`, `train0001.tar`.
    ///
    /// # Errors
    /// Words of two splits.
    pub(super) fn of_archive(name: &str) -> Result<Option<Self>> {
        let lower = name.to_ascii_lowercase();
        let mut said = lower.split(|c: char| !c.is_ascii_alphabetic()).filter_map(word);
        let first = said.next();
        if said.any(|other| Some(other) != first) {
            return Err(Error::mismatch(name, "its name speaks of two splits")
                .remedy("put it into a folder that is called train or val"));
        }
        Ok(first)
    }

    /// What it is called in messages.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Train => "training split",
            Self::Validation => "validation split",
            Self::Test => "test split",
        }
    }
}

/// The splits that lie beside each other, with what belongs to each.
#[derive(Debug, Default)]
pub(super) struct Splits<'a> {
    found: Vec<(SplitName, &'a str)>,
    /// Whether archives of a split go together, by the word in their names.
    go_together: bool,
}

/// Which of the splits is meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Choice<'a> {
    /// What its name says; the test split stands in for a validation split that is not there.
    pub(super) split: SplitName,
    /// The folder, or the archives.
    pub(super) names: Vec<&'a str>,
}

impl<'a> Splits<'a> {
    /// The folders among `names` that are splits.
    pub(super) fn of_folders(names: &'a [String]) -> Self {
        let found = names.iter().filter_map(|name| Some((SplitName::of_folder(name)?, name.as_str())));
        Self { found: found.collect(), go_together: false }
    }

    /// The folders among `names` that a word says to be splits of the same thing: `imagenet_train` beside
    /// `imagenet_val`, `train_data` beside `valid_data`. A class such as `bullet_train` has no such counterpart.
    ///
    /// # Errors
    /// Names that all say a split, and not of the same thing: classes or splits, which cannot be told. `root` is where they
    /// lie.
    pub(super) fn of_wider(names: &'a [String], root: &str) -> Result<Self> {
        let said: Vec<_> = names
            .iter()
            .filter_map(|name| {
                let (split, beside) = SplitName::within_folder(name)?;
                Some((split, beside, name.as_str()))
            })
            .collect();
        let is_other = |a: SplitName, b: SplitName| (a == SplitName::Train) != (b == SplitName::Train);
        let has_counterpart = |(split, beside, _): &&(SplitName, String, &str)| {
            said.iter().any(|(other, theirs, _)| is_other(*split, *other) && beside == theirs)
        };
        let found: Vec<_> =
            said.iter().filter(has_counterpart).map(|(split, _, name)| (*split, *name)).collect();
        if found.is_empty()
            && !said.is_empty()
            && said.len() == names.len()
            && let Some((_, _, other)) = said.iter().find(|(split, ..)| is_other(said[0].0, *split))
        {
            let problem = format!("`{}` and `{other}` may be splits or classes", said[0].2);
            return Err(Error::mismatch(root, problem).remedy(
                "call splits train and val; put class folders into a folder of their own called train",
            ));
        }
        Ok(Self { found, go_together: false })
    }

    /// Whether a word says a split in two of `names` at least: a glance before folders are looked into.
    pub(super) fn may_be_wider(names: &[String]) -> bool {
        names.iter().filter(|name| SplitName::within_folder(name).is_some()).nth(1).is_some()
    }

    /// The archives among `names` whose names say a split.
    ///
    /// # Errors
    /// A name that says two.
    pub(super) fn of_archives(names: &'a [String]) -> Result<Self> {
        let said = |name: &'a String| Ok(SplitName::of_archive(name)?.map(|split| (split, name.as_str())));
        let found = names.iter().map(said).collect::<Result<Vec<_>>>()?;
        Ok(Self { found: found.into_iter().flatten().collect(), go_together: true })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Whether `name` is one of them.
    pub(super) fn holds(&self, name: &str) -> bool {
        self.found.iter().any(|(_, found)| *found == name)
    }

    /// Whether there is a split of this kind.
    pub(super) fn has(&self, split: SplitName) -> bool {
        self.found.iter().any(|(found, _)| *found == split)
    }

    /// All of them, for messages: `Train`, `Val`.
    pub(super) fn shown(&self) -> String {
        let mut names: Vec<String> = self.found.iter().take(4).map(|(_, name)| format!("`{name}`")).collect();
        if self.found.len() > 4 {
            names.push("...".into());
        }
        names.join(", ")
    }

    /// The one that is meant by `wanted`; none where it is not there. Archives of a split share a spelling, so that
    /// two spellings are two splits, as two folders are.
    ///
    /// # Errors
    /// Two splits that could be meant, by name; `root` is where they lie.
    pub(super) fn choose(&self, wanted: Split, root: &str) -> Result<Option<Choice<'a>>> {
        let kinds = match wanted {
            Split::Train => &[SplitName::Train][..],
            // The test split is evaluated on where there is no other, as people with train/ and test/ expect.
            Split::Val => &[SplitName::Validation, SplitName::Test],
        };
        let Some(&split) = kinds.iter().find(|kind| self.has(**kind)) else { return Ok(None) };
        let names: Vec<&str> =
            self.found.iter().filter(|(kind, _)| *kind == split).map(|(_, name)| *name).collect();
        let spelling = |name: &'a str| if self.go_together { spelling(name) } else { name };
        let other = names.iter().find(|name| spelling(name) != spelling(names[0]));
        if let Some(other) = other {
            let problem = format!("`{}` and `{other}` both are called like the {}", names[0], split.text());
            return Err(Error::mismatch(root, problem)
                .remedy("name the one that is meant, or move the other out of the folder"));
        }
        Ok(Some(Choice { split, names }))
    }
}

/// How an archive's name says its split: the word in it as it is written.
fn spelling(name: &str) -> &str {
    let mut words = name.split(|c: char| !c.is_ascii_alphabetic());
    words.find(|text| word(&text.to_ascii_lowercase()).is_some()).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use SplitName::{Test, Train, Validation};

    #[test]
    fn the_usual_names_of_folders_in_any_case() {
        for (name, split) in [
            ("train", Some(Train)),
            ("Train", Some(Train)),
            ("TRAIN", Some(Train)),
            ("training", Some(Train)),
            ("train_set", Some(Train)),
            ("train2017", Some(Train)),
            ("train-256", Some(Train)),
            ("ILSVRC2012_img_train", Some(Train)),
            ("val", Some(Validation)),
            ("Valid", Some(Validation)),
            ("validation", Some(Validation)),
            ("dev", Some(Validation)),
            ("eval", Some(Validation)),
            ("ILSVRC2012_img_val", Some(Validation)),
            ("test", Some(Test)),
            ("Testing", Some(Test)),
            ("bullet_train", None),
            ("trainval", None),
            ("n02917067", None),
            ("test_tube", None),
            ("devkit", None),
            ("valley", None),
            ("1", None),
            ("", None),
        ] {
            assert_eq!(SplitName::of_folder(name), split, "{name}");
        }
    }

    #[test]
    fn the_usual_names_of_archives_at_any_position() {
        for (name, split) in [
            ("train.tar", Some(Train)),
            ("train-0001.tar", Some(Train)),
            ("train0001.tar", Some(Train)),
            ("imagenet-train-000012.tar", Some(Train)),
            ("imagenet1k-train-0000.tar", Some(Train)),
            ("ILSVRC2012_img_train.tar", Some(Train)),
            ("Imagenet.Training.7.tar", Some(Train)),
            ("000012-train.tar", Some(Train)),
            ("imagenet1k-validation-07.tar", Some(Validation)),
            ("imagenet-val-000001.tar", Some(Validation)),
            ("dev_3.tar", Some(Validation)),
            ("cifar-test.tar", Some(Test)),
            ("ILSVRC2012_devkit_t12.tar.gz", None),
            ("n01440764.tar", None),
            ("shard-000000.tar", None),
        ] {
            assert_eq!(SplitName::of_archive(name).unwrap(), split, "{name}");
        }
        let error = SplitName::of_archive("dev-train-0.tar").unwrap_err().to_string();
        assert!(error.contains("dev-train-0.tar") && error.contains("two splits"), "{error}");
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_validation_split_comes_before_a_test_split_and_two_of_a_kind_are_refused() {
        let choose = |names: &[&str], wanted| {
            let names = owned(names);
            let choice = Splits::of_folders(&names).choose(wanted, "d");
            choice.map(|c| c.map(|c| c.names[0].to_owned())).map_err(|e| e.to_string())
        };
        assert_eq!(choose(&["Test", "Train", "Val"], Split::Val), Ok(Some("Val".into())));
        assert_eq!(choose(&["Test", "Train", "Val"], Split::Train), Ok(Some("Train".into())));
        assert_eq!(choose(&["test", "train"], Split::Val), Ok(Some("test".into())));
        assert_eq!(choose(&["train"], Split::Val), Ok(None));
        let error = choose(&["train", "val", "valid"], Split::Val).unwrap_err();
        assert!(error.contains("d: `val` and `valid`"), "{error}");
        assert!(choose(&["Train", "train"], Split::Train).is_err());
        assert!(choose(&["train", "training"], Split::Train).is_err());
    }

    #[test]
    fn a_word_in_a_name_is_a_split_beside_its_counterpart_alone() {
        for (names, expected) in [
            (&["imagenet_train", "imagenet_val"][..], &["imagenet_train", "imagenet_val"][..]),
            (&["test_images", "train_images", "val_images"], &["test_images", "train_images", "val_images"]),
            (&["My-Train", "my-val"], &["My-Train", "my-val"]),
            (&["train_data", "valid_data"], &["train_data", "valid_data"]),
            (&["train (1)", "val (1)"], &["train (1)", "val (1)"]),
            (&["imagenet_train", "imagenet_val", "other"], &["imagenet_train", "imagenet_val"]),
            (&["bullet_train", "car"], &[]),
            (&["bullet_train", "test_tube", "car"], &[]),
            (&["freight_train", "bullet_train"], &[]),
            (&["cat", "dog"], &[]),
            (&["train-test"], &[]),
            (&[], &[]),
        ] {
            let names = owned(names);
            let splits = Splits::of_wider(&names, "d").unwrap();
            assert_eq!(splits.found.iter().map(|(_, name)| *name).collect::<Vec<_>>(), expected, "{names:?}");
        }
        let (unlike, two) =
            (owned(&["bullet_train", "test_tube"]), owned(&["a_train", "b_train", "a_val", "b_val"]));
        let error = Splits::of_wider(&unlike, "d").unwrap_err().to_string();
        assert!(error.contains("d: `bullet_train` and `test_tube` may be splits or classes"), "{error}");
        let error = Splits::of_wider(&two, "d").unwrap().choose(Split::Train, "d").unwrap_err().to_string();
        assert!(error.contains("`a_train` and `b_train` both"), "{error}");
    }

    #[test]
    fn archives_of_a_split_go_together_and_two_spellings_do_not() {
        let names = owned(&["x-train-0.tar", "x-train-1.tar", "x-val-0.tar"]);
        let splits = Splits::of_archives(&names).unwrap();
        let choice = splits.choose(Split::Train, "d").unwrap().unwrap();
        assert_eq!(choice.names, ["x-train-0.tar", "x-train-1.tar"]);
        let names = owned(&["val-0.tar", "validation-0.tar"]);
        let error = Splits::of_archives(&names).unwrap().choose(Split::Val, "d").unwrap_err().to_string();
        assert!(error.contains("val-0.tar") && error.contains("validation-0.tar"), "{error}");
    }
}
