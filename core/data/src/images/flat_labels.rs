//! Classes of images that lie flat, from the label files that public data sets bring: ImageNet's `val/` as it unpacks,
//! and Tiny ImageNet's.
//!
//! What the numbers of a file mean is decided by what it is, never guessed: the development kit's ground truth counts
//! ILSVRC ids, which are in another order than the WordNet ids that networks are trained by.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::classes::ClassSpace;
use crate::images::names::Names;
use crate::images::root::starts_with_wordnet_id;
use ferkd_method::error::{Error, IoContext, Result};

/// What is known of the classes of flat images.
#[derive(Debug)]
pub(super) enum FlatLabels {
    /// No label file lies there.
    None,
    /// One does, and does not say the classes: why, and what to do.
    Unusable(String),
    /// The class of each image, and the file that says it.
    Known { classes: Vec<String>, file: PathBuf },
}

/// Images of ImageNet's validation set, and so the lines of its lists.
const VALIDATION_IMAGES: usize = 50_000;
/// Classes of ImageNet-1K.
const CLASSES: u32 = 1000;

/// A WordNet id a line, in the order of the images' numbers.
const SYNSETS: &str = "imagenet_2012_validation_synset_labels.txt";
/// Kaggle's table: `ILSVRC2012_val_00048981,n03995372 85 1 499 272`.
const KAGGLE: &str = "LOC_val_solution.csv";
/// Tables of a name and a class a line: Caffe's and timm's of ImageNet, Tiny ImageNet's own.
const TABLES: [&str; 3] = ["val_map.txt", "val.txt", "val_annotations.txt"];
/// An ILSVRC id a line, in the order of the images' numbers.
const GROUND_TRUTH: &str = "ILSVRC2012_validation_ground_truth.txt";
/// `n02119789 1 kit_fox`: which WordNet id an ILSVRC id is.
const ILSVRC_IDS: &str = "map_clsloc.txt";
/// Where these lie, beside the images or in the development kit beside them.
const BELOW: [&str; 3] = ["", "ILSVRC2012_devkit_t12/data", "devkit/data"];

/// What to do about ImageNet's flat `val/`.
pub(super) const HINT: &str = "put the list of their classes beside them: imagenet_2012_validation_synset_labels.txt (a \
                               WordNet id a line), Kaggle's LOC_val_solution.csv or a val_map.txt of names and WordNet \
                               ids; or sort them into class folders, as torchvision and valprep.sh do";

/// Number of an image of ImageNet's validation set, from 1.
fn validation_number(name: &str) -> Option<usize> {
    let digits = base(name).strip_prefix("ILSVRC2012_val_")?.get(..8)?;
    digits.parse().ok().filter(|number| (1..=VALIDATION_IMAGES).contains(number))
}

