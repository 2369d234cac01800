//! Where a walk through a module stands.
//!
//! It is what the walks have in common. Each is a visitor or mapper of its own, because what it does with a tensor is
//! generic over the rank, which no closure can be: names and shapes without values (`models::parameters`), values read
//! back or put in (`weights::module`), tensors that stay on the device (the average and the optimizer in `ferkd-train`).

/// The names of the modules entered so far; variants of enums leave no trace.
#[derive(Debug, Default)]
pub struct PathStack(Vec<Option<String>>);

impl PathStack {
    /// To be called from `enter_module`.
    pub fn enter(&mut self, name: &str, container: &str) {
        self.0.push((!container.starts_with("Enum:")).then(|| name.to_owned()));
    }

    /// To be called from `exit_module`.
    pub fn exit(&mut self) {
        self.0.pop();
    }

    /// The path in burn's names, such as `layer1.0.bn1.gamma`.
    pub fn burn(&self) -> String {
        self.0.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(".")
    }

    /// The path in PyTorch's names, such as `layer1.0.bn1.weight` or `_blocks.0._bn1.weight`.
    pub fn torch(&self) -> String {
        let names: Vec<&str> = self.0.iter().flatten().map(String::as_str).collect();
        // EfficientNet-PyTorch writes its modules as private attributes; `lite` is our wrapper around them.
        let (private, names) = match names.split_first() {
            Some((&"lite", inner)) => (true, inner),
            _ => (false, &names[..]),
        };
        let last = names.len().saturating_sub(1);
        let renamed = names.iter().enumerate().map(|(i, &name)| match name {
            "gamma" if i == last => "weight".into(),
            "beta" if i == last => "bias".into(),
            _ if i == last => name.into(),
            // torchvision's downsample is a sequence of a convolution and a norm.
            "shortcut_conv" => "0".into(),
            "shortcut_norm" => "1".into(),
            _ if private && !name.starts_with(|c: char| c.is_ascii_digit()) => format!("_{name}"),
            _ => name.to_owned(),
        });
        renamed.collect::<Vec<_>>().join(".")
    }
}
