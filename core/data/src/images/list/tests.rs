//! Folders as people have them.

use super::*;
use crate::images::folder::{Place, locate};

fn touch(root: &Path, name: &str) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, b"x").unwrap();
}

#[test]
fn class_folders_are_listed_in_a_fixed_order() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["train/b/2.png", "train/a/x/1.JPEG", "train/a/0.webp", "train/a/notes.txt", "val/a/9.png"] {
        touch(dir.path(), name);
    }
    let list = ImageList::open(dir.path(), Split::Train).unwrap();
    assert_eq!(list.folders(), ["a", "b"]);
    let names: Vec<&str> = (0..list.len()).map(|i| list.name(i)).collect();
    assert_eq!(names, ["a/0.webp", "a/x/1.JPEG", "b/2.png"]);
    assert_eq!(list.folder(2), Some(1));
    assert_eq!(list.first_without_folder(), None);
    assert_eq!([0, 1, 2].map(|i| list.class(i, &[7])), [Some(7), Some(7), None]);
    // The same images are the same list, whether their parent was named or the folder itself.
    let inner = ImageList::open(&dir.path().join("train"), Split::Train).unwrap();
    assert_eq!(list.digest(), inner.digest());
    assert_eq!(ImageList::open(dir.path(), Split::Val).unwrap().name(0), "a/9.png");
}

#[test]
fn the_first_of_each_class_are_taken_by_name() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a/2.png", "a/1.png", "a/10.png", "b/1.png"] {
        touch(dir.path(), name);
    }
    let open = |count| ImageList::open(dir.path(), Split::Train).unwrap().first_per_class(count);
    let names = |list: &ImageList| (0..list.len()).map(|i| list.name(i).to_owned()).collect::<Vec<_>>();
    let two = open(Some(2)).unwrap();
    assert_eq!(names(&two), ["a/1.png", "a/10.png", "b/1.png"]);
    assert_eq!(two.folders(), ["a", "b"]);
    assert_ne!(two.digest(), open(None).unwrap().digest());
    assert!(open(Some(0)).is_err());
}

#[test]
fn a_flat_folder_has_no_classes() {
    let dir = tempfile::tempdir().unwrap();
    touch(dir.path(), "1.png");
    let list = ImageList::open(dir.path(), Split::Train).unwrap();
    assert_eq!((list.len(), list.folder(0), list.folders().len()), (1, None, 0));
    assert_eq!(list.first_without_folder(), Some(0));
}

#[cfg(unix)]
#[test]
fn strangers_and_empty_folders_are_no_classes_and_are_said_once() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    for name in [
        "a/1.png",
        "b/2.png",
        "__MACOSX/a/._1.png",
        "a/@eaDir/1.png/T.jpg",
        "LICENSE",
        "Thumbs.db",
        "a/x.idx",
    ] {
        touch(dir.path(), name);
    }
    touch(dir.path(), "empty/notes.txt");
    std::fs::create_dir(dir.path().join("n01440764")).unwrap();
    std::os::unix::fs::symlink("/gone.png", dir.path().join("b/gone.png")).unwrap();
    std::fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"\xFF.png")), b"x").unwrap();
    // A photo without an ending is one by its first bytes.
    std::fs::write(dir.path().join("a/photo"), b"\xFF\xD8\xFF\xE0").unwrap();
    let list = ImageList::open(dir.path(), Split::Train).unwrap();
    let names: Vec<&str> = (0..list.len()).map(|i| list.name(i)).collect();
    assert_eq!((names, list.folders().len()), (vec!["a/1.png", "a/photo", "b/2.png"], 2));
    let said = list.notices().join(" ");
    for text in [
        "2 folders without images (`empty`, `n01440764`)",
        "`a/@eaDir`",
        "`LICENSE`",
        "`a/x.idx`",
        "1 link to a file that is not there (`b/gone.png`)",
        "1 name that is not UTF-8",
    ] {
        assert!(said.contains(text), "no {text} in {said}");
    }
}

#[test]
fn splits_of_any_usual_name_are_told_apart() {
    for (train, val) in [("Train", "Val"), ("TRAINING", "valid"), ("training", "dev"), ("train", "test")] {
        let dir = tempfile::tempdir().unwrap();
        for name in [format!("{train}/a/1.png"), format!("{train}/b/1.png"), format!("{val}/a/9.png")] {
            touch(dir.path(), &name);
        }
        let list = ImageList::open(dir.path(), Split::Train).unwrap();
        assert_eq!((list.len(), list.folders()), (2, &["a".to_owned(), "b".to_owned()][..]), "{train}");
        assert!(list.notices()[0].contains(&format!("`{train}` is the training split")));
        let half = ImageList::open_half(dir.path(), Split::Val).unwrap().found().unwrap();
        assert_eq!(half.name(0), "a/9.png", "{val}");
        assert!(half.notices()[0].contains(&format!("`{val}` is ")), "{:?}", half.notices());
    }
}

