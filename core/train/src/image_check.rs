//! Images are looked at before the first step: what is wrong with one is said then, not after hours.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rayon::prelude::*;

use ferkd_data::atomic;
use ferkd_data::events::{Event, Listener};
use ferkd_data::images::ImageList;
use ferkd_data::pixels::{OrientationRule, check_centre, decode, measure};
use ferkd_data::store::{SKIPPED, Skipped, SkippedImage};
use ferkd_method::error::{Error, ErrorKind, IoContext, Result};

/// Images that are decoded between two looks at what is asked, and two writes of what was found.
const GROUP: u64 = 256;

/// Validation images that are decoded before the first step. Of more of them, headers alone are read: decoding
/// ImageNet's takes minutes, and a broken one that an evaluation meets costs no work.
const DECODED: usize = 2048;

/// Bytes at the front of a file that nearly always hold an image's width and height, EXIF data before them.
const FRONT: u64 = 1 << 16;

/// How a run looks at its images, and who hears of it.
pub struct ImageCheck<'a> {
    /// Where what was found is kept, so that a run that goes on need not look again; none keeps nothing.
    pub folder: Option<&'a Path>,
    /// Whether validation images are looked at: they are no concern of a process that does not evaluate.
    pub validates: bool,
    /// Ends it.
    pub stop: &'a AtomicBool,
    /// Hears how far it has come.
    pub listen: Listener<'a>,
}

/// Decodes the images from `first` on, in order. `note` is told, a group at a time, of how many, and which of them
/// cannot be decoded.
///
/// # Errors
/// Those of `note`, an image that cannot be reached (that is no fault of its own), and [`ErrorKind::Interrupted`] when
/// `stop` was set.
pub(crate) fn find_broken(
    images: &ImageList,
    first: u64,
    orientation: OrientationRule,
    stop: &AtomicBool,
    listen: Listener,
    note: &mut dyn FnMut(u64, Vec<SkippedImage>) -> Result<()>,
) -> Result<()> {
    let total = images.len() as u64;
    if first >= total {
        return Ok(());
    }
    let look = |i: u64| {
        let i = i as usize;
        found(images, i, decode(&images.read(i)?, &images.label_of(i), orientation).map(drop))
    };
    let (begun, job) = (Instant::now(), "looking for broken images".to_owned());
    listen(&Event::Started { job: job.clone(), total, unit: "images".into(), done: first });
    let mut done = first;
    while done < total {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::new(
                ErrorKind::Interrupted,
                images.root(),
                "the search for broken images was stopped",
            )
            .remedy("run the same command again: it goes on where it stopped"));
        }
        let group = done..(done + GROUP).min(total);
        let broken: Vec<Option<SkippedImage>> =
            group.clone().into_par_iter().map(look).collect::<Result<_>>()?;
        note(group.end - group.start, broken.into_iter().flatten().collect())?;
        done = group.end;
        let units_per_s = (done - first) as f64 / begun.elapsed().as_secs_f64();
        let eta_s = (total - done) as f64 / units_per_s;
        listen(&Event::Progress { done, total, units_per_s, eta_s });
    }
    listen(&Event::Done { job, time_s: begun.elapsed().as_secs_f64() });
    Ok(())
}

/// The images without those that cannot be decoded, and these.
///
/// # Errors
/// Those of [`find_broken`]; not one that can be decoded.
pub(crate) fn without_broken(
    images: ImageList,
    check: &mut ImageCheck<'_>,
) -> Result<(ImageList, Vec<SkippedImage>)> {
    let path = check.folder.map(|folder| folder.join(SKIPPED));
    let digest = images.digest();
    let before = path.as_ref().filter(|path| path.exists()).map(|path| kept(path)).transpose()?;
    // Those of another list say nothing of this one.
    let before = before.filter(|before| before.listed_sha256 == digest);
    let mut all = before.unwrap_or_else(|| Skipped::new(digest));
    let first = all.checked;
    find_broken(&images, first, OrientationRule::Apply, check.stop, check.listen, &mut |count, broken| {
        all.checked += count;
        all.images.extend(broken);
        path.as_ref().map_or(Ok(()), |path| atomic::write(path, &all.to_bytes()))
    })?;
    if all.images.len() == images.len() {
        return Err(none_left(&images, &all.images));
    }
    Ok((images.without(all.names())?, all.images))
}

