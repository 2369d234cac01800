//! The page's program; in a Web Worker the same program is the engine.

fn main() {
    ferkd_web::run();
}
