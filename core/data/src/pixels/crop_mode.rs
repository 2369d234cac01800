//! What part of a picture an evaluation sees, by timm's words for it (`crop_mode` in a model's `config.json`).
//!
//! Source: timm's `transforms_imagenet_eval` (`timm/data/transforms_factory.py`), its `ResizeKeepRatio` and
//! `center_crop_or_pad`.

use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::resize::{Filter, centre_resize_share, resize};
use ferkd_method::error::Result;
use ferkd_method::region::Region;

/// How a picture that is not square becomes one for an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CropMode {
    /// Its proportions are kept, and what lies beyond the centre's square is cut off.
    #[default]
    Center,
    /// Both of its sides are resized to the square's, whatever its proportions.
    Squash,
    /// Its proportions are kept, its long side fits into the square, and the rest is filled with the mean colour.
    Border,
}

/// The share that timm keeps where a configuration says none.
const SHARE: f64 = 0.875;

/// A picture as an evaluation sees it: a square of `floor(side / share)` pixels as `mode` makes one, then its centre
/// `side` x `side`. `share` is in (0, 1], timm's 0.875 if left out; `mean`, in 0..=1, is the colour of borders.
///
/// Returns RGB bytes of shape (side, side, 3).
///
/// # Errors
/// For [`CropMode::Center`] a picture more than 256 times as long as it is wide.
pub fn crop_by(
    image: &RgbImage,
    mode: CropMode,
    side: u32,
    share: Option<f64>,
    filter: Filter,
    mean: [f32; 3],
) -> Result<Vec<u8>> {
    let share = share.unwrap_or(SHARE);
    let (width, height) = image.dimensions();
    let square = ((f64::from(side) / share).floor() as u32).max(side);
    let (w, h) = match mode {
        CropMode::Center => return centre_resize_share(image, side, share, filter),
        CropMode::Squash => (square, square),
        CropMode::Border => {
            let ratio = f64::from(width.max(height)) / f64::from(square);
            let scaled = |length: u32| ((f64::from(length) / ratio).round_ties_even() as u32).max(1);
            (scaled(width), scaled(height))
        }
    };
    let whole = resize(image, &Region::whole(width, height), w, h, filter, <[u8]>::to_vec)?;
    let fill = mean.map(|channel| (255.0 * channel).round_ties_even() as u8);
    // Where the picture begins in the square; before it where it is cut off. Halves are rounded as timm does it.
    let begin = |length: u32| match length > side {
        true => -((f64::from(length - side) / 2.0).round_ties_even() as i64),
        false => i64::from((side - length) / 2),
    };
    let (left, top) = (begin(w), begin(h));
    let at = |place: u32, begin: i64, length: u32| {
        let place = i64::from(place) - begin;
        (0..i64::from(length)).contains(&place).then_some(place as usize)
    };
    let mut out = Vec::with_capacity(3 * (side * side) as usize);
    for y in 0..side {
        for x in 0..side {
            out.extend(match (at(y, top, h), at(x, left, w)) {
                (Some(y), Some(x)) => {
                    std::array::from_fn(|channel| whole[(y * w as usize + x) * 3 + channel])
                }
                _ => fill,
            });
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By timm 1.0.31 with Pillow 13.0.0: size, mode, `crop_pct`, interpolation, and the pixels at 10 x 10 as
    /// hexadecimal, with mean (0.5, 0.25, 0.75).
    type Golden = ((u32, u32), CropMode, f64, Filter, &'static str);
    const GOLDENS: [Golden; 4] = [
        (
            (23, 14),
            CropMode::Squash,
            0.8,
            Filter::Bilinear,
            "1a16032f160644160859160b6e160d841610991612ae1615c31617d8161a1a29062f290b44290f5929146e291884291d9929\
             22ae2927c3292bd829301a3d082f3d0f443d16593d1d6e3d24843d2b993d32ae3d38c33d3fd83d461a500b2f501444501d59\
             50266e502f845038995042ae504ac35053d8505c1a640e2f64194464245964306e643b846447996452ae645dc36468d86474\
             1a79112f791e44792c59793a6e7947847955997963ae7971c3797ed8798b1a8d142f8d23448d33598d446e8d53848d64998d\
             73ae8d84c38d94d88da31aa0162fa02844a03b59a04d6ea05e84a07199a083aea095c3a0a7d8a0b91ab4192fb42d44b44159\
             b4566eb46a84b47f99b493aeb4a7c3b4bbd8b4cf1ac71b2fc73244c74859c75f6ec77584c78c99c7a3aec7b9c3c7cfd8c7e6",
        ),
        (
            (23, 14),
            CropMode::Border,
            0.8,
            Filter::Bilinear,
            "8040bf8040bf8040bf8040bf8040bf8040bf8040bf8040bf8040bf8040bf1a0c022f0c03440c04590c066e0c07840c09990c\
             0aae0c0bc30c0dd80c0e1a2b062f2b0b442b10592b146e2b19842b1e992b23ae2b28c32b2cd82b311a4d0b2f4d13444d1c59\
             4d246e4d2d844d36994d3fae4d47c34d50d84d591a6f102f6f1c446f28596f356e6f41846f4e996f5aae6f67c36f73d86f80\
             1a91142f91244491355991456e9155849166999176ae9187c39197d891a71ab3192fb32d44b34159b3556eb36984b37e99b3\
             92aeb3a6c3b3bad8b3ce1ad11d2fd13544d14c59d1636ed17b84d19399d1abaed1c3c3d1dad8d1b38040bf8040bf8040bf80\
             40bf8040bf8040bf8040bf8040bf8040bf8040bf8040bf8040bf8040bf8040bf8040bf8040bf8040bf8040bf8040bf8040bf",
        ),
        (
            (9, 31),
            CropMode::Squash,
            1.0,
            Filter::Bicubic,
            "0013000913011313021d13032713033113053b13064513074f13085813090045000945031345071d450b27450e3145123b45\
             1645451a4f451e584521007b00097b06137b0c1d7b13277b1a317b203b7b26457b2d4f7b34587b3a00b10009b10813b1121d\
             b11c27b12431b12e3bb13845b1404fb14a58b15300e40009e40b13e4181de42327e43031e43c3be44845e4544fe46058e46c\
             00480009480e13481d1d482c27483b31484a3b48594548674f48775848840048000948111348221d48342748463148583b48\
             6945487b4f488d58489d0083000983131383281d833c2783513183653b837a45838f4f83a35883b700b90009b91613b92e1d\
             b94527b95c31b9743bb98b45b9a14fb9b958b9d000eb0009eb1813eb331deb4d27eb6731eb813beb9a45ebb44febcf58ebe8",
        ),
        (
            (9, 31),
            CropMode::Border,
            1.0,
            Filter::Bicubic,
            "8040bf8040bf8040bf0c13012c13044c13088040bf8040bf8040bf8040bf8040bf8040bf8040bf0c45042c45104c451d8040\
             bf8040bf8040bf8040bf8040bf8040bf8040bf0c7b082c7b1d4c7b328040bf8040bf8040bf8040bf8040bf8040bf8040bf0c\
             b10b2cb1294cb1488040bf8040bf8040bf8040bf8040bf8040bf8040bf0ce40e2ce4364ce45d8040bf8040bf8040bf8040bf\
             8040bf8040bf8040bf0c48122c48424c48738040bf8040bf8040bf8040bf8040bf8040bf8040bf0c48152c484f4c48888040\
             bf8040bf8040bf8040bf8040bf8040bf8040bf0c83182c835b4c839e8040bf8040bf8040bf8040bf8040bf8040bf8040bf0c\
             b91c2cb9684cb9b38040bf8040bf8040bf8040bf8040bf8040bf8040bf0ceb1f2ceb744cebc88040bf8040bf8040bf8040bf",
        ),
    ];

    fn picture((width, height): (u32, u32)) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| image::Rgb([x * 11, y * 17, x * y].map(|v| (v % 256) as u8)))
    }

    #[test]
    fn pictures_are_squashed_and_bordered_as_timm_does_it() {
        for (size, mode, share, filter, golden) in GOLDENS {
            let expected: Vec<u8> =
                (0..600).step_by(2).map(|i| u8::from_str_radix(&golden[i..i + 2], 16).unwrap()).collect();
            let found = crop_by(&picture(size), mode, 10, Some(share), filter, [0.5, 0.25, 0.75]).unwrap();
            let differs = found.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(found.len() == 300 && differs <= 1, "{size:?} {mode:?}: {differs}");
        }
    }

    #[test]
    fn the_centre_is_what_it_was_and_no_shape_is_too_long_for_a_border() {
        let image = picture((40, 24));
        let centre = crop_by(&image, CropMode::Center, 10, Some(0.8), Filter::Bilinear, [0.0; 3]).unwrap();
        assert_eq!(centre, centre_resize_share(&image, 10, 0.8, Filter::Bilinear).unwrap());
        for mode in [CropMode::Squash, CropMode::Border] {
            let thread = crop_by(&picture((1, 5000)), mode, 10, None, Filter::Bicubic, [1.0; 3]).unwrap();
            assert_eq!(thread.len(), 300);
        }
    }
}
