//! How deep in a network a parameter lies: what layer-wise learning-rate decay goes by.

/// The layers of a network, as timm numbers them: the stem, each block, and the head.
///
/// The norm after a transformer's last block belongs to that block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layers {
    /// Prefixes of the blocks' names, from the stem to the head.
    blocks: Vec<String>,
}

/// The prefix of a block's name, such as `blocks.3.` or `layer2.0.`.
fn block_of(name: &str) -> Option<&str> {
    let mut parts = name.splitn(3, '.');
    let (first, number) = (parts.next()?, parts.next()?);
    let many = first.trim_start_matches('_') == "blocks" || first.starts_with("layer");
    (many && number.bytes().all(|b| b.is_ascii_digit())).then(|| &name[..first.len() + number.len() + 2])
}

/// Orders `blocks.10.` behind `blocks.9.`.
fn place(prefix: &str) -> (String, usize) {
    let (list, number) = prefix.trim_end_matches('.').rsplit_once('.').unwrap_or((prefix, "0"));
    (list.to_owned(), number.parse().unwrap_or(0))
}

impl Layers {
    /// The layers of a network with parameters of these names (PyTorch's).
    pub fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut blocks: Vec<String> = names.filter_map(block_of).map(str::to_owned).collect();
        blocks.sort_by_key(|prefix| place(prefix));
        blocks.dedup();
        Self { blocks }
    }

    /// Number of a parameter's layer: 0 for the stem, up to [`last`](Self::last) for the head.
    pub fn of_parameter(&self, name: &str) -> usize {
        if let Some(i) = block_of(name).and_then(|prefix| self.blocks.iter().position(|b| b == prefix)) {
            return i + 1;
        }
        let first = name.trim_start_matches('_').split('.').next().unwrap_or_default();
        match first {
            "norm" => self.blocks.len(),
            "fc" | "head" | "fc_norm" | "conv_head" => self.last(),
            // EfficientNet's stem and head each have a norm of their own.
            "bn1" if name.starts_with('_') => self.last(),
            _ => 0,
        }
    }

    /// Number of the head's layer.
    pub fn last(&self) -> usize {
        self.blocks.len() + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_go_from_the_stem_to_the_head() {
        let names = ["cls_token", "patch_embed.proj.weight", "norm.weight", "head.bias"];
        let blocks: Vec<String> = (0..12).map(|i| format!("blocks.{i}.attn.qkv.weight")).collect();
        let layers = Layers::of(names.into_iter().chain(blocks.iter().map(String::as_str)));
        assert_eq!(names.map(|name| layers.of_parameter(name)), [0, 0, 12, 13]);
        assert_eq!([2, 10].map(|i: usize| layers.of_parameter(&blocks[i])), [3, 11]);
        let resnet =
            ["conv1.weight", "layer1.0.bn1.weight", "layer1.1.bn1.bias", "layer2.0.conv1.weight", "fc.bias"];
        let layers = Layers::of(resnet.into_iter());
        assert_eq!(resnet.map(|name| layers.of_parameter(name)), [0, 1, 2, 3, 4]);
        let lite = ["_bn0.weight", "_blocks.0._bn1.weight", "_conv_head.weight", "_bn1.bias", "_fc.weight"];
        let layers = Layers::of(lite.into_iter());
        assert_eq!(lite.map(|name| layers.of_parameter(name)), [0, 1, 2, 2, 2]);
    }
}
