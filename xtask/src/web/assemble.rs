//! The page from its compiled program, without trunk: wasm-bindgen's JavaScript, and what `web/index.html` asks for.

use std::fs;
use std::path::Path;

/// Name of the program's files.
const NAME: &str = "ferkd-web";

/// Builds the page of `web` and its compiled program into a folder, which holds nothing else afterwards.
pub fn page(web: &Path, program: &Path, dist: &Path) -> Result<(), String> {
    if dist.exists() {
        fs::remove_dir_all(dist).map_err(|error| format!("{}: {error}", dist.display()))?;
    }
    fs::create_dir_all(dist).map_err(|error| format!("{}: {error}", dist.display()))?;
    bindgen(program, NAME, dist)?;
    let index = web.join("index.html");
    let html = fs::read_to_string(&index).map_err(|error| format!("{}: {error}", index.display()))?;
    let html = html
        .lines()
        .map(|line| match link(line) {
            Some(asset) => asset.and_then(|asset| place(&asset, web, dist)),
            None => Ok(line.to_owned()),
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("{}: {error}", index.display()))?;
    let to = dist.join("index.html");
    fs::write(&to, html.join("\n") + "\n").map_err(|error| format!("{}: {error}", to.display()))
}

/// Writes what JavaScript loads of a compiled program, `NAME.js` and `NAME_bg.wasm`, into a folder.
#[cfg(feature = "page")]
pub fn bindgen(program: &Path, name: &str, dist: &Path) -> Result<(), String> {
    let mut bindgen = wasm_bindgen_cli_support::Bindgen::new();
    // Names are half of the file, and no test reads them.
    bindgen.input_path(program).out_name(name).typescript(false).remove_name_section(true);
    bindgen
        .web(true)
        .and_then(|bindgen| bindgen.generate(dist))
        .map_err(|error| format!("{}: {error:#}", program.display()))
}

#[cfg(not(feature = "page"))]
pub fn bindgen(program: &Path, _: &str, _: &Path) -> Result<(), String> {
    Err(format!(
        "{}: xtask was compiled without its feature `page`: `cargo xtask web` has it",
        program.display()
    ))
}

/// One `<link data-trunk ...>` of the page.
#[derive(Debug, PartialEq)]
struct Asset<'a> {
    rel: &'a str,
    href: &'a str,
    /// Where below the page a copy goes.
    to: &'a str,
    initializer: Option<&'a str>,
}

/// What a line asks trunk for, if it does; each link has a line of its own.
fn link(line: &str) -> Option<Result<Asset<'_>, String>> {
    let attributes = line.trim().strip_prefix("<link data-trunk ")?;
    let value = |name: &str| {
        let (_, rest) = attributes.split_once(&format!("{name}=\""))?;
        rest.split_once('"').map(|(value, _)| value)
    };
    let (Some(rel), Some(href)) = (value("rel"), value("href")) else {
        return Some(Err(format!("expected `rel` and `href`: {line}")));
    };
    Some(Ok(Asset {
        rel,
        href,
        to: value("data-target-path").unwrap_or_default(),
        initializer: value("data-initializer"),
    }))
}

/// Puts what is asked for into the page's folder; the HTML that takes the link's place.
fn place(asset: &Asset<'_>, web: &Path, dist: &Path) -> Result<String, String> {
    let (from, to) = (web.join(asset.href), dist.join(asset.to));
    match asset.rel {
        "rust" => return start(asset.initializer, web, dist),
        "copy-file" => copy_file(&from, &to)?,
        "copy-dir" => copy_dir(&from, &to)?,
        other => return Err(format!("rel=\"{other}\": expected rust, copy-file or copy-dir")),
    }
    Ok(String::new())
}

/// Copies what is in a folder, and in the folders in it, as trunk does.
fn copy_dir(from: &Path, to: &Path) -> Result<(), String> {
    let entries = fs::read_dir(from).map_err(|error| format!("{}: {error}", from.display()))?;
    for entry in entries {
        let entry = entry.map_err(|error| format!("{}: {error}", from.display()))?;
        let path = entry.path();
        match path.is_dir() {
            true => copy_dir(&path, &to.join(entry.file_name()))?,
            false => copy_file(&path, to)?,
        }
    }
    Ok(())
}

