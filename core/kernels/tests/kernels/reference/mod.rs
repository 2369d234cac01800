//! The textbook, in f64: what the kernels are held to.

use ferkd_kernels::ConvShape;

/// The input's row or column that an output's reads through a tap; nothing for padding.
fn read(shape: &ConvShape, axis: usize, at: usize, tap: usize) -> Option<usize> {
    let reach = at * shape.stride[axis] + tap * shape.dilation[axis];
    reach.checked_sub(shape.padding[axis].0).filter(|&from| from < shape.input[axis])
}

/// Calls `f` with each output number, input number and weight that meet.
fn each(shape: &ConvShape, mut f: impl FnMut(usize, usize, usize)) {
    let [height, width] = shape.output();
    let (inputs, outputs) = (shape.channels / shape.groups, shape.outputs / shape.groups);
    let [down, across] = shape.kernel;
    for n in 0..shape.batch {
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            for tap in 0..down * across {
                let from = read(shape, 0, y, tap / across).zip(read(shape, 1, x, tap % across));
                let Some((iy, ix)) = from else { continue };
                for output in 0..shape.outputs {
                    for c in 0..inputs {
                        let pixel = (n * shape.input[0] + iy) * shape.input[1] + ix;
                        f(
                            ((n * height + y) * width + x) * shape.outputs + output,
                            pixel * shape.channels + output / outputs * inputs + c,
                            (output * inputs + c) * down * across + tap,
                        );
                    }
                }
            }
        }
    }
}

pub fn forward(shape: &ConvShape, x: &[f32], weight: &[f32]) -> Vec<f64> {
    let mut y = vec![0.0; shape.output_len()];
    each(shape, |o, i, w| y[o] += f64::from(x[i]) * f64::from(weight[w]));
    y
}

pub fn data_gradient(shape: &ConvShape, grad: &[f32], weight: &[f32]) -> Vec<f64> {
    let mut dx = vec![0.0; shape.input_len()];
    each(shape, |o, i, w| dx[i] += f64::from(grad[o]) * f64::from(weight[w]));
    dx
}

pub fn weight_gradient(shape: &ConvShape, grad: &[f32], x: &[f32]) -> Vec<f64> {
    let mut dw = vec![0.0; shape.weight_len()];
    each(shape, |o, i, w| dw[w] += f64::from(grad[o]) * f64::from(x[i]));
    dw
}
