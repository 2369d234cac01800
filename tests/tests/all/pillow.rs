//! Crop and resize against Pillow, which torchvision uses.

use ferkd_data::pixels::{Filter, crop_resize};
use ferkd_method::region::Region;
use ferkd_tests::repository;
use safetensors::SafeTensors;

const SIDE: u32 = 224;

/// Largest and mean difference, of 255, over the eight crops of the golden file.
fn compare(filter: Filter, golden: &str) {
    let bytes = std::fs::read(repository("tests/data/lite0-crops.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let boxes: Vec<i32> =
        bytemuck::pod_collect_to_vec(file.tensor("box_top_left_height_width").unwrap().data());
    let flips = file.tensor("flip").unwrap().data();
    let photos = file.tensor("photo").unwrap().data();
    let pictures = ["chelsea", "coffee"]
        .map(|name| image::open(repository(&format!("assets/photos/{name}.png"))).unwrap().into_rgb8());
    let expected = file.tensor(golden).unwrap().data().chunks((SIDE * SIDE * 3) as usize);
    assert_eq!((photos.len(), expected.len()), (8, 8));
    assert!(flips.contains(&1) && flips.contains(&0));
    for (i, expected) in expected.enumerate() {
        let [top, left, height, width] = std::array::from_fn(|k| boxes[4 * i + k] as u32);
        let region = Region { top, left, height, width, flip: flips[i] == 1 };
        let got = crop_resize(&pictures[usize::from(photos[i])], &region, SIDE, filter).unwrap();
        assert_eq!(got.len(), expected.len());
        let differences: Vec<u32> =
            got.iter().zip(expected).map(|(a, b)| u32::from(a.abs_diff(*b))).collect();
        let mean = f64::from(differences.iter().sum::<u32>()) / differences.len() as f64;
        let most = *differences.iter().max().unwrap();
        assert!(mean < 0.5 && most <= 2, "crop {i}: mean difference {mean:.3}, largest {most}");
    }
}

#[test]
fn bilinear_is_pillows() {
    compare(Filter::Bilinear, "bilinear_u8");
}

#[test]
fn bicubic_is_pillows() {
    compare(Filter::Bicubic, "bicubic_u8");
}