/// What an earlier search kept.
fn kept(path: &Path) -> Result<Skipped> {
    let bytes = std::fs::read(path).at(path)?;
    Skipped::parse(&bytes, &path.display().to_string())
        .map_err(|error| error.remedy("delete it: the search for broken images begins again"))
}

/// Checks that validation images can be evaluated on: their headers, and where they are few all of them. Those that
/// cannot are an error, or are told to `listen` and left to the evaluation, which passes over them, where it `skips`.
///
/// # Errors
/// The first one that is broken; all of them; an image that cannot be reached.
pub(crate) fn check_validation(images: &ImageList, skips: bool, listen: Listener) -> Result<()> {
    let whole = images.len() <= DECODED;
    let look = |i: usize| {
        let shape = if whole { shape(images, i) } else { front_shape(images, i) };
        let checked = shape.and_then(|(width, height)| {
            check_centre(width, height).map_err(|error| error.about(images.label_of(i)))
        });
        found(images, i, checked)
    };
    let broken: Vec<Option<SkippedImage>> =
        (0..images.len()).into_par_iter().map(look).collect::<Result<_>>()?;
    let broken: Vec<SkippedImage> = broken.into_iter().flatten().collect();
    let Some(first) = broken.first() else { return Ok(()) };
    if broken.len() == images.len() {
        return Err(none_left(images, &broken));
    }
    if skips {
        listen(&Event::Notice { text: left_out(images, &broken) });
        return Ok(());
    }
    let at = images.position(&first.name).map_or_else(|| first.name.clone(), |i| images.label_of(i));
    let others = match broken.len() {
        1 => String::new(),
        count => format!("; {} more of the validation images are broken", count - 1),
    };
    Err(Error::damaged(at, format!("{}{others}", first.problem))
        .remedy("replace the file, take it out, or leave such images out with --skip-bad"))
}

/// Says of images that cannot be evaluated on how many they are, and which.
pub(crate) fn left_out(images: &ImageList, broken: &[SkippedImage]) -> String {
    const SHOWN: usize = 5;
    let mut text = format!("{} of {} validation images are left out:", broken.len(), images.len());
    for image in broken.iter().take(SHOWN) {
        text += &format!("\n  {}: {}", image.name, image.problem);
    }
    if broken.len() > SHOWN {
        text += "\n  ...";
    }
    text
}

/// Width and height of an image, after all of it was decoded.
fn shape(images: &ImageList, i: usize) -> Result<(u32, u32)> {
    // Past the cache, which is for what is seen again and again.
    let decoded = decode(&images.read(i)?, &images.label_of(i), OrientationRule::Apply)?;
    Ok(decoded.image.dimensions())
}

/// The same from its header, where that can be read.
fn front_shape(images: &ImageList, i: usize) -> Result<(u32, u32)> {
    match measure(&images.front(i, FRONT)?, "") {
        Ok((width, height, _)) => Ok((width, height)),
        // What is wrong is said by who would decode it.
        Err(_) => shape(images, i),
    }
}

/// The image, if its file is at fault.
fn found(images: &ImageList, i: usize, looked: Result<()>) -> Result<Option<SkippedImage>> {
    match looked {
        Err(error) if error.kind() == ErrorKind::Damaged => {
            Ok(Some(SkippedImage { name: images.name(i).to_owned(), problem: error.problem().to_owned() }))
        }
        other => other.map(|()| None),
    }
}

