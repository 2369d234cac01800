//! Files that are read by slices, wherever they are: a page fetches blocks of them, and a store or a run reads what
//! has come.
//!
//! A page can only read asynchronously, and a store reads at once. So a read of what is not here fails as one that
//! is on its way ([`ferkd_method::Error::is_pending`]) and notes what it lacks; the fetcher asks for it by
//! [`take_wanted`](Blocks::take_wanted) once a frame, and the read is made again in the next one.

mod block_cache;
mod blocks;
pub mod log;
#[cfg(test)]
mod tests;

pub use block_cache::MOST;
pub use blocks::{BLOCK, Blocks, Fetched, TAIL, Want};
