//! What a desktop alone can do: choose a device, open files by path.

use std::path::Path;

use burn::tensor::Device;
use ferkd::data::images::{ImageList, Split};
use ferkd::device::SharedWgpu;
use ferkd::store::Store;
use ferkd::{Error, Result};

use crate::dataset::{DataSet, Pictures};
use crate::experiment::Data;
use crate::state::State;

/// A device to compute on, and a window's options that share it.
pub struct Opened {
    /// What computes.
    pub device: Device,
    /// The same with its handles, where it is a wgpu device.
    pub shared: Option<SharedWgpu>,
    /// What it is, in words.
    pub name: String,
    /// How the window is opened.
    pub options: eframe::NativeOptions,
    /// What the user should know.
    pub notice: Option<String>,
}

/// Opens a device by name: `wgpu`, which the window draws on too, `flex` (the CPU), or `auto`.
///
/// # Errors
/// A name that is none of these, or no wgpu adapter where one is asked for.
pub fn open_device(name: &str) -> Result<Opened> {
    let viewport =
        egui::ViewportBuilder::default().with_inner_size([1280.0, 800.0]).with_min_inner_size([360.0, 480.0]);
    let mut options = eframe::NativeOptions { viewport, ..Default::default() };
    let cpu = |options, notice| {
        let name = "CPU (flex)".into();
        Opened { device: Device::flex(), shared: None, name, options, notice }
    };
    match name {
        "flex" => Ok(cpu(options, None)),
        "auto" | "wgpu" => match ferkd::device::open_shared() {
            Ok(shared) => {
                if name == "auto" && shared.is_software() {
                    let notice =
                        format!("{}: a software adapter, so the CPU computes instead", shared.name());
                    return Ok(cpu(options, Some(notice)));
                }
                let (device, name) = (shared.device.clone(), format!("wgpu: {}", shared.name()));
                options.wgpu_options.wgpu_setup = window_setup(shared.clone());
                Ok(Opened { device, shared: Some(shared), name, options, notice: None })
            }
            Err(error) if name == "wgpu" => Err(error),
            Err(error) => {
                Ok(cpu(options, Some(format!("No GPU that can be used ({error}): the CPU computes"))))
            }
        },
        other => Err(Error::usage("device", format!("`{other}` is no device of the inspector"))
            .remedy("auto, flex or wgpu")),
    }
}

fn window_setup(shared: SharedWgpu) -> eframe::egui_wgpu::WgpuSetup {
    let SharedWgpu { setup, .. } = shared;
    eframe::egui_wgpu::WgpuSetup::Existing(eframe::egui_wgpu::WgpuSetupExisting {
        instance: setup.instance,
        adapter: setup.adapter,
        device: setup.device,
        queue: setup.queue,
    })
}

impl State {
    /// Opens a label store, a run folder (whose store it is), or images.
    pub fn open_path(&mut self, path: &Path) {
        match open_path(path) {
            Ok(set) => {
                self.insert(Data::Yours, set);
                self.look_at(Data::Yours);
            }
            Err(error) => self.complain(error),
        }
    }
}

/// A data set from a path.
///
/// # Errors
/// Nothing there that could be shown.
pub fn open_path(path: &Path) -> Result<DataSet> {
    let name =
        path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
    let store = Store::open(path)?;
    let pictures = match path.parent().map(|parent| parent.join("scenes")) {
        Some(beside) if beside.exists() => {
            ImageList::open(&beside, Split::Train).map(Pictures::List).unwrap_or(Pictures::None)
        }
        _ => Pictures::None,
    };
    Ok(DataSet::of_store(name, store, pictures))
}
