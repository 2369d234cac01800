//! What crosses crates, in one program, which is linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod bench;
mod checkpoints;
mod cuda_simulated;
mod demo;
mod exports;
#[cfg(target_os = "linux")]
mod file_systems;
mod fkd_decoding;
mod fkd_import;
mod foreign_teacher_folders;
mod foreign_teachers;
mod fuzzing;
#[cfg(target_os = "linux")]
mod gpu_script;
mod hard_times;
mod input_folders;
#[cfg(unix)]
mod jobs;
#[cfg(unix)]
mod killed;
mod lite0;
mod lite_weights;
#[cfg(unix)]
mod lost_work;
#[cfg(target_os = "linux")]
mod million;
#[cfg(unix)]
mod onnx_teachers;
#[cfg(unix)]
mod options;
mod other_images;
mod page;
mod page_data;
mod page_offline;
mod page_onnx;
mod page_reach;
mod parallel;
mod pillow;
mod plan;
mod program;
mod python_package;
mod real_images;
mod recipes;
mod reference_models;
#[cfg(unix)]
mod refusals;
mod scale;
mod shaders;
mod soft_cuda;
mod store_python;
mod sweep;
mod tensorboard;
mod torch_files;
mod torchvision_keys;
mod transfer;
