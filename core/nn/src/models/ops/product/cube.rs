//! Matrix products on a GPU: in a page our own, else burn's.

use burn_cubecl::CubeBackend;
#[cfg(all(feature = "wgpu", any(target_family = "wasm", test)))]
use burn_cubecl::tensor::CubeTensor;

use super::ProductOps;

impl ProductOps for CubeBackend {
    #[cfg(target_family = "wasm")]
    fn product(a: CubeTensor, b: CubeTensor) -> CubeTensor {
        super::direct::product(a, b)
    }

    #[cfg(all(feature = "wgpu", test))]
    fn product(a: CubeTensor, b: CubeTensor) -> CubeTensor {
        use burn::backend::ops::FloatTensorOps;
        match super::super::cubes::takes_ours() {
            true => super::direct::product(a, b),
            false => Self::float_matmul(a, b),
        }
    }
}