#[test]
fn a_test_split_without_classes_is_not_validated_on_and_splits_alone_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    touch(dir.path(), "train/a/1.png");
    touch(dir.path(), "test/1.png");
    let Half::PassedOver(why) = ImageList::open_half(dir.path(), Split::Val).unwrap() else { panic!("used") };
    assert!(why.contains("test: a test split whose 1 images have no classes"), "{why}");
    std::fs::remove_dir_all(dir.path().join("train")).unwrap();
    let error = ImageList::open(dir.path(), Split::Train).unwrap_err().to_string();
    assert!(error.contains("no training split"), "{error}");
    touch(dir.path(), "train/a/1.png");
    touch(dir.path(), "apple/1.png");
    let error = ImageList::open(dir.path(), Split::Train).unwrap_err().to_string();
    assert!(error.contains("`apple`"), "{error}");
    // Within the training split, `train` is a class.
    touch(dir.path(), "cifar/train/apple/1.png");
    touch(dir.path(), "cifar/train/train/1.png");
    let list = ImageList::open(&dir.path().join("cifar"), Split::Train).unwrap();
    assert_eq!(list.folders(), ["apple", "train"]);
    assert_eq!(ImageList::open(&dir.path().join("cifar/train"), Split::Train).unwrap().len(), 2);
}

#[test]
fn imagenets_flat_validation_images_get_their_classes_from_a_list_beside_them() {
    let dir = tempfile::tempdir().unwrap();
    touch(dir.path(), "train/n01440764/1.png");
    for name in ["val/ILSVRC2012_val_00000001.JPEG", "val/ILSVRC2012_val_00000002.JPEG"] {
        touch(dir.path(), name);
    }
    let open = || ImageList::open(dir.path(), Split::Val).unwrap();
    let error = open().check_classes().unwrap_err().to_string();
    assert!(error.contains("imagenet_2012_validation_synset_labels.txt"), "{error}");
    let rows = "ILSVRC2012_val_00000002,n01440764 1 2 3 4\nILSVRC2012_val_00000001,n01751748 1 2 3 4\n";
    std::fs::write(dir.path().join("LOC_val_solution.csv"), rows).unwrap();
    let list = open();
    list.check_classes().unwrap();
    assert_eq!(list.folders(), ["n01440764", "n01751748"]);
    assert_eq!((list.folder(0), list.folder(1), list.first_without_folder()), (Some(1), Some(0), None));
    assert!(list.notices().join(" ").contains("LOC_val_solution.csv"), "{:?}", list.notices());
}

#[test]
fn empty_missing_and_mixed_folders_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    assert!(ImageList::open(dir.path(), Split::Train).is_err());
    assert!(ImageList::open(&dir.path().join("none"), Split::Train).is_err());
    touch(dir.path(), "a/1.png");
    touch(dir.path(), "2.png");
    let error = ImageList::open(dir.path(), Split::Train).unwrap_err().to_string();
    assert!(error.contains("2.png"), "{error}");
}

#[test]
fn a_split_may_be_packed_beside_another_ones_folder() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    for name in ["train/a/1.png", "train/b/1.png", "val.tar", "train.tar", "ILSVRC2012_devkit_t12.tar.gz"] {
        touch(at, name);
    }
    let places = |split| locate(at, split, &mut Notes::default()).unwrap().map(|found| found.place);
    assert_eq!(places(Split::Val), Some(Place::Archives(vec![at.join("val.tar")])));
    assert_eq!(places(Split::Train), Some(Place::Folder(at.join("train"))));
    // What is there unpacked as well is passed over, and said.
    let said = ImageList::open(at, Split::Train).unwrap().notices().join(" ");
    assert!(said.contains("1 archive beside the splits' folders (`train.tar`)"), "{said}");
    // A test split stands in for a validation split that is not there; packed, it is there.
    touch(at, "test/a/1.png");
    assert_eq!(places(Split::Val), Some(Place::Archives(vec![at.join("val.tar")])));
    touch(at, "val/a/1.png");
    assert_eq!(places(Split::Val), Some(Place::Folder(at.join("val"))));
    std::fs::remove_dir_all(at.join("train")).unwrap();
    assert_eq!(places(Split::Train), Some(Place::Archives(vec![at.join("train.tar")])));
}

#[test]
#[cfg(target_os = "linux")]
fn class_folders_that_are_the_same_text_are_no_two_classes() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["Caf\u{e9}/1.png", "Tea/1.png", "Cafe\u{301}/2.png"] {
        touch(dir.path(), name);
    }
    let error = ImageList::open(dir.path(), Split::Train).unwrap_err().to_string();
    assert!(error.contains("two of its class folders") && error.contains("NFC and NFD"), "{error}");
}

#[test]
#[cfg(unix)]
fn what_could_be_read_for_ever_is_no_image() {
    let dir = tempfile::tempdir().unwrap();
    touch(dir.path(), "a/1.png");
    touch(dir.path(), "b/1.png");
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("a/2.png")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", dir.path().join("b/zero.jpg")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", dir.path().join("b/README")).unwrap();
    let list = ImageList::open(dir.path(), Split::Train).unwrap();
    let said = list.notices().join(" ");
    assert_eq!(list.len(), 2);
    assert!(said.contains("3 pipes, sockets or devices (`a/2.png`, `b/README`, `b/zero.jpg`)"), "{said}");
}
