//! Which regions of a step are mixed with which, and their pixels.

use super::select::Selection;
use ferkd_method::error::Result;
use ferkd_method::selfmix::Mixing;

/// The mixing of a step, region by region.
pub struct StepMix {
    /// Place of the region that each is mixed with; its own where it is not mixed.
    pub partners: Vec<u32>,
    /// How it is mixed; none where it is not.
    pub mixings: Vec<Option<Mixing>>,
}

impl StepMix {
    /// Nothing is mixed; `per_image` is the number of regions of each image.
    pub fn none(per_image: &[usize]) -> Self {
        let regions: usize = per_image.iter().sum();
        Self { partners: (0..regions as u32).collect(), mixings: vec![None; regions] }
    }

    /// Mixes the regions of each image in its own way, `mixings`, with `partners`.
    pub fn of(mut partners: Vec<u32>, mixings: &[Option<Mixing>], per_image: &[usize]) -> Self {
        let mixings: Vec<Option<Mixing>> =
            mixings.iter().zip(per_image).flat_map(|(&mixing, &n)| std::iter::repeat_n(mixing, n)).collect();
        for (i, partner) in partners.iter_mut().enumerate().filter(|(i, _)| mixings[*i].is_none()) {
            *partner = i as u32;
        }
        Self { partners, mixings }
    }
}

/// Partners within each image: `of_image` gives places within an image, by its place in the step.
pub(super) fn similar(
    chosen: &[Selection],
    of_image: impl Fn(usize, &Selection) -> Result<Vec<usize>>,
) -> Result<Vec<u32>> {
    let mut partners = Vec::new();
    for (place, selection) in chosen.iter().enumerate() {
        let start = partners.len();
        partners.extend(of_image(place, selection)?.into_iter().map(|partner| (start + partner) as u32));
    }
    Ok(partners)
}

/// Mixes each picture with the unmixed pixels of another: `source` is its place. Pictures behind them stay.
pub(super) fn mix_rows(pixels: &mut [f32], side: u32, source: &[usize], mixings: &[Option<Mixing>]) {
    if mixings.iter().all(Option::is_none) {
        return;
    }
    let row = 3 * side as usize * side as usize;
    let before = pixels.to_vec();
    for ((picture, partner), mixing) in pixels.chunks_mut(row).zip(source).zip(mixings) {
        if let Some(mixing) = mixing {
            let start = partner * row;
            mixing.apply(picture, &before[start..start + row], side);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferkd_method::selfmix::Operator;

    const HALF: Mixing = Mixing { operator: Operator::Pixels, l: 0.5 };

    #[test]
    fn rows_are_mixed_with_unmixed_partners() {
        let mut pixels: Vec<f32> = (0..3).flat_map(|i| vec![i as f32; 12]).collect();
        mix_rows(&mut pixels, 2, &[1, 2, 0], &[Some(HALF); 3]);
        assert_eq!([pixels[0], pixels[12], pixels[24]], [0.5, 1.5, 1.0]);
    }

    #[test]
    fn several_rows_may_have_one_partner_and_some_none() {
        let mut pixels: Vec<f32> = (0..3).flat_map(|i| vec![i as f32; 12]).collect();
        mix_rows(&mut pixels, 2, &[2, 2, 2], &[Some(HALF), Some(HALF), None]);
        assert_eq!([pixels[0], pixels[12], pixels[24]], [1.0, 1.5, 2.0]);
    }

    #[test]
    fn what_is_not_mixed_is_its_own_partner() {
        let mix = StepMix::of(vec![1, 0, 3, 2], &[None, Some(HALF)], &[2, 2]);
        assert_eq!(mix.partners, [0, 1, 3, 2]);
        assert_eq!(mix.mixings, [None, None, Some(HALF), Some(HALF)]);
    }
}
