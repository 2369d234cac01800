//! What a screen reader is told where the system hears no AccessKit, as in a page: the tree of a frame as plain
//! elements under ARIA's roles.

use std::collections::BTreeMap;

use egui::Role;
use egui::accesskit::{Action, Node, NodeId, Toggled, TreeUpdate};
use serde::Serialize;

/// Something with a role, a name and a value, and what lies in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Element {
    /// Names it in the tree of AccessKit, for what is done to it; a text, for a script's numbers are too small.
    pub node: String,
    /// Its role under ARIA; empty for text.
    pub role: &'static str,
    /// Its name; of text, what it says.
    pub name: String,
    /// What it shows beyond its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Its value, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Whether it is switched on, where it can be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_on: Option<bool>,
    /// Whether nothing can be done to it now.
    pub is_disabled: bool,
    /// Whether it can be clicked.
    pub can_click: bool,
    /// What lies in it, in order.
    pub children: Vec<Element>,
}

/// Deepest nesting that is followed.
const DEEPEST: usize = 64;

/// The elements of a whole tree, as egui gives it every frame. What has neither name nor value is passed over for what
/// lies in it.
pub fn elements(tree: &TreeUpdate) -> Vec<Element> {
    let nodes: BTreeMap<NodeId, &Node> = tree.nodes.iter().map(|(id, node)| (*id, node)).collect();
    let mut found = Vec::new();
    if let Some(root) = tree.tree.as_ref().and_then(|tree| nodes.get(&tree.root)) {
        for child in root.children() {
            gather(*child, &nodes, DEEPEST, &mut found);
        }
    }
    found
}

fn gather(id: NodeId, nodes: &BTreeMap<NodeId, &Node>, depth: usize, into: &mut Vec<Element>) {
    let Some(node) = nodes.get(&id).filter(|node| !node.is_hidden()) else { return };
    let Some(mut element) = element(id, node, nodes) else {
        if depth > 0 {
            node.children().iter().for_each(|child| gather(*child, nodes, depth - 1, into));
        }
        return;
    };
    // The runs of a text say it once more.
    if depth > 0 && !element.role.is_empty() {
        node.children().iter().for_each(|child| gather(*child, nodes, depth - 1, &mut element.children));
    }
    into.push(element);
}

/// A node as an element; none where it says nothing itself.
fn element(id: NodeId, node: &Node, nodes: &BTreeMap<NodeId, &Node>) -> Option<Element> {
    let name = name(node, nodes);
    let role = match node.role() {
        Role::TextRun => return None,
        Role::Label => "",
        Role::Button | Role::DefaultButton | Role::DisclosureTriangle | Role::ColorWell => "button",
        Role::CheckBox => "checkbox",
        Role::RadioButton => "radio",
        Role::Link => "link",
        Role::TextInput | Role::MultilineTextInput | Role::SearchInput => "textbox",
        Role::ComboBox => "combobox",
        Role::Slider => "slider",
        Role::SpinButton => "spinbutton",
        Role::ProgressIndicator => "progressbar",
        Role::Image | Role::Figure => "img",
        Role::Region => "region",
        Role::Dialog | Role::Window => "dialog",
        Role::Menu => "menu",
        Role::Status => "status",
        Role::Alert => "alert",
        Role::Tooltip => "tooltip",
        _ if name.is_empty() => return None,
        _ => "group",
    };
    let holds_others = matches!(role, "dialog" | "menu" | "status" | "alert" | "tooltip");
    let value = match (role, node.numeric_value()) {
        ("", _) => None,
        (_, Some(number)) => Some(trimmed(number)),
        (_, None) => node.value().map(str::to_owned),
    };
    if name.is_empty() && value.is_none() && !holds_others {
        return None;
    }
    Some(Element {
        node: id.0.to_string(),
        role,
        name,
        description: node.description().unwrap_or_default().to_owned(),
        value,
        is_on: node.toggled().map(|toggled| toggled == Toggled::True),
        is_disabled: node.is_disabled(),
        can_click: node.supports_action(Action::Click),
        children: Vec::new(),
    })
}

/// What a node is called: by itself, or by those that label it.
fn name(node: &Node, nodes: &BTreeMap<NodeId, &Node>) -> String {
    if node.role() == Role::Label {
        return node.value().or(node.label()).unwrap_or_default().to_owned();
    }
    if let Some(label) = node.label() {
        return label.to_owned();
    }
    let labels = node.labelled_by().iter().filter_map(|id| nodes.get(id));
    labels.filter_map(|label| label.value().or(label.label())).collect::<Vec<_>>().join(" ")
}

/// A number as it is read aloud: three decimals at the most.
fn trimmed(number: f64) -> String {
    let text = format!("{number:.3}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(mut show: impl FnMut(&mut egui::Ui)) -> Vec<Element> {
        let ctx = egui::Context::default();
        ctx.enable_accesskit();
        let mut output = ctx.run_ui(egui::RawInput::default(), |ui| show(ui));
        output.textures_delta.clear();
        elements(&output.platform_output.accesskit_update.unwrap())
    }

    fn find<'a>(all: &'a [Element], role: &str, name: &str) -> Option<&'a Element> {
        all.iter().find_map(|one| match one.role == role && one.name == name {
            true => Some(one),
            false => find(&one.children, role, name),
        })
    }

    #[test]
    fn controls_have_roles_names_and_values() {
        let (mut share, mut is_on) = (0.25, true);
        let all = frame(|ui| {
            ui.ctx().accesskit_node_builder(ui.unique_id(), |node| {
                node.set_role(Role::Region);
                node.set_label("Confidence");
            });
            let label = ui.label("low");
            ui.add(egui::DragValue::new(&mut share)).labelled_by(label.id);
            ui.toggle_value(&mut is_on, "Keep set");
            ui.add_enabled(false, egui::Button::new("Undo"));
        });
        let pane = find(&all, "region", "Confidence").unwrap();
        assert!(find(&pane.children, "", "low").is_some(), "{all:#?}");
        let field = find(&pane.children, "spinbutton", "low").unwrap();
        assert_eq!(field.value.as_deref(), Some("0.25"));
        let toggle = find(&all, "button", "Keep set").unwrap();
        assert_eq!((toggle.is_on, toggle.can_click), (Some(true), true));
        assert!(find(&all, "button", "Undo").unwrap().is_disabled);
    }

    #[test]
    fn what_says_nothing_is_passed_over_and_a_text_is_said_once() {
        let all = frame(|ui| {
            ui.horizontal(|ui| {
                ui.vertical(|ui| ui.label("81 important"));
                ui.allocate_response(egui::vec2(10.0, 10.0), egui::Sense::click());
            });
        });
        let [only] = &all[..] else { panic!("{all:#?}") };
        assert_eq!((only.role, only.name.as_str(), only.children.len()), ("", "81 important", 0));
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            ["0.25", "12", "0.333"],
            [0.25, 12.0, 1.0 / 3.0].map(trimmed).each_ref().map(String::as_str)
        );
    }
}
