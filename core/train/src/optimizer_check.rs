//! A walk of our own beside burn's optimizer: what must not differ.

use burn::optim::{Optimizer, RecordState, StateSink};
use burn::tensor::{Device, Tensor, TensorData};

use ferkd_method::rng::{Purpose, Stream};
use ferkd_nn::device::read::read;

/// Takes five steps of both, and finds the same bits in weights and state after each.
pub(super) fn assert_same_bits(ours: &impl Optimizer, burns: &impl Optimizer, what: &str) {
    let mut draw = Stream::new(1, Purpose::Weights, 0, 0);
    let mut tensor = || {
        let values: Vec<f32> = (0..70 * 500).map(|_| draw.normal() as f32).collect();
        Tensor::<2>::from_data(TensorData::new(values, [70, 500]), &Device::flex())
    };
    let bits = |t: &Tensor<2>| {
        let values = read(t.clone()).expect("the CPU can be read");
        values.into_iter().map(f32::to_bits).collect::<Vec<_>>()
    };
    let mut a = tensor();
    let mut b = a.clone();
    let (mut of_a, mut of_b) = (None, None);
    for step in 0..5 {
        // A gradient that does not lie in memory row by row.
        let grad = tensor().reshape([500, 70]).swap_dims(0, 1);
        let lr = 0.1 / f64::from(step + 1);
        (a, of_a) = ours.step(lr, a, grad.clone(), of_a);
        (b, of_b) = burns.step(lr, b, grad, of_b);
        assert_eq!(bits(&a), bits(&b), "{what}, step {step}");
        // Under burn's own names, so that a checkpoint of one goes on with the other.
        let (mut of_ours, mut of_burns) = (StateSink::default(), StateSink::default());
        of_a.as_ref().expect("a state").state_flatten("w", &mut of_ours);
        of_b.as_ref().expect("a state").state_flatten("w", &mut of_burns);
        assert_eq!(of_ours.tensors, of_burns.tensors, "{what}, step {step}");
    }
}
