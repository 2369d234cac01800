//! Queries, keys and values on the CPU.

use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;
use rayon::prelude::*;

use super::super::cast::cast;
use super::super::elements::{Number, elements, in_type, wide};
use super::AttentionOps;

fn split_heads<E: Number>(qkv: &FlexTensor, heads: usize) -> [FlexTensor; 3] {
    let [n, tokens, three] = qkv.shape().dims();
    let (width, head) = (three / 3, three / 3 / heads);
    let qkv = qkv.to_contiguous();
    let all = elements::<E>(&qkv);
    std::array::from_fn(|part| {
        let mut out = vec![E::narrow(0.0); n * tokens * width];
        out.par_chunks_mut((tokens * head).max(1)).enumerate().for_each(|(i, out)| {
            let (picture, number) = (i / heads, i % heads);
            let first = picture * tokens * three + part * width + number * head;
            for (token, out) in out.chunks_mut(head.max(1)).enumerate() {
                out.copy_from_slice(&all[first + token * three..][..head]);
            }
        });
        FlexTensor::from_data(TensorData::new(out, [n, heads, tokens, head]))
    })
}

fn merge_heads<E: Number>(parts: [&FlexTensor; 3]) -> FlexTensor {
    let [n, heads, tokens, head] = parts[0].shape().dims();
    let width = heads * head;
    let parts = parts.map(FlexTensor::to_contiguous);
    let all = parts.each_ref().map(elements::<E>);
    let mut out = vec![E::narrow(0.0); n * tokens * 3 * width];
    out.par_chunks_mut((3 * width).max(1)).enumerate().for_each(|(i, out)| {
        let (picture, token) = (i / tokens, i % tokens);
        for (number, out) in out.chunks_mut(head.max(1)).enumerate() {
            let (part, number) = (number / heads, number % heads);
            let first = ((picture * heads + number) * tokens + token) * head;
            out.copy_from_slice(&all[part][first..][..head]);
        }
    });
    FlexTensor::from_data(TensorData::new(out, [n, tokens, 3 * width]))
}

impl AttentionOps for Flex {
    fn split_heads(qkv: FlexTensor, heads: usize) -> (FlexTensor, FlexTensor, FlexTensor) {
        let dtype = qkv.dtype();
        let [q, k, v] = in_type!(
            dtype,
            |E| split_heads::<E>(&qkv, heads),
            otherwise split_heads::<f32>(&wide(qkv), heads).map(|part| cast::<Self>(part, dtype.into()))
        );
        (q, k, v)
    }

    fn merge_heads(q: FlexTensor, k: FlexTensor, v: FlexTensor) -> FlexTensor {
        let dtype = q.dtype();
        in_type!(
            dtype,
            |E| merge_heads::<E>([&q, &k, &v]),
            otherwise cast::<Self>(merge_heads::<f32>([&wide(q), &wide(k), &wide(v)]), dtype.into())
        )
    }
}
