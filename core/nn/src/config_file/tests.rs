use super::*;
use ferkd_data::pixels::{CropMode, Filter};

fn read(text: &str) -> Result<Option<Stated>> {
    Stated::parse(text.as_bytes(), "m/config.json")
}

/// As `timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k` has it on the hub.
#[test]
fn timms_pretrained_cfg() {
    let text = r#"{"architecture": "vit_tiny_patch16_224", "num_classes": 1000, "global_pool": "token",
        "pretrained_cfg": {"tag": "augreg_in21k_ft_in1k", "custom_load": true, "input_size": [3, 224, 224],
        "fixed_input_size": true, "interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "center",
        "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "num_classes": 1000, "pool_size": null,
        "first_conv": "patch_embed.proj", "classifier": "head"}}"#;
    let stated = read(text).unwrap().unwrap();
    assert_eq!(stated.normalisation, Some(Normalisation { mean: [0.5; 3], std: [0.5; 3] }));
    assert_eq!((stated.side, stated.filter), (Some(224), Some(Filter::Bicubic)));
    assert_eq!((stated.crop, &*stated.path), (Some(0.9), "m/config.json"));
    assert_eq!(stated.crop_mode, Some(CropMode::Center));
    // As SigLIP's and the ConvNeXts of LAION have it: the share goes with the mode.
    for (name, mode) in [("squash", CropMode::Squash), ("border", CropMode::Border)] {
        let stated = read(&text.replace("center", name)).unwrap().unwrap();
        assert_eq!((stated.crop, stated.crop_mode), (Some(0.9), Some(mode)));
    }
}

#[test]
fn transformers_image_processors() {
    let text = r#"{"crop_size": {"height": 224, "width": 224}, "do_center_crop": true, "do_normalize": true,
        "do_rescale": true, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
        "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 256}}"#;
    let stated = read(text).unwrap().unwrap();
    assert_eq!(stated.normalisation, Some(Normalisation::IMAGENET));
    assert_eq!((stated.side, stated.filter, stated.crop), (Some(224), Some(Filter::Bicubic), Some(0.875)));
    let older = r#"{"do_normalize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
        "resample": 2, "size": 384}"#;
    let stated = read(older).unwrap().unwrap();
    assert_eq!((stated.side, stated.filter, stated.crop), (Some(384), Some(Filter::Bilinear), None));
    let plain = read(r#"{"do_normalize": false, "size": 224}"#).unwrap().unwrap();
    assert_eq!(plain.normalisation, Some(Normalisation { mean: [0.0; 3], std: [1.0; 3] }));
}

#[test]
fn a_users_own_file_says_the_same_as_flags() {
    let said = Stated::parse_toml(
        "side = 96\nmean = [0.5, 0.4, 0.3]\nstd = [0.2, 0.2, 0.2]\ninterpolation = \"bilinear\"\ncrop = 0.9\ncrop_mode = \"squash\"",
        "own.toml",
    )
    .unwrap();
    let expected = Stated {
        path: "own.toml".into(),
        side: Some(96),
        filter: Some(Filter::Bilinear),
        normalisation: Some(Normalisation { mean: [0.5, 0.4, 0.3], std: [0.2; 3] }),
        crop: Some(0.9),
        crop_mode: Some(CropMode::Squash),
    };
    assert_eq!(said, expected);
    for (text, says) in [
        ("sides = 96", "sides"),
        ("side = 4", "8 to 4096"),
        ("mean = [0.5, 0.5, 0.5]", "without the other"),
        ("mean = [127, 127, 127]\nstd = [1, 1, 1]", "0 to 1"),
        ("interpolation = \"lanczos\"", "lanczos"),
        ("crop_mode = \"corner\"", "`crop_mode`"),
        ("side", "expected"),
    ] {
        let error = Stated::parse_toml(text, "own.toml").unwrap_err().to_string();
        assert!(error.contains("own.toml") && error.contains(says), "{text}: {error}");
    }
}

#[test]
fn a_configuration_of_something_else_says_nothing() {
    for text in ["{}", "[1]", r#"{"model_type": "vit", "image_size": 224}"#] {
        assert_eq!(read(text).unwrap(), None);
    }
}

#[test]
fn what_is_not_possible_or_not_known_names_the_file() {
    for (text, says) in [
        ("{", "invalid JSON"),
        (r#"{"mean": [0.5, 0.5], "std": [0.5, 0.5]}"#, "`mean`"),
        (r#"{"mean": [123.7, 116.3, 103.5], "std": [58.4, 57.1, 57.4]}"#, "0 to 1"),
        (r#"{"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.0, 0.5]}"#, "standard deviation"),
        (r#"{"pretrained_cfg": {"input_size": [1, 28, 28]}}"#, "`input_size`"),
        (r#"{"pretrained_cfg": {"interpolation": "lanczos"}}"#, "lanczos"),
        (r#"{"pretrained_cfg": {"crop_mode": "corner"}}"#, "`crop_mode`"),
        (
            r#"{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "rescale_factor": 0.0078}"#,
            "1/255",
        ),
        (r#"{"image_mean": [0.5, 0.5, 0.5]}"#, "without the other"),
        (r#"{"do_normalize": false, "resample": 0}"#, "`resample`"),
        (r#"{"do_normalize": false, "size": {"height": 224, "width": 448}}"#, "square"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.starts_with("m/config.json: ") && error.contains(says), "{text}: {error}");
    }
}

#[test]
fn a_configuration_of_many_names_is_read_and_an_endless_one_refused() {
    let at = tempfile::tempdir().unwrap();
    let (weights, config) = (at.path().join("w.onnx"), at.path().join("config.json"));
    let labels = (0..22_000).map(|i| format!("class number {i}, {}", "x".repeat(60))).collect::<Vec<_>>();
    let text =
        serde_json::json!({ "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "label_names": labels })
            .to_string();
    assert!(text.len() > 1 << 20);
    std::fs::write(&config, &text).unwrap();
    let normalisation = Some(Normalisation { mean: [0.5; 3], std: [0.25; 3] });
    assert_eq!(Stated::beside(&weights).unwrap()[0].normalisation, normalisation);
    std::fs::write(&config, text + &" ".repeat(16 << 20)).unwrap();
    let error = Stated::beside(&weights).unwrap_err().to_string();
    assert!(error.contains("config.json") && error.contains("too many"), "{error}");
}

#[test]
fn a_users_file_in_another_encoding_is_named_and_a_byte_order_mark_is_no_part_of_it() {
    let at = tempfile::tempdir().unwrap();
    let (weights, own) = (at.path().join("w.onnx"), at.path().join("w.toml"));
    std::fs::write(&own, b"\xef\xbb\xbfside = 96").unwrap();
    assert_eq!(Stated::beside(&weights).unwrap()[0].side, Some(96));
    std::fs::write(&own, b"\xff\xfes\0").unwrap();
    let error = Stated::beside(&weights).unwrap_err().to_string();
    assert!(error.contains("w.toml: invalid text: expected UTF-8"), "{error}");
}
