//! WebDataset's keys: files of an archive that belong to one sample follow each other, and their names say how.
//!
//! A key is a file's path up to its ending. WebDataset itself cuts it at the first dot of the name, so that
//! `7.seg.png` is a second file of sample `7`; but photos are also called `2020.01.31.jpg`. So a file's own stem is
//! its key wherever something else has the same one, and what extends another file's key by a word is a second file.

use serde_json::Value;

/// What a file of a sample is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    /// An image, which is number so and so of the caller's.
    Image(usize),
    /// A text that names the class. The best of several counts: `cls`, then `json`, then `txt`.
    Class { class: String, rank: u8 },
    /// A text that names none.
    Text,
}

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) role: Role,
}

/// An image of a sample, and its class where a text beside it says one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) image: usize,
    pub(super) class: Option<String>,
}

/// What the files of a group are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Samples {
    /// Images, in the order of the archive.
    pub(super) taken: Vec<Taken>,
    /// Second images of a key: masks, depth maps.
    pub(super) second: Vec<String>,
    /// Texts that name no class.
    pub(super) captions: Vec<String>,
}

/// Words that second images of a key are called by.
const SECOND: [&str; 17] = [
    "mask",
    "masks",
    "seg",
    "segm",
    "segmentation",
    "semseg",
    "sem",
    "inst",
    "instance",
    "panoptic",
    "depth",
    "normal",
    "normals",
    "edge",
    "edges",
    "gt",
    "thumb",
];

/// Most bytes of a text that is read for a class.
pub(super) const MAX_TEXT: u64 = 1 << 16;

/// The files of a group may share a sample: the path up to the first dot of the name.
pub(super) fn group(name: &str) -> &str {
    let start = name.rfind('/').map_or(0, |at| at + 1);
    // A name that begins with a dot is hidden, and never asked about.
    name[start..].find('.').map_or(name, |dot| &name[..start + dot])
}

fn stem(name: &str) -> &str {
    let start = name.rfind('/').map_or(0, |at| at + 1);
    name[start..].rfind('.').map_or(name, |dot| &name[..start + dot])
}

fn ending(name: &str) -> String {
    name.rsplit_once('.').map_or(String::new(), |(_, ending)| ending.to_ascii_lowercase())
}

/// What a text beside an image says: the number or the name in a `cls`, the label of a `json`, and a `txt` that holds
/// nothing but a number or a WordNet id. Other texts are captions.
pub(super) fn read_text(name: &str, contents: &[u8]) -> Role {
    let text =
        std::str::from_utf8(contents).map(|t| t.trim_start_matches('\u{FEFF}').trim()).unwrap_or_default();
    let one_line = !text.is_empty() && text.len() <= 200 && !text.contains('\n');
    let class = match ending(name).as_str() {
        "cls" if one_line => Some((text.to_owned(), 0)),
        "json" => class_of_json(text).map(|class| (class, 1)),
        "txt" if one_line && is_class(text) => Some((text.to_owned(), 2)),
        _ => None,
    };
    class.map_or(Role::Text, |(class, rank)| Role::Class { class, rank })
}

fn is_class(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits(text) || (text.len() == 9 && text.starts_with('n') && digits(&text[1..]))
}

fn class_of_json(text: &str) -> Option<String> {
    let Ok(Value::Object(object)) = serde_json::from_str::<Value>(text) else { return None };
    let keys = ["label", "cls", "class", "class_id", "target", "wnid", "synset"];
    keys.iter().find_map(|key| match object.get(*key)? {
        Value::Number(number) => number.as_u64().map(|number| number.to_string()),
        Value::String(text) if !text.is_empty() && text.len() <= 200 => Some(text.clone()),
        _ => None,
    })
}

