//! Data-parallel training: one step computed by several devices of a process, and by several processes.
//!
//! Every device has a copy of the student and its optimizer, a replica. It computes the gradients of its share of the
//! step's regions; the shares are summed in one fixed order, so that no result depends on who was faster; and every
//! replica takes the same step, so that all stay the same to the bit without sending weights around.
//!
//! - `replica_group`: a step by the replicas of this process, and by the processes that train with it.
//! - `gradients`: the gradients of a student as one row of numbers, and back; `adding`: one row added to another.
//! - [`processes`]: whether `mpirun` or `srun` started several processes, and which of them this is.
//! - `group`: what processes do together; `mpi`: how MPI does it.
//! - `parts`: batch norms by the statistics of all devices (`--sync-batch-norm`).
//! - `agree`: processes check that they train the same, and take up one state.
//! - `nccl`: the sum over CUDA devices, of one process and of several.
//!
//! `docs/parallel.md` says what is equal to what, and what a step sends.

#[cfg(not(target_family = "wasm"))]
mod adding;
#[cfg(not(target_family = "wasm"))]
mod agree;
#[cfg(not(target_family = "wasm"))]
mod gradients;
#[cfg(not(target_family = "wasm"))]
mod group;
#[cfg(all(feature = "mpi", not(target_family = "wasm")))]
mod mpi;
#[cfg(all(feature = "cuda", not(target_family = "wasm")))]
mod nccl;
#[cfg(not(target_family = "wasm"))]
mod parts;
#[cfg(not(target_family = "wasm"))]
pub mod processes;
pub(super) mod replica_group;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod settings;
#[cfg(test)]
mod tests;

#[cfg(not(target_family = "wasm"))]
pub use processes::Processes;
