//! Queries, keys and values on a GPU: how the kernels are launched.

use burn::backend::TensorMetadata;
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;

use super::super::cubes::{RowsOf, address, elem_type, empty};
use super::AttentionOps;
use super::kernels::{self, ExtentsLaunch};

/// How queries, (N, heads, tokens, head), are walked: vectors in all, and numbers of each.
struct Heads {
    shape: [usize; 4],
    vector: usize,
    vectors: usize,
}

impl Heads {
    /// Whole vectors of a head, which tokens of queries, keys and values side by side can be read in.
    fn of(qkv: &RowsOf, shape: [usize; 4]) -> Self {
        let sizes = qkv.tensor.client.io_optimized_vector_sizes(qkv.tensor.dtype.size());
        let vector = { sizes }.find(|&size| shape[3].is_multiple_of(size) && qkv.reads(size)).unwrap_or(1);
        Self { shape, vector, vectors: shape.iter().product::<usize>() / vector }
    }

    fn extents(&self, qkv: &RowsOf) -> ExtentsLaunch {
        let [_, heads, tokens, head] = self.shape;
        let head = head / self.vector;
        ExtentsLaunch::new(heads, tokens, head, tokens, head, heads * head, qkv.step(self.vector))
    }
}

impl AttentionOps for CubeBackend {
    fn split_heads(qkv: CubeTensor, heads: usize) -> (CubeTensor, CubeTensor, CubeTensor) {
        let rows = RowsOf::new(qkv);
        let qkv = &rows.tensor;
        let [n, tokens, three] = qkv.shape().dims();
        let of = Heads::of(&rows, [n, heads, tokens, three / 3 / heads]);
        let [q, k, v] = [(); 3].map(|()| empty(qkv, of.shape, qkv.dtype));
        let dim = CubeDim::new(&qkv.client, of.vectors);
        kernels::split_heads::launch(
            &qkv.client,
            calculate_cube_count_elemwise(&qkv.client, of.vectors, dim),
            dim,
            address(&[qkv]),
            of.vector,
            rows.arg(),
            q.clone().into_tensor_arg(),
            k.clone().into_tensor_arg(),
            v.clone().into_tensor_arg(),
            of.extents(&rows),
            of.vectors,
            elem_type(qkv),
        );
        (q, k, v)
    }

    fn merge_heads(q: CubeTensor, k: CubeTensor, v: CubeTensor) -> CubeTensor {
        let [q, k, v] = [q, k, v].map(into_contiguous);
        let [n, heads, tokens, head] = q.shape().dims();
        let rows = RowsOf::new(empty(&q, [n, tokens, 3 * heads * head], q.dtype));
        let of = Heads::of(&rows, [n, heads, tokens, head]);
        let dim = CubeDim::new(&q.client, of.vectors);
        kernels::merge_heads::launch(
            &q.client,
            calculate_cube_count_elemwise(&q.client, of.vectors, dim),
            dim,
            address(&[&rows.tensor]),
            of.vector,
            q.clone().into_tensor_arg(),
            k.into_tensor_arg(),
            v.into_tensor_arg(),
            rows.arg(),
            of.extents(&rows),
            of.vectors,
            elem_type(&q),
        );
        rows.tensor
    }
}
