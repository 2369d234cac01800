//! Data-parallel training: one step computed by several devices of a process, and by several processes.
//!
//! Every device has a copy of the student and its optimizer, a replica. It computes the gradients of its share of the
//! step's regions; the shares are summed in one fixed order, so that no result depends on who was faster; and every
//! replica takes the same step, so that all stay the same to the bit without sending weights around.
//!
//! - `team`: a step by the replicas of this process, and by the processes that it has met.
//! - `gradients`: the gradients of a student as one row of numbers, and back.
//! - `nccl`: the sum over CUDA devices of one process.
//! - [`meet`](Meeting): processes find each other, and check that they train the same.
//! - `ring`: the sum over processes, over TCP; `link` and `frame`: what goes over a connection.
//!
//! `docs/parallel.md` says what is equal to what, and what a step sends.

#[cfg(not(target_family = "wasm"))]
mod follow;
#[cfg(not(target_family = "wasm"))]
mod frame;
#[cfg(not(target_family = "wasm"))]
mod gradients;
#[cfg(not(target_family = "wasm"))]
mod link;
#[cfg(not(target_family = "wasm"))]
mod meet;
#[cfg(all(feature = "cuda", not(target_family = "wasm")))]
mod nccl;
#[cfg(not(target_family = "wasm"))]
mod node;
#[cfg(not(target_family = "wasm"))]
mod ring;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod settings;
mod team;
#[cfg(test)]
mod tests;

#[cfg(not(target_family = "wasm"))]
pub(super) use follow::follow;
#[cfg(not(target_family = "wasm"))]
pub use meet::Meeting;
#[cfg(not(target_family = "wasm"))]
pub use node::Node;
pub(super) use team::{Step, Team};
