//! Batch norms on a GPU: how the kernels are launched.

use burn::backend::TensorMetadata;
use burn::tensor::DType;
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::client::Client;
use cubecl::ir::ElemType;
use cubecl::prelude::*;
use cubecl::{calculate_cube_count_elemwise, tensor_vector_size_parallel};

use super::super::cubes::{Sharing, address, cube_dim, elem_type, empty, rows_arg};
use super::kernels::{self, StepsLaunch};
use super::{BatchNormOps, Rule};
use crate::models::ops::activation::Activation;

/// An activation as the kernels walk it: (N, C, pixels) in the order it has in memory.
struct Walk {
    tensor: CubeTensor,
    pictures: usize,
    channels: usize,
    area: usize,
    channels_last: bool,
}

impl Walk {
    /// `x` has shape (N, C, H, W). Its pixels must lie in one row: else it is laid out again.
    fn of(x: CubeTensor) -> Self {
        let [pictures, channels, height, width] = x.meta.shape().dims();
        let strides = x.meta.strides();
        let in_one_row = height == 1 || width == 1 || strides[2] == width * strides[3];
        let x = if in_one_row { x } else { into_contiguous(x) };
        let mut tensor = x;
        let (_, by_column) = tensor.meta.remove(3);
        let (_, by_row) = tensor.meta.remove(2);
        let step = if width == 1 { by_row } else { by_column };
        let area = height * width;
        tensor.meta.insert(2, area, if area == 1 { 1 } else { step });
        let channels_last = channels > 1 && tensor.meta.strides()[1] == 1;
        Self { tensor, pictures, channels, area, channels_last }
    }

    fn rows(&self) -> usize {
        self.pictures * self.area
    }

    /// The same without gaps, in one of the two layouts.
    fn dense(self) -> Self {
        let (strides, [_, channels, area]) = (self.tensor.meta.strides(), self.tensor.meta.shape().dims());
        let dense =
            if self.channels_last { [area * channels, 1, channels] } else { [channels * area, area, 1] };
        let same = |i: usize| self.tensor.meta.shape()[i] == 1 || strides[i] == dense[i];
        if (0..3).all(same) {
            return self;
        }
        let tensor = into_contiguous(self.tensor);
        Self { tensor, channels_last: false, ..self }
    }

    /// The axis that vectors lie along.
    fn axis(&self) -> usize {
        if self.channels_last { 1 } else { 2 }
    }

    /// Numbers of a vector along an axis.
    fn vector(&self, axis: usize) -> usize {
        let (shape, strides) = (self.tensor.meta.shape(), self.tensor.meta.strides());
        let sizes = self.tensor.client.io_optimized_vector_sizes(self.tensor.dtype.size());
        tensor_vector_size_parallel(sizes, shape, strides, axis)
    }

    /// Steps in vectors of `vector` numbers along an axis.
    fn steps(&self, vector: usize, axis: usize) -> StepsLaunch {
        let strides = self.tensor.meta.strides();
        let step = |i: usize| if i == axis { strides[i] } else { strides[i] / vector };
        StepsLaunch::new(step(0), step(1), step(2))
    }

    fn dtype(&self) -> ElemType {
        elem_type(&self.tensor)
    }

    /// Rows of one f32 a channel.
    fn by_channel(&self, rows: usize) -> CubeTensor {
        empty(&self.tensor, [rows, self.channels], DType::F32)
    }

    /// One f32 a channel.
    fn vector_by_channel(&self) -> CubeTensor {
        empty(&self.tensor, [self.channels], DType::F32)
    }

    /// How sums over each channel are shared, and pixels of a picture, in vectors of `vector` numbers.
    fn sharing(&self, vector: usize) -> (Sharing, usize) {
        let client = &self.tensor.client;
        if self.channels_last {
            let columns = self.channels / vector;
            (Sharing::of(client, columns, self.rows(), vector, true), self.area)
        } else {
            (Sharing::of(client, self.channels, self.rows() / vector, vector, false), self.area / vector)
        }
    }
}

/// What is done to every number of an activation by itself.
struct Each {
    /// The activation, without gaps, which the output lies in memory like.
    x: Walk,
    out: CubeTensor,
    /// Numbers of a vector, and vectors in all.
    vector: usize,
    vectors: usize,
}

