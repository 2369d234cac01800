//! Validates every shader while building: one that a browser would refuse never gets into a page.

use std::path::Path;

fn main() {
    let folder = Path::new("src");
    println!("cargo::rerun-if-changed=src");
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut shaders: Vec<_> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    shaders.retain(|path| path.extension().is_some_and(|end| end == "wgsl"));
    assert!(!shaders.is_empty(), "{}: there is no shader", folder.display());
    for path in shaders {
        let source =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.display().to_string();
        let module = naga::front::wgsl::parse_str(&source)
            .unwrap_or_else(|error| panic!("{}", error.emit_to_string_with_path(&source, &name)));
        // What a browser allows, and no more.
        let mut validator = naga::valid::Validator::new(
            naga::valid::ValidationFlags::all(),
            naga::valid::Capabilities::empty(),
        );
        if let Err(error) = validator.validate(&module) {
            panic!("{}", error.emit_to_string_with_path(&source, &name));
        }
    }
}
