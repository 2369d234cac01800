//! Queries, keys and values are cut out and put side by side.

#![allow(clippy::too_many_arguments, reason = "what a kernel takes are its bindings")]

use cubecl::prelude::*;
use cubecl::std::FastDivmod;

/// Extents of queries, (N, heads, tokens, head), a head in vectors.
#[derive(CubeType, CubeLaunch)]
pub(super) struct Extents {
    heads: FastDivmod<usize>,
    tokens: FastDivmod<usize>,
    head: FastDivmod<usize>,
    /// The last two again, to multiply by.
    token_count: usize,
    head_vectors: usize,
    /// Vectors of all heads of a token, and from one token's queries, keys and values to the next one's.
    width: usize,
    step: usize,
}

#[cube]
impl Extents {
    /// Where a place of the queries lies among queries, keys and values side by side: the key's is `width` further, the
    /// value's twice as far.
    fn offset(&self, place: usize) -> usize {
        let (rest, number) = self.head.div_mod(place);
        let (rest, token) = self.tokens.div_mod(rest);
        let (picture, head) = self.heads.div_mod(rest);
        (picture * self.token_count + token) * self.step + head * self.head_vectors + number
    }
}

/// Cuts queries, keys and values out.
#[cube(launch, address_type = "dynamic")]
pub(super) fn split_heads<F: Float, N: Size>(
    qkv: &Tensor<Vector<F, N>>,
    q: &mut Tensor<Vector<F, N>>,
    k: &mut Tensor<Vector<F, N>>,
    v: &mut Tensor<Vector<F, N>>,
    extents: Extents,
    vectors: usize,
    #[define(F)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= vectors {
        terminate!();
    }
    let place = extents.offset(ABSOLUTE_POS);
    q[ABSOLUTE_POS] = qkv[place];
    k[ABSOLUTE_POS] = qkv[place + extents.width];
    v[ABSOLUTE_POS] = qkv[place + 2 * extents.width];
}

/// Puts queries, keys and values side by side.
#[cube(launch, address_type = "dynamic")]
pub(super) fn merge_heads<F: Float, N: Size>(
    q: &Tensor<Vector<F, N>>,
    k: &Tensor<Vector<F, N>>,
    v: &Tensor<Vector<F, N>>,
    qkv: &mut Tensor<Vector<F, N>>,
    extents: Extents,
    vectors: usize,
    #[define(F)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= vectors {
        terminate!();
    }
    let place = extents.offset(ABSOLUTE_POS);
    qkv[place] = q[ABSOLUTE_POS];
    qkv[place + extents.width] = k[ABSOLUTE_POS];
    qkv[place + 2 * extents.width] = v[ABSOLUTE_POS];
}