impl Each {
    /// `others` are read along with it.
    fn of(x: CubeTensor, others: &[&Walk]) -> Self {
        let shape = x.shape();
        let x = Walk::of(x).dense();
        let mut out = empty(&x.tensor, shape.clone(), x.tensor.dtype);
        if x.channels_last {
            let [_, channels, height, width] = shape.dims();
            let strides = [height * width * channels, 1, width * channels, channels];
            out.meta.strides_mut().iter_mut().zip(strides).for_each(|(stride, new)| *stride = new);
        }
        let axis = x.axis();
        let vector = others.iter().map(|other| other.vector(axis)).fold(x.vector(axis), usize::min);
        let vectors = x.tensor.meta.num_elements() / vector;
        Self { x, out, vector, vectors }
    }

    fn client(&self) -> Client {
        self.x.tensor.client.clone()
    }

    fn cubes(&self) -> (CubeCount, CubeDim) {
        let (client, vectors) = (self.client(), self.vectors);
        let dim = CubeDim::new(&client, vectors);
        (calculate_cube_count_elemwise(&client, vectors, dim), dim)
    }

    /// Vectors of channels, and of pixels of a picture.
    fn planes_and_area(&self) -> (usize, usize) {
        if self.x.channels_last {
            (self.x.channels / self.vector, self.x.area)
        } else {
            (self.x.channels, self.x.area / self.vector)
        }
    }

    fn address(&self, others: &[&Walk]) -> AddressType {
        let others = others.iter().map(|other| &other.tensor);
        address(&others.chain([&self.x.tensor, &self.out]).collect::<Vec<_>>())
    }

    fn steps(&self, other: &Walk) -> StepsLaunch {
        other.steps(self.vector, self.x.axis())
    }

    fn input(&self) -> TensorArg {
        self.x.tensor.clone().into_tensor_arg()
    }

    fn output(&self) -> TensorArg {
        self.out.clone().into_tensor_arg()
    }
}

impl BatchNormOps for CubeBackend {
    fn batch_statistics(
        x: CubeTensor,
        gamma: CubeTensor,
        running_mean: CubeTensor,
        running_variance: CubeTensor,
        rule: Rule,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        let x = Walk::of(x);
        let client = x.tensor.client.clone();
        let (axis, vector) = (x.axis(), x.vector(x.axis()));
        let (sharing, area) = x.sharing(vector);
        let shares = x.by_channel(2 * sharing.cubes.1 + 1);
        let norm = x.by_channel(3);
        let [mean, variance] = [(); 2].map(|()| x.vector_by_channel());
        let (units, count) = sharing.finishing(&client, x.channels);
        let rows = x.rows() as f32;
        kernels::sum_activations::launch(
            &client,
            sharing.count(),
            cube_dim(sharing.units),
            address(&[&x.tensor, &shares]),
            vector,
            x.tensor.clone().into_tensor_arg(),
            shares.clone().into_tensor_arg(),
            x.steps(vector, axis),
            area,
            sharing.rows.0,
            sharing.rows.1,
            x.channels,
            sharing.units,
            x.dtype(),
        );
        kernels::finish_statistics::launch(
            &client,
            count,
            cube_dim(units),
            address(&[&shares]),
            1,
            shares.into_tensor_arg(),
            rows_arg(gamma),
            rows_arg(running_mean),
            rows_arg(running_variance),
            norm.clone().into_tensor_arg(),
            mean.clone().into_tensor_arg(),
            variance.clone().into_tensor_arg(),
            x.channels,
            sharing.cubes.1,
            rows,
            rule.epsilon as f32,
            rule.momentum as f32,
            rows / (rows - 1.0).max(1.0),
            units,
        );
        (norm, mean, variance)
    }

    fn normalise(x: CubeTensor, norm: CubeTensor, beta: CubeTensor, activation: Activation) -> CubeTensor {
        let each = Each::of(x, &[]);
        let ((count, dim), (planes, area)) = (each.cubes(), each.planes_and_area());
        kernels::normalise::launch(
            &each.client(),
            count,
            dim,
            each.address(&[]),
            each.vector,
            each.input(),
            rows_arg(norm),
            rows_arg(beta),
            each.output(),
            planes,
            area,
            each.x.channels,
            each.vectors,
            each.x.channels_last,
            activation,
            each.x.dtype(),
        );
        each.out
    }

