//! Labels that others made, into a store of ours.

pub mod fkd;