fn base(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Whether the images are those of ImageNet's validation set, by their names.
pub(super) fn is_imagenet_validation(names: &Names) -> bool {
    names.len() > 0 && names.iter().all(|name| validation_number(name).is_some())
}

/// Looks for the classes of `names` in the label files in `folders`, and in the development kit there.
///
/// # Errors
/// A label file that cannot be read, is damaged, or lacks an image.
pub(super) fn find(names: &Names, folders: &[&Path]) -> Result<FlatLabels> {
    let place = |file: &str| {
        let places = folders.iter().flat_map(|folder| BELOW.iter().map(move |below| folder.join(below)));
        places.map(|folder| folder.join(file)).find(|path| path.is_file())
    };
    let imagenet = is_imagenet_validation(names);
    if imagenet && let Some(file) = place(SYNSETS) {
        let lines = lines(&file)?;
        check_count(&file, lines.len())?;
        if let Some(at) = lines.iter().position(|line| !is_wordnet_id(line)) {
            return Err(damaged(&file, at, "no WordNet id"));
        }
        return Ok(labels_in(names.iter().map(|name| of_number(name, &lines)), file));
    }
    if imagenet && let Some(file) = place(KAGGLE) {
        let rows = rows(&file, |line| line.split_once(','))?;
        return by_table(names, file, rows);
    }
    let mut unusable = FlatLabels::None;
    for table in TABLES {
        let Some(file) = place(table) else { continue };
        // Only ImageNet's images are looked for in files that may be called so for other reasons.
        if !imagenet && table != "val_annotations.txt" {
            continue;
        }
        let rows = rows(&file, |line| line.split_once([' ', '\t', ',']))?;
        match by_table(names, file, rows)? {
            FlatLabels::None => {}
            unusable_file @ FlatLabels::Unusable(_) => unusable = unusable_file,
            known => return Ok(known),
        }
    }
    match place(GROUND_TRUTH).filter(|_| imagenet) {
        Some(file) => by_ground_truth(names, file, place(ILSVRC_IDS)),
        None => Ok(unusable),
    }
}

fn labels_in(classes: impl Iterator<Item = String>, file: PathBuf) -> FlatLabels {
    FlatLabels::Known { classes: classes.collect(), file }
}

/// What the line of an image's number says.
fn of_number(name: &str, lines: &[String]) -> String {
    let number = validation_number(name).unwrap_or_default();
    number.checked_sub(1).and_then(|at| lines.get(at)).cloned().unwrap_or_default()
}

/// A table from names to classes, which are WordNet ids or numbers from 0 in their order.
fn by_table(names: &Names, file: PathBuf, rows: Vec<(String, String)>) -> Result<FlatLabels> {
    let numbers: Option<Vec<u32>> = rows.iter().map(|(_, class)| class.parse().ok()).collect();
    let classes: Vec<String> = match numbers {
        Some(numbers) if rows.is_empty() || numbers.iter().any(|&n| n > CLASSES) => {
            let problem = format!("the numbers in {} are not classes; ", file.display());
            return Ok(FlatLabels::Unusable(problem + HINT));
        }
        // Numbers from 0 count WordNet ids in their order: ILSVRC ids begin at 1.
        Some(numbers) if numbers.contains(&0) && !numbers.contains(&CLASSES) => {
            let ids = ClassSpace::imagenet().ids;
            numbers.iter().map(|&n| ids.get(n as usize).cloned().unwrap_or_default()).collect()
        }
        Some(_) => {
            let problem = format!(
                "whether the numbers in {} are ILSVRC ids or count WordNet ids from 1 cannot be known; ",
                file.display()
            );
            return Ok(FlatLabels::Unusable(problem + HINT));
        }
        None => match rows.iter().position(|(_, class)| !is_wordnet_id(class)) {
            Some(at) => return Err(damaged(&file, at, "neither a WordNet id nor a number")),
            None => rows.iter().map(|(_, class)| class.clone()).collect(),
        },
    };
    let stem = |name: &str| name.split('.').next().unwrap_or(name).to_owned();
    let table: HashMap<String, String> = rows.iter().map(|(name, _)| stem(base(name))).zip(classes).collect();
    let found: Option<Vec<String>> = names.iter().map(|name| table.get(&stem(base(name))).cloned()).collect();
    match found {
        Some(classes) => Ok(FlatLabels::Known { classes, file }),
        None => {
            let missing =
                names.iter().find(|name| !table.contains_key(&stem(base(name)))).unwrap_or_default();
            Err(Error::damaged(&file, format!("it does not name the image `{missing}`"))
                .remedy("bring the whole list, or move it away"))
        }
    }
}

/// The development kit's ground truth, which takes the table of ILSVRC ids to be understood.
fn by_ground_truth(names: &Names, file: PathBuf, ids: Option<PathBuf>) -> Result<FlatLabels> {
    let Some(ids) = ids else {
        let problem = format!(
            "{} holds ILSVRC ids, which are in another order than WordNet ids, and no {ILSVRC_IDS} beside it says which \
             is which; ",
            file.display()
        );
        return Ok(FlatLabels::Unusable(problem + HINT));
    };
    let mut wordnet = HashMap::new();
    for (at, line) in lines(&ids)?.iter().enumerate() {
        let mut words = line.split_whitespace();
        match (words.next().filter(|id| is_wordnet_id(id)), words.next().and_then(|n| n.parse::<u32>().ok()))
        {
            (Some(id), Some(number)) => wordnet.insert(number, id.to_owned()),
            _ => return Err(damaged(&ids, at, "no WordNet id and number")),
        };
    }
    let numbers = lines(&file)?;
    check_count(&file, numbers.len())?;
    let class = |(at, line): (usize, &String)| {
        let id = line.parse().ok().and_then(|number: u32| wordnet.get(&number).cloned());
        id.ok_or_else(|| damaged(&file, at, "no ILSVRC id of the table beside it"))
    };
    let classes = numbers.iter().enumerate().map(class).collect::<Result<Vec<_>>>()?;
    Ok(labels_in(names.iter().map(|name| of_number(name, &classes)), file))
}

fn is_wordnet_id(text: &str) -> bool {
    text.len() == 9 && starts_with_wordnet_id(text)
}

fn check_count(file: &Path, lines: usize) -> Result<()> {
    if lines == VALIDATION_IMAGES {
        return Ok(());
    }
    Err(Error::damaged(
        file,
        format!("it has {lines} lines, and ImageNet {VALIDATION_IMAGES} validation images"),
    )
    .remedy("copy it again"))
}

fn damaged(file: &Path, at: usize, problem: &str) -> Error {
    Error::damaged(file, format!("line {}: {problem}", at + 1)).remedy("copy it again, or move it away")
}

/// The lines of a small text, without blank ones.
fn lines(file: &Path) -> Result<Vec<String>> {
    let size = std::fs::metadata(file).at(file)?.len();
    if size > 1 << 24 {
        return Err(Error::damaged(file, format!("{size} bytes are too many for a list of labels"))
            .remedy("move it away"));
    }
    let bytes = std::fs::read(file).at(file)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::damaged(file, "invalid text: expected UTF-8").remedy("copy it again"))?;
    let text = text.trim_start_matches('\u{FEFF}');
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// Name and class of each line that [`split`](str::split_once) tells apart; of what follows the name, the first word
/// is the class. A heading is passed over.
fn rows(file: &Path, split: impl Fn(&str) -> Option<(&str, &str)>) -> Result<Vec<(String, String)>> {
    let mut rows = Vec::new();
    for (at, line) in lines(file)?.iter().enumerate() {
        let class = |rest: &str| rest.split_whitespace().next().map(str::to_owned);
        match split(line).and_then(|(name, rest)| Some((name.to_owned(), class(rest)?))) {
            Some((_, class)) if at == 0 && !is_wordnet_id(&class) && class.parse::<u32>().is_err() => {}
            Some(row) => rows.push(row),
            None => return Err(damaged(file, at, "no name and class")),
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Names {
        let mut names = Names::default();
        list.iter().for_each(|name| names.push(name).unwrap());
        names
    }

    const PHOTOS: [&str; 2] = ["ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000003.JPEG"];

    /// What the first lines say, and as many others as it takes.
    fn file(folder: &Path, name: &str, first: &[&str], other: impl Fn(usize) -> String) {
        let line = |i: usize| first.get(i).map_or_else(|| other(i), |line| (*line).to_owned());
        let text: Vec<String> = (0..VALIDATION_IMAGES).map(line).collect();
        std::fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        std::fs::write(folder.join(name), text.join("\n")).unwrap();
    }

    fn classes(folder: &Path) -> Result<Vec<String>, String> {
        match find(&names(&PHOTOS), &[folder]) {
            Ok(FlatLabels::Known { classes, .. }) => Ok(classes),
            Ok(FlatLabels::Unusable(why)) => Err(why),
            Ok(FlatLabels::None) => Err("none".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Images 1 to 3 are a sea snake, an alp and a Shetland sheepdog: WordNet ids, and their numbers in either order.
    #[test]
    fn each_list_of_imagenets_classes_gives_the_same() {
        let truth = Ok(vec!["n01751748".to_owned(), "n02105855".to_owned()]);
        let at = |list: &str| {
            let at = tempfile::tempdir().unwrap();
            let rows = |i: usize, class: &str| format!("ILSVRC2012_val_{:08}.JPEG {class}", i + 1);
            match list {
                "synsets" => {
                    let first = ["n01751748", "n09193705", "n02105855"];
                    file(at.path(), SYNSETS, &first, |_| "n01440764".into());
                }
                "kaggle" => std::fs::write(
                    at.path().join(KAGGLE),
                    "ImageId,PredictionString\nILSVRC2012_val_00000003,n02105855 1 2 3 4\nILSVRC2012_val_00000001,n01751748 85 1 499 272 n01751748 1 1 2 2\n",
                )
                .unwrap(),
                "caffe" => {
                    let first = [rows(0, "65"), rows(1, "970"), rows(2, "230")];
                    let first: Vec<&str> = first.iter().map(String::as_str).collect();
                    file(at.path(), "val.txt", &first, |i| rows(i, "0"));
                }
                "wordnet map" => {
                    let first = [rows(0, "n01751748"), rows(1, "n09193705"), rows(2, "n02105855")];
                    let first: Vec<&str> = first.iter().map(String::as_str).collect();
                    file(at.path(), "val_map.txt", &first, |i| rows(i, "n01440764"));
                }
                _ => {
                    let name = format!("ILSVRC2012_devkit_t12/data/{GROUND_TRUTH}");
                    file(at.path(), &name, &["490", "361", "171"], |_| "1".into());
                    let ids = "n02119789 1 kit_fox\nn02105855 171 Shetland_sheepdog\nn09193705 361 alp\nn01751748 490 sea_snake\n";
                    std::fs::write(at.path().join(ILSVRC_IDS), ids).unwrap();
                }
            }
            classes(at.path())
        };
        for list in ["synsets", "kaggle", "caffe", "wordnet map", "development kit"] {
            assert_eq!(at(list), truth, "{list}");
        }
    }

    #[test]
    fn numbers_that_could_mean_two_things_are_not_guessed() {
        let at = tempfile::tempdir().unwrap();
        assert_eq!(classes(at.path()), Err("none".into()));
        file(at.path(), GROUND_TRUTH, &["490"], |_| "1".into());
        let error = classes(at.path()).unwrap_err();
        assert!(error.contains("ILSVRC ids") && error.contains(SYNSETS), "{error}");
        // Numbers from 1, and running numbers as in ImageSets/CLS-LOC/val.txt.
        for last in [1000, VALIDATION_IMAGES] {
            let at = tempfile::tempdir().unwrap();
            file(at.path(), "val.txt", &[], |i| format!("ILSVRC2012_val_{:08} {}", i + 1, 1 + i % last));
            let error = classes(at.path()).unwrap_err();
            assert!(error.contains("val.txt") && error.contains("valprep.sh"), "{error}");
        }
    }

    #[test]
    fn a_label_file_that_is_cut_short_is_an_error_that_names_it() {
        let at = tempfile::tempdir().unwrap();
        std::fs::write(at.path().join(SYNSETS), "n01751748\n").unwrap();
        let error = classes(at.path()).unwrap_err();
        assert!(error.contains(SYNSETS) && error.contains("50000"), "{error}");
        let at = tempfile::tempdir().unwrap();
        std::fs::write(at.path().join(KAGGLE), "ILSVRC2012_val_00000001,n01751748 1 1 2 2\n").unwrap();
        let error = classes(at.path()).unwrap_err();
        assert!(error.contains("ILSVRC2012_val_00000003"), "{error}");
    }

    #[test]
    fn tiny_imagenets_annotations_are_read_and_other_flat_images_left_alone() {
        let at = tempfile::tempdir().unwrap();
        std::fs::write(
            at.path().join("val_annotations.txt"),
            "val_0.JPEG\tn03444034\t0\t32\t44\t62\nval_1.JPEG\tn04067472\t52\t55\t57\t59\n",
        )
        .unwrap();
        let list = names(&["images/val_0.JPEG", "images/val_1.JPEG"]);
        let FlatLabels::Known { classes, .. } = find(&list, &[at.path()]).unwrap() else { panic!() };
        assert_eq!(classes, ["n03444034", "n04067472"]);
        std::fs::write(at.path().join("val.txt"), "whatever").unwrap();
        std::fs::remove_file(at.path().join("val_annotations.txt")).unwrap();
        assert!(matches!(find(&list, &[at.path()]).unwrap(), FlatLabels::None));
    }
}