/// Tells the samples of a group apart.
///
/// # Errors
/// The names of two images of which either could be the sample's.
pub(super) fn samples(members: &[Member]) -> Result<Samples, [String; 2]> {
    let images: Vec<(usize, &str)> = members
        .iter()
        .filter_map(|m| if let Role::Image(image) = m.role { Some((image, m.name.as_str())) } else { None })
        .collect();
    let texts: Vec<&Member> = members.iter().filter(|m| !matches!(m.role, Role::Image(_))).collect();
    let stems: Vec<&str> = images.iter().map(|(_, name)| stem(name)).collect();
    let has_text = |key: &str| texts.iter().any(|text| stem(&text.name) == key);
    let mut found = Samples::default();
    // The key of each image: its own stem, or that of which it is a second file.
    let keys: Vec<&str> = (0..images.len())
        .map(|i| {
            let own = stems[i];
            if has_text(own) {
                return own;
            }
            let Some((before, word)) = own.rsplit_once('.') else { return own };
            // Without a text the words alone say that it is no photo of its own.
            let second = SECOND.contains(&word.to_ascii_lowercase().as_str()) && stems.contains(&before);
            if second || has_text(before) { before } else { own }
        })
        .collect();
    for (i, (image, name)) in images.iter().enumerate() {
        let key = keys[i];
        let is_second = |j: usize| {
            let word = stems[j].strip_prefix(key).and_then(|rest| rest.strip_prefix('.'));
            word.is_some_and(|word| SECOND.contains(&word.to_ascii_lowercase().as_str()))
        };
        let others = || (0..images.len()).filter(|&j| j != i && keys[j] == key);
        // What is called by the key itself comes first, then what is called by a word of its own.
        let rank = |j: usize| if stems[j] == key { 0 } else { 1 + u8::from(is_second(j)) };
        if others().any(|j| rank(j) < rank(i)) {
            found.second.push((*name).to_owned());
            continue;
        }
        // Two pictures of one name are two images where no text makes a sample of them, as in a folder.
        if has_text(key)
            && let Some(j) = others().find(|&j| rank(j) == rank(i))
        {
            return Err([(*name).to_owned(), images[j].1.to_owned()]);
        }
        let classes =
            texts.iter().filter(|text| stem(&text.name) == key).filter_map(|text| match &text.role {
                Role::Class { class, rank } => Some((rank, class)),
                _ => None,
            });
        let class = classes.min().map(|(_, class)| class.clone());
        found.taken.push(Taken { image: *image, class });
    }
    // Beside a class, a caption is not worth a word.
    if found.taken.iter().all(|taken| taken.class.is_none()) {
        let captions = texts.iter().filter(|text| text.role == Role::Text && ending(&text.name) != "xml");
        found.captions = captions.map(|text| text.name.clone()).collect();
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(files: &[(&str, &str)]) -> Vec<Member> {
        let role = |(i, (name, text)): (usize, &(&str, &str))| match text.is_empty() {
            true => Role::Image(i),
            false => read_text(name, text.as_bytes()),
        };
        let names = files.iter().map(|(name, _)| (*name).to_owned());
        names.zip(files.iter().enumerate().map(role)).map(|(name, role)| Member { name, role }).collect()
    }

    fn found(files: &[(&str, &str)]) -> (Vec<(String, Option<String>)>, Vec<String>) {
        let samples = samples(&members(files)).unwrap();
        let taken = samples.taken.into_iter().map(|t| (files[t.image].0.to_owned(), t.class));
        (taken.collect(), samples.second)
    }

    fn one(name: &str, class: Option<&str>) -> Vec<(String, Option<String>)> {
        vec![(name.to_owned(), class.map(str::to_owned))]
    }

    #[test]
    fn a_class_is_read_from_cls_json_or_txt() {
        for (name, text, class) in [
            ("1.cls", "726\n", Some("726")),
            ("1.cls", "n01440764", Some("n01440764")),
            ("1.cls", "great white shark", Some("great white shark")),
            ("1.cls", "\\ProvidesClass{x}\n\\y", None),
            ("1.json", r#"{"label": 726, "width": 500}"#, Some("726")),
            ("1.json", r#"{"class": "tench"}"#, Some("tench")),
            ("1.json", r#"{"caption": "a fish"}"#, None),
            ("1.json", "[1]", None),
            ("1.txt", "\u{FEFF}7\r\n", Some("7")),
            ("1.txt", "n01440764", Some("n01440764")),
            ("1.txt", "a fish in a pond", None),
            ("1.xml", "7", None),
        ] {
            let found = match read_text(name, text.as_bytes()) {
                Role::Class { class, .. } => Some(class),
                _ => None,
            };
            assert_eq!(found.as_deref(), class, "{name}: {text}");
        }
        assert_eq!(read_text("1.cls", b"\xFF"), Role::Text);
        let three = [("1.cls", "4"), ("1.jpg", ""), ("1.json", r#"{"label": 5}"#), ("1.txt", "6")];
        assert_eq!(found(&three), (one("1.jpg", Some("4")), vec![]));
    }

    #[test]
    fn keys_with_several_dots_are_told_by_what_shares_them() {
        assert_eq!(group("a/2020.01.31.jpg"), "a/2020");
        assert_eq!(group("a.b/c"), "a.b/c");
        let dotted = [("n.1.cls", "3"), ("n.1.jpg", ""), ("n.2.cls", "4"), ("n.2.jpg", "")];
        let classes =
            vec![("n.1.jpg".to_owned(), Some("3".to_owned())), ("n.2.jpg".into(), Some("4".into()))];
        assert_eq!(found(&dotted).0, classes);
        // Without texts they are photos, as in a folder.
        assert_eq!(found(&[("n.1.jpg", ""), ("n.2.jpg", ""), ("n.jpg", "")]).0.len(), 3);
        assert_eq!(found(&[("n.rgb.jpg", ""), ("n.cls", "3")]), (one("n.rgb.jpg", Some("3")), vec![]));
    }

    #[test]
    fn masks_and_other_second_images_of_a_key_are_named() {
        let second = vec!["7.seg.png".to_owned()];
        assert_eq!(
            found(&[("7.cls", "1"), ("7.jpg", ""), ("7.seg.png", "")]),
            (one("7.jpg", Some("1")), second)
        );
        let second = vec!["7.mask.png".to_owned()];
        assert_eq!(found(&[("7.jpg", ""), ("7.mask.png", "")]), (one("7.jpg", None), second.clone()));
        assert_eq!(
            found(&[("7.cls", "1"), ("7.mask.png", ""), ("7.rgb.jpg", "")]),
            (one("7.rgb.jpg", Some("1")), second)
        );
        let pair = [("7.cls", "1"), ("7.left.jpg", ""), ("7.right.jpg", "")];
        assert_eq!(samples(&members(&pair)).unwrap_err(), ["7.left.jpg", "7.right.jpg"]);
        assert!(samples(&members(&[("7.cls", "1"), ("7.jpg", ""), ("7.png", "")])).is_err());
        assert_eq!(found(&[("7.jpg", ""), ("7.png", "")]).0.len(), 2);
    }
}
