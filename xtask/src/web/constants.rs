//! Constants that are filled into a page's scripts.

/// A text in which constants are filled in, each where it stands once; `name` is what errors call it.
///
/// # Errors
/// A constant that stands there more than once, or not at all.
pub fn fill(text: &str, name: &str, constants: &[(&str, String)]) -> Result<String, String> {
    let mut filled = text.to_owned();
    for (place, value) in constants {
        if filled.matches(place).count() != 1 {
            return Err(format!("{name}: expected {place} once"));
        }
        filled = filled.replace(place, value);
    }
    Ok(filled)
}
