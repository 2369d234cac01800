//! Archives as people pack them.

use super::*;
use crate::images::list::ImageList;
use crate::images::tar::tests::{archive, entry};

fn write(folder: &Path, name: &str, entries: &[Vec<u8>]) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, archive(entries)).unwrap();
    path
}

fn image(name: &str) -> Vec<u8> {
    entry(name, b'0', name.as_bytes())
}

fn names(list: &ImageList) -> Vec<&str> {
    (0..list.len()).map(|i| list.name(i)).collect()
}

fn error(path: &Path) -> String {
    ImageList::open(path, Split::Train).unwrap_err().to_string()
}

/// Every way to lay the same six images out.
#[test]
fn archives_are_the_folder_that_they_unpack_to() {
    let at = tempfile::tempdir().unwrap();
    let train = ["a-b/5.png", "a/0.png", "a/x/1.png", "b/2.png"];
    let put = |prefix: &str, names: &[&str]| {
        names.iter().map(|n| image(&format!("{prefix}{n}"))).collect::<Vec<_>>()
    };
    let whole = [put("set/train/", &train), put("set/val/", &["a/9.png"])].concat();
    write(at.path(), "one/set.tar", &whole);
    write(at.path(), "halves/train.tar", &put("", &train));
    write(at.path(), "halves/val.tar", &put("./", &["a/9.png"]));
    write(at.path(), "many/train-0.tar", &put("train/", &[train[3], train[1]]));
    write(at.path(), "many/train-1.tar", &put("train/", &[train[2], train[0]]));
    write(at.path(), "many/val-0.tar", &put("val/", &["a/9.png"]));
    write(at.path(), "inner/train/0.tar", &put("", &train[..2]));
    write(at.path(), "inner/train/1.tar", &put("", &train[2..]));
    write(at.path(), "inner/val/0.tar", &put("", &["a/9.png"]));
    for name in train {
        let path = at.path().join("folder/train").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, name).unwrap();
    }
    std::fs::create_dir_all(at.path().join("folder/val/a")).unwrap();
    std::fs::write(at.path().join("folder/val/a/9.png"), "a/9.png").unwrap();

    for layout in ["folder", "one", "one/set.tar", "halves", "many", "inner"] {
        let path = at.path().join(layout);
        let list = ImageList::open(&path, Split::Train).unwrap();
        assert_eq!(names(&list), train, "{layout}");
        assert_eq!(list.folders(), ["a", "a-b", "b"], "{layout}");
        for (i, name) in train.iter().enumerate() {
            let folder = &list.folders()[list.folder(i).unwrap() as usize];
            assert!(name.starts_with(&format!("{folder}/")));
            assert!(list.read(i).unwrap().ends_with(name.as_bytes()), "{layout}: {name}");
        }
        let half = ImageList::open_half(&path, Split::Val).unwrap().found().unwrap();
        assert_eq!(names(&half), ["a/9.png"], "{layout}");
        let fewer = list.without(["a/0.png", "a/0.webp", "zzz"]).unwrap();
        assert_eq!(names(&fewer), [train[0], train[2], train[3]]);
        assert!(fewer.read(1).unwrap().ends_with(b"a/x/1.png"));
        assert_eq!(fewer.folders()[fewer.folder(1).unwrap() as usize], "a");
    }
    let half = ImageList::open_half(&at.path().join("halves/train.tar"), Split::Val).unwrap();
    assert!(half.found().is_none(), "the training images are no validation images");
}

#[test]
fn what_lies_beside_images_is_passed_over() {
    let at = tempfile::tempdir().unwrap();
    let path = write(
        at.path(),
        "x.tar",
        &[
            image("a/1.jpg"),
            image("a/1.cls"),
            image("a/1.json"),
            image("a/._1.jpg"),
            image(".b/2.jpg"),
            image("README.md"),
            image("LICENSE"),
            image("__MACOSX/a/3.jpg"),
            image("b/2.jpg"),
            entry("c", b'5', b""),
            image("c/notes.txt"),
        ],
    );
    let list = ImageList::open(&path, Split::Train).unwrap();
    assert_eq!(
        (names(&list), list.folders()),
        (vec!["a/1.jpg", "b/2.jpg"], &["a".to_owned(), "b".to_owned()][..])
    );
    let said = list.notices().join(" ");
    for text in [
        "1 folder without images (`c`)",
        "`__MACOSX`",
        "2 files that are not images (`LICENSE`, `README.md`)",
    ] {
        assert!(said.contains(text), "{said}");
    }
}

