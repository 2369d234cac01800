//! The desktop inspector: `ferkd-app [PATH]`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use ferkd_app::engine::Engine;
use ferkd_app::engine::thread::ThreadEngine;
use ferkd_app::experiment::Experiment;
use ferkd_app::{Inspector, desktop, link};

/// Look at which region gets which label, and why.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// A label store, a run folder, or images.
    path: Option<PathBuf>,
    /// An experiment to open: a link that was copied.
    #[arg(long)]
    link: Option<String>,
    /// Device: auto, flex or wgpu. The window draws on the same wgpu device.
    #[arg(long, default_value = "auto")]
    device: String,
}

fn main() -> ExitCode {
    match open(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn open(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let experiment = match &arguments.link {
        Some(link) => link::from_fragment(link)?,
        None => Experiment::first(),
    };
    let desktop::Opened { device, shared, name, options, notice } = desktop::open_device(&arguments.device)?;
    let path = arguments.path;
    eframe::run_native(
        "FerKD",
        options,
        Box::new(move |creation| {
            let ctx = creation.egui_ctx.clone();
            let wake = ctx.clone();
            let wake = move || wake.request_repaint();
            let engine: Box<dyn Engine> = Box::new(match shared {
                Some(shared) => ThreadEngine::start_with_wgpu(shared, wake)?,
                None => ThreadEngine::start(device, wake)?,
            });
            let mut inspector = Inspector::new(
                &ctx,
                experiment,
                engine,
                Box::new(desktop::Window::new(ctx.clone())),
                None,
                notice,
            );
            if let Some(window) = &creation.wgpu_render_state {
                inspector.draw_with(window.clone());
            }
            inspector.restore(creation.storage);
            inspector.state().device = Some(name);
            if let Some(path) = path {
                inspector.state().welcome = false;
                inspector.state().open_path(&path);
            }
            Ok(Box::new(inspector))
        }),
    )?;
    Ok(())
}
