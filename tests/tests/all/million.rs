//! Memory of the program at ten thousand and at a million images. Takes minutes and 2 GB of disk, so that it runs
//! only when it is asked to: `cargo test --workspace --test all million -- --ignored --nocapture`.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ferkd_data::store::Store;
use ferkd_tests::command;
use ferkd_tests::simulated::{CLASSES, REGIONS, SIDE, name, write_store};

fn picture() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let picture = image::RgbImage::from_fn(SIDE, SIDE, |x, y| image::Rgb([x as u8 * 9, y as u8 * 9, 77]));
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// The images as an archive.
fn write_archive(path: &Path, images: u64) {
    let mut out = BufWriter::new(File::create(path).unwrap());
    let picture = picture();
    for i in 0..images {
        let mut header = [0; 512];
        let name = name(i, images);
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", picture.len()).as_bytes());
        header[148..156].fill(b' ');
        header[156] = b'0';
        let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
        header[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
        header[154] = 0;
        out.write_all(&header).unwrap();
        out.write_all(&picture).unwrap();
        out.write_all(&vec![0; picture.len().next_multiple_of(512) - picture.len()]).unwrap();
    }
    out.write_all(&[0; 1024]).unwrap();
    out.flush().unwrap();
}

/// The images as a folder: links to a few files, so that a million cost no more than their names.
fn write_folder(root: &Path, images: u64) {
    const LINKS: u64 = 30_000;
    fs::create_dir(root).unwrap();
    for class in 0..CLASSES {
        fs::create_dir(root.join(class.to_string())).unwrap();
    }
    let picture = picture();
    for i in 0..images {
        let path = root.join(name(i, images));
        match i % LINKS {
            0 => fs::write(path, &picture).unwrap(),
            n => fs::hard_link(root.join(name(i - n, images)), path).unwrap(),
        }
    }
}

/// Peak of all memory, and of what is the program's own (mapped files apart), in MB.
#[derive(Default, Clone, Copy)]
struct Peak {
    all: f64,
    own: f64,
}

/// Runs the program until it ends or `enough`, and says what memory it took at most.
fn peak(at: &Path, line: &str, enough: impl Fn(&str) -> bool) -> Peak {
    let words: Vec<&str> = line.split_whitespace().collect();
    let log = File::create(at.join("log")).unwrap();
    let mut child = command(at, &words).stdout(Stdio::null()).stderr(log).spawn().unwrap();
    let (mut peak, begun) = (Peak::default(), Instant::now());
    let status = format!("/proc/{}/status", child.id());
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let field = |key: &str| {
            let line = text.lines().find(|l| l.starts_with(key))?;
            line.split_whitespace().nth(1)?.parse::<f64>().ok()
        };
        peak.all = field("VmHWM:").map_or(peak.all, |kb| peak.all.max(kb / 1e3));
        peak.own = field("RssAnon:").map_or(peak.own, |kb| peak.own.max(kb / 1e3));
        let said = fs::read_to_string(at.join("log")).unwrap();
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success(), "`{line}`: {said}");
            return peak;
        }
        assert!(begun.elapsed() < Duration::from_secs(900), "`{line}` does not come to an end: {said}");
        if enough(&said) {
            child.kill().unwrap();
            child.wait().unwrap();
            return peak;
        }
        sleep(Duration::from_millis(10));
    }
}

#[test]
#[ignore = "takes minutes and 2 GB of disk"]
fn memory_at_a_million_images() {
    let mut rows = Vec::new();
    for images in [10_000, 1_000_000] {
        let at = tempfile::tempdir().unwrap();
        write_store(&at.path().join("store"), images);
        write_archive(&at.path().join("images.tar"), images);
        write_folder(&at.path().join("images"), images);
        let begun = Instant::now();
        let store = Store::open(at.path().join("store")).unwrap();
        store.label(images - 1, 0).unwrap();
        eprintln!(
            "{images} images: opened and one label read in {:.1} ms",
            begun.elapsed().as_secs_f64() * 1e3
        );
        drop(store);

        let never = |_: &str| false;
        let mut row = vec![peak(at.path(), "mine store --by-class", never)];
        for images in ["images", "images.tar"] {
            // Shards that are written make the list of files longer, but that is all that grows.
            let out = at.path().join("labelled");
            let shards = |n: u32| out.join(format!("labels-{n:05}.npy")).exists();
            let line =
                format!("label {images} --teacher digits --regions {REGIONS} --out labelled --device flex");
            row.push(peak(at.path(), &line, |_| shards(38)));
            fs::remove_dir_all(&out).unwrap();
            let run = at.path().join("run");
            let line = format!(
                "train --images {images} --store store --supervision ferkd --arch resnet8 --width 4 --side 16 \
                 --epochs 4 --batch 64 --regions-per-step 4 --log-every 100 --device flex --run run"
            );
            let lines =
                || fs::read_to_string(run.join("metrics.jsonl")).map_or(0, |text| text.lines().count());
            row.push(peak(at.path(), &line, |_| lines() >= 4));
            fs::remove_dir_all(&run).unwrap();
        }
        rows.push((images, row));
    }
    let names = ["mine", "label, folder", "train, folder", "label, tar", "train, tar"];
    println!("\n| | {} images | {} images | bytes an image |\n|---|---|---|---|", rows[0].0, rows[1].0);
    for (i, name) in names.iter().enumerate() {
        let (few, many) = (rows[0].1[i], rows[1].1[i]);
        let each = (many.own - few.own) * 1e6 / (rows[1].0 - rows[0].0) as f64;
        println!(
            "| {name} | {:.0} MB ({:.0}) | {:.0} MB ({:.0}) | {each:.0} |",
            few.all, few.own, many.all, many.own
        );
        assert!(each < 200.0, "{name} takes {each} bytes of each image");
    }
}