    fn normalise_add(
        x: CubeTensor,
        norm: CubeTensor,
        beta: CubeTensor,
        other: CubeTensor,
        activation: Activation,
    ) -> CubeTensor {
        let other = Walk::of(other);
        let each = Each::of(x, &[&other]);
        let ((count, dim), (planes, area)) = (each.cubes(), each.planes_and_area());
        kernels::normalise_add::launch(
            &each.client(),
            count,
            dim,
            each.address(&[&other]),
            each.vector,
            each.input(),
            rows_arg(norm),
            rows_arg(beta),
            other.tensor.clone().into_tensor_arg(),
            each.output(),
            each.steps(&other),
            planes,
            area,
            each.x.channels,
            each.vectors,
            each.x.channels_last,
            activation,
            each.x.dtype(),
        );
        each.out
    }

    fn activation_backward(grad: CubeTensor, y: CubeTensor, activation: Activation) -> CubeTensor {
        let grad = Walk::of(grad);
        let each = Each::of(y, &[&grad]);
        let ((count, dim), (planes, area)) = (each.cubes(), each.planes_and_area());
        kernels::activation_backward::launch(
            &each.client(),
            count,
            dim,
            each.address(&[&grad]),
            each.vector,
            grad.tensor.clone().into_tensor_arg(),
            each.input(),
            each.output(),
            each.steps(&grad),
            planes,
            area,
            each.vectors,
            each.x.channels_last,
            activation,
            each.x.dtype(),
        );
        each.out
    }

    fn gradient_statistics(
        grad: CubeTensor,
        x: CubeTensor,
        norm: CubeTensor,
        beta: CubeTensor,
        rule: Rule,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        let (grad, x, norm) = (Walk::of(grad), Walk::of(x), into_contiguous(norm));
        let client = x.tensor.client.clone();
        let axis = x.axis();
        let vector = x.vector(axis).min(grad.vector(axis));
        let (sharing, area) = x.sharing(vector);
        let shares = x.by_channel(2 * sharing.cubes.1);
        let [gamma_grad, beta_grad] = [(); 2].map(|()| x.vector_by_channel());
        let line = x.by_channel(2);
        let (units, count) = sharing.finishing(&client, x.channels);
        kernels::sum_gradients::launch(
            &client,
            sharing.count(),
            cube_dim(sharing.units),
            address(&[&x.tensor, &grad.tensor, &shares]),
            vector,
            grad.tensor.clone().into_tensor_arg(),
            x.tensor.clone().into_tensor_arg(),
            norm.clone().into_tensor_arg(),
            rows_arg(beta),
            shares.clone().into_tensor_arg(),
            grad.steps(vector, axis),
            x.steps(vector, axis),
            area,
            sharing.rows.0,
            sharing.rows.1,
            x.channels,
            sharing.units,
            rule.activation,
            x.dtype(),
        );
        kernels::finish_gradients::launch(
            &client,
            count,
            cube_dim(units),
            address(&[&shares]),
            1,
            shares.into_tensor_arg(),
            norm.into_tensor_arg(),
            gamma_grad.clone().into_tensor_arg(),
            beta_grad.clone().into_tensor_arg(),
            line.clone().into_tensor_arg(),
            x.channels,
            sharing.cubes.1,
            x.rows() as f32,
            rule.epsilon as f32,
            units,
        );
        (gamma_grad, beta_grad, line)
    }

    fn normalise_backward(
        grad: CubeTensor,
        x: CubeTensor,
        norm: CubeTensor,
        beta: CubeTensor,
        line: CubeTensor,
        activation: Activation,
    ) -> CubeTensor {
        let grad = Walk::of(grad);
        let each = Each::of(x, &[&grad]);
        let ((count, dim), (planes, area)) = (each.cubes(), each.planes_and_area());
        kernels::normalise_backward::launch(
            &each.client(),
            count,
            dim,
            each.address(&[&grad]),
            each.vector,
            grad.tensor.clone().into_tensor_arg(),
            each.input(),
            rows_arg(norm),
            rows_arg(beta),
            rows_arg(line),
            each.output(),
            each.steps(&grad),
            planes,
            area,
            each.x.channels,
            each.vectors,
            each.x.channels_last,
            activation,
            each.x.dtype(),
        );
        each.out
    }
}
