//! The kernels beside plain loops and sums in f64. One program, for what is compiled for every instruction set takes long.

mod convolutions;
mod gelu;
mod norms;
mod pools;
mod reference;
