//! Data-parallel training: one step computed by several devices of a process, and by several processes.
//!
//! Every device has a copy of the student and its optimizer, a replica. It computes the gradients of its share of the
//! step's regions; the shares are summed in one fixed order, so that no result depends on who was faster; and every
//! replica takes the same step, so that all stay the same to the bit without sending weights around.
//!
//! - `replica_group`: a step by the replicas of this process, and by the processes that it has met.
//! - `gradients`: the gradients of a student as one row of numbers, and back.
//! - `nccl`: the sum over CUDA devices of one process.
//! - [`rendezvous`](Rendezvous): processes find each other, and check that they train the same; `join`: they take up one state.
//! - `follow`: what a process does that writes nothing.
//! - `ring`: the sum over processes, over TCP; `link` and `frame`: what goes over a connection.
//!
//! `docs/parallel.md` says what is equal to what, and what a step sends.

#[cfg(not(target_family = "wasm"))]
pub(super) mod follow;
#[cfg(not(target_family = "wasm"))]
mod frame;
#[cfg(not(target_family = "wasm"))]
mod gradients;
#[cfg(not(target_family = "wasm"))]
mod join;
#[cfg(not(target_family = "wasm"))]
mod link;
#[cfg(all(feature = "cuda", not(target_family = "wasm")))]
mod nccl;
#[cfg(not(target_family = "wasm"))]
mod node;
#[cfg(not(target_family = "wasm"))]
mod rendezvous;
pub(super) mod replica_group;
#[cfg(not(target_family = "wasm"))]
mod ring;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod settings;
#[cfg(test)]
mod tests;

#[cfg(not(target_family = "wasm"))]
pub use node::Node;
#[cfg(not(target_family = "wasm"))]
pub use rendezvous::Rendezvous;