#[test]
fn per_class_archives_of_imagenet_are_class_folders() {
    let at = tempfile::tempdir().unwrap();
    write(at.path(), "train/n01440764.tar", &[image("n01440764_2.JPEG"), image("n01440764_1.JPEG")]);
    write(at.path(), "train/n01443537.tar", &[image("n01443537_1.JPEG")]);
    let list = ImageList::open(at.path(), Split::Train).unwrap();
    assert_eq!(names(&list)[..2], ["n01440764/n01440764_1.JPEG", "n01440764/n01440764_2.JPEG"]);
    assert_eq!(list.folders().len(), 2);
    let flat = write(at.path(), "flat/any.tar", &[image("2.png"), image("1.png")]);
    let list = ImageList::open(&flat, Split::Train).unwrap();
    assert_eq!((names(&list), list.folder(0)), (vec!["1.png", "2.png"], None));
}

#[test]
fn what_cannot_be_read_by_its_place_names_archive_and_entry() {
    let at = tempfile::tempdir().unwrap();
    for (name, entries, said) in [
        ("link.tar", vec![entry("a/1.png", b'2', b"")], "dereference"),
        ("holes.tar", vec![entry("a/1.png", b'S', b"")], "--sparse"),
        ("twice.tar", vec![image("a/1.png"), image("a/2.png"), image("./a/1.png")], "stands in"),
        ("official.tar", vec![image("n01440764.tar")], "unpack it once"),
        ("loose.tar", vec![image("a/1.png"), image("1.png")], "loose"),
    ] {
        let path = write(at.path(), name, &entries);
        let text = error(&path);
        assert!(text.contains(name) && text.contains(said), "{text}");
    }
    assert!(error(&write(at.path(), "none.tar", &[image("README.md")])).contains("no image"));
    write(at.path(), "mixed/a.tar", &[image("a/1.png")]);
    std::fs::write(at.path().join("mixed/b.png"), b"x").unwrap();
    assert!(error(&at.path().join("mixed")).contains("b.png"));
}

#[test]
fn a_folder_around_the_classes_is_looked_through() {
    let at = tempfile::tempdir().unwrap();
    let path = write(at.path(), "d.tar", &[entry("d", b'5', b""), image("d/a/1.png"), image("d/b/2.png")]);
    let list = ImageList::open(&path, Split::Train).unwrap();
    assert_eq!((names(&list), list.folders().len()), (vec!["a/1.png", "b/2.png"], 2));
    assert!(list.notices()[0].contains("d: its folders are the classes"), "{:?}", list.notices());
}

#[test]
fn texts_beside_images_name_their_classes() {
    let at = tempfile::tempdir().unwrap();
    let text = |name: &str, text: &str| entry(name, b'0', text.as_bytes());
    let path = write(
        at.path(),
        "shard-0.tar",
        &[
            text("./2.x.cls", "10"),
            image("./2.x.jpg"),
            image("./3.jpg"),
            text("./3.json", "{\"label\": 2}"),
            image("./3.seg.png"),
        ],
    );
    let list = ImageList::open(&path, Split::Train).unwrap();
    assert_eq!(
        (names(&list), list.folders()),
        (vec!["2.x.jpg", "3.jpg"], &["10".to_owned(), "2".to_owned()][..])
    );
    assert_eq!((list.folder(0), list.folder(1)), (Some(0), Some(1)));
    assert!(list.read(1).unwrap().ends_with(b"3.jpg"));
    assert_eq!(list.without(["2.x.jpg"]).unwrap().folder(0), Some(1));
    assert!(list.notices().join(" ").contains("`3.seg.png`"), "{:?}", list.notices());
    let path = write(at.path(), "some.tar", &[text("1.cls", "1"), image("1.jpg"), image("2.jpg")]);
    assert!(error(&path).contains("\"2.jpg\""), "{}", error(&path));
    let path = write(at.path(), "pair.tar", &[text("1.cls", "1"), image("1.jpg"), image("1.png")]);
    assert!(error(&path).contains("1.jpg") && error(&path).contains("1.png"));
}

#[test]
fn a_name_that_is_not_utf8_does_not_stop_everything() {
    let at = tempfile::tempdir().unwrap();
    // A name of Latin-1, whose header is made by hand.
    let mut not_utf8 = entry("a/_.png", b'0', b"x");
    not_utf8[2] = 0xE9;
    not_utf8[148..156].fill(b' ');
    let sum: u32 = not_utf8[..512].iter().map(|&b| u32::from(b)).sum();
    not_utf8[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let path = write(at.path(), "x.tar", &[not_utf8, image("a/1.png"), image("b/2.png")]);
    let list = ImageList::open(&path, Split::Train).unwrap();
    assert_eq!(names(&list), ["a/1.png", "b/2.png"]);
    assert!(list.notices().join(" ").contains("not UTF-8"), "{:?}", list.notices());
}

#[test]
fn an_archive_that_changes_is_noticed() {
    let at = tempfile::tempdir().unwrap();
    let path = write(at.path(), "x.tar", &[image("a/1.jpg")]);
    let list = ImageList::open(&path, Split::Train).unwrap();
    std::fs::write(&path, b"shorter").unwrap();
    assert!(list.read(0).unwrap_err().to_string().contains("changed"));
}
