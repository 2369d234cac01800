//! The textbook, in f64: what the kernels are held to.

use crate::pixels::Way;
use crate::shape::ConvShape;

/// Calls `f` with each output number, input number and weight that meet.
fn each(shape: &ConvShape, mut f: impl FnMut(usize, usize, usize)) {
    let [height, width] = shape.output();
    let (inputs, outputs) = (shape.group_channels(), shape.group_outputs());
    for n in 0..shape.batch {
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            for tap in 0..shape.taps() {
                let [ty, tx] = shape.tap(tap);
                let from = Way::Forward.axis(shape, 0, y, ty).zip(Way::Forward.axis(shape, 1, x, tx));
                let Some((iy, ix)) = from else { continue };
                for output in 0..shape.outputs {
                    for c in 0..inputs {
                        let pixel = (n * shape.input[0] + iy) * shape.input[1] + ix;
                        f(
                            ((n * height + y) * width + x) * shape.outputs + output,
                            pixel * shape.channels + output / outputs * inputs + c,
                            (output * inputs + c) * shape.taps() + tap,
                        );
                    }
                }
            }
        }
    }
}

pub(crate) fn forward(shape: &ConvShape, x: &[f32], weight: &[f32]) -> Vec<f64> {
    let mut y = vec![0.0; shape.output_len()];
    each(shape, |o, i, w| y[o] += f64::from(x[i]) * f64::from(weight[w]));
    y
}

pub(crate) fn data_gradient(shape: &ConvShape, grad: &[f32], weight: &[f32]) -> Vec<f64> {
    let mut dx = vec![0.0; shape.input_len()];
    each(shape, |o, i, w| dx[i] += f64::from(grad[o]) * f64::from(weight[w]));
    dx
}

pub(crate) fn weight_gradient(shape: &ConvShape, grad: &[f32], x: &[f32]) -> Vec<f64> {
    let mut dw = vec![0.0; shape.weight_len()];
    each(shape, |o, i, w| dw[w] += f64::from(grad[o]) * f64::from(x[i]));
    dw
}
