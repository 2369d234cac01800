//! Position embeddings at another input side: resized as a picture of `width` channels, as timm does.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::F32;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use ferkd_data::tensor::HostTensor;
use ferkd_method::error::{Error, Result};

/// Resizes positions of shape (1, 1 + grid x grid, width) to `grid` patches along a side; the class token's, which
/// is first, stays.
///
/// Bicubic (a = -0.5), antialiased where the grid shrinks: PyTorch's `interpolate` with `antialias`.
///
/// # Errors
/// A tensor that holds no positions of a square grid with a class token.
pub fn resize_positions(positions: &HostTensor, grid: usize) -> Result<HostTensor> {
    let fail = |problem: String| Error::mismatch("pos_embed", problem);
    let (count, width) = match positions.shape[..] {
        [1, count, width] if count > 1 && positions.values.len() == count * width => (count, width),
        _ => return Err(fail(format!("its shape {:?} is not a list of positions", positions.shape))),
    };
    let old = (count - 1).isqrt();
    if old * old + 1 != count {
        return Err(fail(format!("{count} positions are not a square grid with a class token"))
            .remedy("only square inputs with one class token are known"));
    }
    if old == grid {
        return Ok(positions.clone());
    }
    let filter = ResizeAlg::Convolution(FilterType::CatmullRom);
    let options = ResizeOptions::new().resize_alg(filter).use_alpha(false);
    let mut resizer = Resizer::new();
    let mut values = vec![0.0; (1 + grid * grid) * width];
    values[..width].copy_from_slice(&positions.values[..width]);
    for channel in 0..width {
        let plane: Vec<F32> =
            positions.values[width..].iter().skip(channel).step_by(width).map(|&v| F32::new(v)).collect();
        let source = TypedImageRef::new(old as u32, old as u32, &plane).map_err(|e| fail(e.to_string()))?;
        let mut out = TypedImage::<F32>::new(grid as u32, grid as u32);
        resizer.resize_typed(&source, &mut out, &options).map_err(|e| fail(e.to_string()))?;
        let to = values[width..].iter_mut().skip(channel).step_by(width);
        to.zip(out.pixels()).for_each(|(to, pixel)| *to = pixel.0);
    }
    Ok(HostTensor { shape: vec![1, 1 + grid * grid, width], values })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_stays_a_slope_and_the_class_token_stays() {
        // Channel 0 is constant, channel 1 rises from left to right.
        let cells = (0..16).flat_map(|i| [2.0, (i % 4) as f32]);
        let values: Vec<f32> = [7.0, 9.0].into_iter().chain(cells).collect();
        let positions = HostTensor { shape: vec![1, 17, 2], values };
        let larger = resize_positions(&positions, 8).unwrap();
        assert_eq!(larger.shape, [1, 65, 2]);
        assert_eq!(larger.values[..2], [7.0, 9.0]);
        assert!((1..65).all(|i| (larger.values[2 * i] - 2.0).abs() < 1e-6));
        // Halves of a step in the middle of the row.
        let row: Vec<f32> = (1..9).map(|i| larger.values[2 * i + 1]).collect();
        assert!((row[4] - row[3] - 0.5).abs() < 0.1 && row.is_sorted(), "{row:?}");
        assert_eq!(resize_positions(&positions, 4).unwrap(), positions);
    }

    #[test]
    fn what_is_no_grid_is_refused() {
        let odd = HostTensor { shape: vec![1, 12, 1], values: vec![0.0; 12] };
        assert!(resize_positions(&odd, 4).is_err());
        assert!(resize_positions(&HostTensor { shape: vec![3], values: vec![0.0; 3] }, 4).is_err());
    }
}
