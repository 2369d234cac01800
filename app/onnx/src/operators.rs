//! The operators that a file may use: those of classifiers as torchvision and timm export them.

use rten::{OpRegistry, op_registry};

/// The registry and the list from one list.
macro_rules! operators {
    ($($name:ident),* $(,)?) => {
        /// The operators that a file may use, besides `Constant`.
        pub const OPERATORS: &[&str] = &[$(stringify!($name)),*];

        /// These operators and no others: what is not named here is not linked.
        pub(crate) fn registry() -> OpRegistry {
            op_registry!($($name),*)
        }
    };
}

operators![
    Abs,
    Add,
    And,
    AveragePool,
    BatchNormalization,
    Cast,
    Ceil,
    Clip,
    Concat,
    ConstantOfShape,
    Conv,
    Cos,
    Div,
    Elu,
    Equal,
    Erf,
    Exp,
    Expand,
    Flatten,
    Floor,
    Gather,
    Gelu,
    Gemm,
    GlobalAveragePool,
    Greater,
    HardSigmoid,
    HardSwish,
    Identity,
    InstanceNormalization,
    LayerNormalization,
    LeakyRelu,
    Less,
    Log,
    LogSoftmax,
    MatMul,
    Max,
    MaxPool,
    Min,
    Mod,
    Mul,
    Neg,
    Not,
    PRelu,
    Pad,
    Pow,
    Range,
    Reciprocal,
    ReduceL2,
    ReduceMax,
    ReduceMean,
    ReduceSum,
    Relu,
    Reshape,
    ScatterND,
    Shape,
    Sigmoid,
    Sin,
    Slice,
    Softmax,
    Softplus,
    Split,
    Sqrt,
    Squeeze,
    Sub,
    Tanh,
    Tile,
    Transpose,
    Unsqueeze,
    Where,
];

#[cfg(test)]
mod tests {
    use super::OPERATORS;

    #[test]
    fn each_operator_is_named_once_in_the_order_of_names() {
        assert!(OPERATORS.windows(2).all(|pair| pair[0] < pair[1]), "{OPERATORS:?}");
    }
}
