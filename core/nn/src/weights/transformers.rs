//! transformers' names for the networks that are known here, as timm's and torchvision's.
//!
//! Source: transformers' `modeling_vit.py`, `modeling_deit.py` and `modeling_resnet.py`.

use std::collections::BTreeMap;

use ferkd_data::tensor::HostTensor;

/// The three parts of a layer that timm has as one, in its order.
const PARTS: [&str; 3] = ["query", "key", "value"];

/// Gives tensors their names in timm and torchvision, where they are one of transformers' networks; which.
pub(super) fn rename(tensors: &mut BTreeMap<String, HostTensor>) -> Option<&'static str> {
    let has = |name: &str| tensors.keys().any(|key| key.ends_with(name));
    if has("embeddings.patch_embeddings.projection.weight") {
        merge(tensors);
        rename_by(tensors, |name| vit(strip(name, &["vit.", "deit."])));
        return Some("ViT");
    }
    if has("embedder.embedder.convolution.weight") {
        rename_by(tensors, |name| resnet(strip(name, &["resnet."])));
        return Some("ResNet");
    }
    None
}

fn strip<'a>(name: &'a str, prefixes: &[&str]) -> &'a str {
    prefixes.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
}

/// What has no other name keeps its own.
fn rename_by(tensors: &mut BTreeMap<String, HostTensor>, name: impl Fn(&str) -> Option<String>) {
    let all = std::mem::take(tensors).into_iter();
    tensors.extend(all.map(|(old, tensor)| (name(&old).unwrap_or(old), tensor)));
}

/// Puts queries, keys and values of each attention into one tensor, called `qkv`.
fn merge(tensors: &mut BTreeMap<String, HostTensor>) {
    let stems = tensors.keys().filter_map(|name| name.split_once(".attention.attention.query."));
    let stems: Vec<(String, String)> =
        stems.map(|(block, kind)| (block.to_owned(), kind.to_owned())).collect();
    for (block, kind) in stems {
        let part = |part: &str| format!("{block}.attention.attention.{part}.{kind}");
        // What lacks one of them is left as it is, and named by who loads it.
        if !PARTS.iter().all(|name| tensors.contains_key(&part(name))) {
            continue;
        }
        let parts: Vec<HostTensor> = PARTS.iter().filter_map(|name| tensors.remove(&part(name))).collect();
        let mut shape = parts[0].shape.clone();
        if let Some(rows) = shape.first_mut() {
            *rows = parts.iter().filter_map(|part| part.shape.first()).sum();
        }
        let values = parts.into_iter().flat_map(|part| part.values).collect();
        tensors.insert(format!("{block}.attention.attention.qkv.{kind}"), HostTensor { shape, values });
    }
}

/// timm's name of a vision transformer's tensor.
fn vit(name: &str) -> Option<String> {
    match name {
        "embeddings.cls_token" => return Some("cls_token".into()),
        "embeddings.position_embeddings" => return Some("pos_embed".into()),
        _ => {}
    }
    let (layer, kind) = name.rsplit_once('.')?;
    let layer = match layer {
        "embeddings.patch_embeddings.projection" => "patch_embed.proj".into(),
        "layernorm" => "norm".into(),
        "classifier" => "head".into(),
        _ => {
            let (block, within) = layer.strip_prefix("encoder.layer.")?.split_once('.')?;
            let within = match within {
                "layernorm_before" => "norm1",
                "layernorm_after" => "norm2",
                "attention.attention.qkv" => "attn.qkv",
                "attention.output.dense" => "attn.proj",
                "intermediate.dense" => "mlp.fc1",
                "output.dense" => "mlp.fc2",
                _ => return None,
            };
            format!("blocks.{block}.{within}")
        }
    };
    Some(format!("{layer}.{kind}"))
}

/// torchvision's name of a ResNet's tensor.
fn resnet(name: &str) -> Option<String> {
    let (layer, kind) = name.rsplit_once('.')?;
    let layer = match layer {
        "embedder.embedder.convolution" => "conv1".into(),
        "embedder.embedder.normalization" => "bn1".into(),
        "classifier.1" => "fc".into(),
        _ => {
            let parts: Vec<&str> = layer.strip_prefix("encoder.stages.")?.split('.').collect();
            let stage = parts.first()?.parse::<usize>().ok()? + 1;
            let within = match parts[1..] {
                ["layers", block, "layer", number, "convolution"] => {
                    format!("{block}.conv{}", number.parse::<usize>().ok()? + 1)
                }
                ["layers", block, "layer", number, "normalization"] => {
                    format!("{block}.bn{}", number.parse::<usize>().ok()? + 1)
                }
                ["layers", block, "shortcut", "convolution"] => format!("{block}.downsample.0"),
                ["layers", block, "shortcut", "normalization"] => format!("{block}.downsample.1"),
                _ => return None,
            };
            format!("layer{stage}.{within}")
        }
    };
    Some(format!("{layer}.{kind}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_torchvision_and_timm() {
        for (theirs, ours) in [
            ("encoder.stages.2.layers.5.layer.1.convolution.weight", "layer3.5.conv2.weight"),
            ("encoder.stages.0.layers.0.layer.2.normalization.running_var", "layer1.0.bn3.running_var"),
            ("encoder.stages.1.layers.0.shortcut.normalization.bias", "layer2.0.downsample.1.bias"),
            ("embedder.embedder.normalization.num_batches_tracked", "bn1.num_batches_tracked"),
            ("classifier.1.bias", "fc.bias"),
        ] {
            assert_eq!(resnet(theirs).as_deref(), Some(ours));
        }
        for (theirs, ours) in [
            ("encoder.layer.11.attention.attention.qkv.bias", "blocks.11.attn.qkv.bias"),
            ("encoder.layer.3.output.dense.weight", "blocks.3.mlp.fc2.weight"),
            ("embeddings.position_embeddings", "pos_embed"),
            ("layernorm.weight", "norm.weight"),
            ("classifier.weight", "head.weight"),
        ] {
            assert_eq!(vit(theirs).as_deref(), Some(ours));
        }
        assert_eq!(vit("pooler.dense.weight"), None);
    }

    #[test]
    fn queries_keys_and_values_become_one_layer_in_this_order() {
        let tensor = |value: f32| HostTensor { shape: vec![2, 1], values: vec![value, value + 0.5] };
        let mut tensors: BTreeMap<String, HostTensor> = ["key", "query", "value"]
            .into_iter()
            .zip([2.0, 1.0, 3.0])
            .map(|(part, value)| {
                (format!("vit.encoder.layer.0.attention.attention.{part}.weight"), tensor(value))
            })
            .collect();
        tensors.insert("vit.embeddings.patch_embeddings.projection.weight".into(), tensor(0.0));
        assert_eq!(rename(&mut tensors), Some("ViT"));
        let merged = &tensors["blocks.0.attn.qkv.weight"];
        assert_eq!(
            (&merged.shape[..], &merged.values[..]),
            (&[6, 1][..], &[1.0, 1.5, 2.0, 2.5, 3.0, 3.5][..])
        );
        assert!(tensors.contains_key("patch_embed.proj.weight") && tensors.len() == 2);
    }
}