fn copy_file(from: &Path, folder: &Path) -> Result<(), String> {
    let name = from.file_name().ok_or_else(|| format!("{}: expected a file", from.display()))?;
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    fs::copy(from, folder.join(name)).map(drop).map_err(|error| format!("{}: {error}", from.display()))
}

/// The script that loads the program; it tells the initializer how far it has come, as trunk's does.
fn start(initializer: Option<&str>, web: &Path, dist: &Path) -> Result<String, String> {
    let initializer = initializer.ok_or("the program's link: expected `data-initializer`")?;
    copy_file(&web.join(initializer), dist)?;
    let program = dist.join(format!("{NAME}_bg.wasm"));
    let size = fs::metadata(&program).map_err(|error| format!("{}: {error}", program.display()))?.len();
    println!("program: {size} bytes");
    Ok(START
        .replace("{name}", NAME)
        .replace("{initializer}", initializer)
        .replace("{size}", &size.to_string()))
}

const START: &str = r#"<link rel="modulepreload" href="./{name}.js">
<script type="module">
import init from "./{name}.js";
import initializer from "./{initializer}";
const told = initializer();
async function load() {
  const answer = await fetch("./{name}_bg.wasm");
  if (!answer.ok) throw new Error(`${answer.url}: ${answer.status} ${answer.statusText}`);
  let current = 0;
  const count = new TransformStream({
    transform(part, out) {
      current += part.byteLength;
      told.onProgress({ current, total: {size} });
      out.enqueue(part);
    },
    flush() { told.onComplete(); },
  });
  return new Response(answer.body.pipeThrough(count), { headers: answer.headers });
}
told.onStart();
try {
  told.onSuccess(await init({ module_or_path: load() }));
} catch (error) {
  told.onFailure(error);
  throw error;
}
</script>"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read() {
        let line = r#"<link data-trunk rel="copy-dir" href="../a/b" data-target-path="assets/b">"#;
        let asset = Asset { rel: "copy-dir", href: "../a/b", to: "assets/b", initializer: None };
        assert_eq!(link(line), Some(Ok(asset)));
        assert_eq!(link(r#"<link rel="icon" href="data:,">"#), None);
        assert!(link(r#"<link data-trunk href="worker.js">"#).is_some_and(|found| found.is_err()));
    }

    #[test]
    fn the_page_works_in_any_folder() {
        let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web");
        for file in
            ["index.html", "start.mjs", "worker.js", "onnx-worker.js", "sw.js", "manifest.webmanifest"]
        {
            let text = fs::read_to_string(web.join(file)).unwrap();
            for absolute in ["=\"/", "(\"/", "('/", ": \"/", "\"http"] {
                assert!(!text.contains(absolute), "{file} holds {absolute}");
            }
        }
    }

    #[test]
    fn a_folder_is_copied_with_the_folders_in_it() {
        let to = std::env::temp_dir().join(format!("ferkd-copy-dir-{}", std::process::id()));
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/playground/photos");
        copy_dir(&from, &to).unwrap();
        let photo = "n02124075/chelsea.jpg";
        assert_eq!(fs::read(to.join(photo)).unwrap(), fs::read(from.join(photo)).unwrap());
        fs::remove_dir_all(&to).unwrap();
    }

    #[test]
    fn every_link_of_the_page_is_one_that_is_known() {
        let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web");
        let html = fs::read_to_string(web.join("index.html")).unwrap();
        let assets: Vec<_> = html.lines().filter_map(link).collect::<Result<_, _>>().unwrap();
        assert!(assets.iter().any(|asset| asset.rel == "rust" && asset.initializer.is_some()));
        for asset in assets {
            assert!(["rust", "copy-file", "copy-dir"].contains(&asset.rel), "{asset:?}");
            assert!(web.join(asset.href).exists(), "{asset:?}");
        }
    }
}
