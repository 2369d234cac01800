//! How AdamW's kernel is launched.

use burn::backend::TensorMetadata;
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;

use super::super::cubes::{address, empty};
use super::{AdamWOps, AdamWStep, kernels};

/// Bytes of an f32.
const F32: usize = 4;

impl AdamWOps for CubeBackend {
    fn adamw(
        weight: CubeTensor,
        grad: CubeTensor,
        first: CubeTensor,
        second: CubeTensor,
        has_moments: bool,
        step: AdamWStep,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        let [weight, grad] = [weight, grad].map(into_contiguous);
        // A buffer may not be bound twice: where there are no moments, others that are not read stand for them.
        let moment = |moment| match has_moments {
            true => into_contiguous(moment),
            false => empty(&weight, weight.shape(), weight.dtype),
        };
        let (first, second) = (moment(first), moment(second));
        let client = weight.client.clone();
        let count = weight.shape().num_elements();
        let vector =
            client.io_optimized_vector_sizes(F32).find(|size| count.is_multiple_of(*size)).unwrap_or(1);
        let vectors = count / vector;
        let [new_weight, new_first, new_second] =
            [(); 3].map(|()| empty(&weight, weight.shape(), weight.dtype));
        let dim = CubeDim::new(&client, vectors);
        kernels::adamw::launch(
            &client,
            calculate_cube_count_elemwise(&client, vectors, dim),
            dim,
            address(&[&weight]),
            vector,
            weight.into_tensor_arg(),
            grad.into_tensor_arg(),
            first.into_tensor_arg(),
            second.into_tensor_arg(),
            new_weight.clone().into_tensor_arg(),
            new_first.clone().into_tensor_arg(),
            new_second.clone().into_tensor_arg(),
            vectors,
            step.betas[0],
            step.betas[1],
            step.corrections[0],
            step.corrections[1],
            step.keep,
            step.lr,
            step.epsilon,
            has_moments,
        );
        (new_weight, new_first, new_second)
    }
}