fn none_left(images: &ImageList, broken: &[SkippedImage]) -> Error {
    let first = broken.first().map(|image| format!("; {}: {}", image.name, image.problem));
    let problem = format!("none of its images can be used{}", first.unwrap_or_default());
    Error::damaged(&*images.root(), problem).remedy("name a folder of images")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use std::io::Cursor;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image::RgbImage::new(width, height).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    fn list(files: Vec<(&str, Vec<u8>)>) -> ImageList {
        let named = |(name, bytes): (&str, Vec<u8>)| (format!("a/{name}"), "a".to_owned(), bytes);
        ImageList::in_memory(files.into_iter().map(named).collect()).unwrap()
    }

    #[test]
    fn a_search_goes_on_where_it_stopped_and_begins_again_for_other_images() {
        let at = tempfile::tempdir().unwrap();
        let images =
            list(vec![("0", png(4, 4)), ("1", b"text".to_vec()), ("2", png(4, 4)), ("3", Vec::new())]);
        let mut said = 0;
        let stop = AtomicBool::new(false);
        let mut search = |images: &ImageList| {
            let mut listen = |_: &Event| said += 1;
            let check =
                ImageCheck { folder: Some(at.path()), validates: true, stop: &stop, listen: &mut listen };
            let (kept, broken) = without_broken(images.clone(), &mut { check }).unwrap();
            let kept: Vec<_> = (0..kept.len()).map(|i| kept.name(i).to_owned()).collect();
            (kept, broken.into_iter().map(|image| image.name).collect::<Vec<_>>(), said)
        };
        let (kept, broken, said) = search(&images);
        assert_eq!((kept.join(" "), broken.join(" ")), ("a/0 a/2".into(), "a/1 a/3".into()));
        // Nothing is left to look at.
        assert_eq!(search(&images), (kept, broken, said));
        let (kept, broken, more) = search(&list(vec![("0", png(4, 4)), ("5", b"text".to_vec())]));
        assert_eq!((kept.join(" "), broken.join(" ")), ("a/0".into(), "a/5".into()));
        assert!(more > said);

        stop.store(true, Ordering::Relaxed);
        let other = list(vec![("9", png(4, 4))]);
        let check =
            &mut ImageCheck { folder: Some(at.path()), validates: true, stop: &stop, listen: &mut |_| () };
        assert_eq!(without_broken(other, check).unwrap_err().kind(), ErrorKind::Interrupted);
        stop.store(false, Ordering::Relaxed);
        let check = &mut ImageCheck { folder: None, validates: true, stop: &stop, listen: &mut |_| () };
        let error = without_broken(list(vec![("9", Vec::new())]), check).unwrap_err().to_string();
        assert!(error.contains("a/9") && error.contains("empty"), "{error}");
    }

    #[test]
    fn validation_names_what_cannot_be_evaluated_on() {
        let check = |files: Vec<(&str, Vec<u8>)>, skips: bool| {
            let mut said = String::new();
            let done = check_validation(&list(files), skips, &mut |event| {
                if let Event::Notice { text } = event {
                    said.clone_from(text);
                }
            });
            (done.map_err(|error| error.to_string()), said)
        };
        assert_eq!(check(vec![("0", png(4, 4))], false), (Ok(()), String::new()));
        let cut = png(40, 40)[..60].to_vec();
        let files = || vec![("0", png(4, 4)), ("1", cut.clone()), ("2", png(1, 300))];
        let (failed, _) = check(files(), false);
        let failed = failed.unwrap_err();
        assert!(
            failed.contains("a/1") && failed.contains("1 more") && failed.contains("--skip-bad"),
            "{failed}"
        );
        let (done, said) = check(files(), true);
        assert!(done.is_ok() && said.contains("2 of 3") && said.contains("a/2: 1 x 300"), "{said}");
        let (failed, _) = check(vec![("1", png(1, 300))], true);
        assert!(failed.unwrap_err().contains("none"));
    }

    #[test]
    fn headers_say_the_same_as_decoding() {
        let images = list(vec![("0", png(5, 7)), ("1", b"text".to_vec()), ("2", png(40, 40)[..60].to_vec())]);
        assert_eq!(front_shape(&images, 0).unwrap(), shape(&images, 0).unwrap());
        assert_eq!(
            front_shape(&images, 1).unwrap_err().to_string(),
            shape(&images, 1).unwrap_err().to_string()
        );
        // Only decoding finds what is missing at the end.
        assert_eq!(front_shape(&images, 2).unwrap(), (40, 40));
        assert!(shape(&images, 2).is_err());
    }
}
