//! Where a convolution or a pool puts its padding.

use burn::nn::PaddingConfig2d;

/// Padding before and behind the rows and the columns of a picture of `size` (height, width), in pixels.
pub(super) fn padding(
    config: &PaddingConfig2d,
    size: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
) -> [(usize, usize); 2] {
    match *config {
        PaddingConfig2d::Valid => [(0, 0); 2],
        PaddingConfig2d::Explicit(top, left, bottom, right) => [(top, bottom), (left, right)],
        // As many outputs as strides, and the odd pixel behind: TensorFlow's SAME.
        PaddingConfig2d::Same => std::array::from_fn(|i| {
            let reach = (size[i].div_ceil(stride[i]).max(1) - 1) * stride[i] + kernel[i];
            let missing = reach.saturating_sub(size[i]);
            (missing / 2, missing - missing / 2)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_is_tensorflows() {
        let same = |size, kernel, stride| padding(&PaddingConfig2d::Same, size, kernel, stride);
        // 3 windows of 5 at stride 2 reach over 9 pixels, 4 of 3 over 9.
        assert_eq!(same([6, 8], [5, 3], [2, 2]), [(1, 2), (0, 1)]);
        assert_eq!(same([7, 1], [1, 3], [1, 2]), [(0, 0), (1, 1)]);
    }

    #[test]
    fn explicit_padding_goes_to_its_sides() {
        let explicit = PaddingConfig2d::Explicit(1, 2, 3, 4);
        assert_eq!(padding(&explicit, [9, 9], [3, 3], [1, 1]), [(1, 3), (2, 4)]);
    }
}
