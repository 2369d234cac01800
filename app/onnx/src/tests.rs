//! Files that are written here, number by number, with what comes out of them; and files that are damaged.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use ferkd_data::protobuf::Message;

use crate::{Network, OPERATORS, Problem};

/// A shape of which `None` goes with any size.
type Shape<'a> = &'a [Option<i64>];

/// `ValueInfoProto` of 32-bit floats.
fn port(name: &str, shape: Shape<'_>) -> Message {
    let dimension = |size: &Option<i64>| match size {
        Some(size) => Message::new().int(1, *size),
        None => Message::new().bytes(2, "any"),
    };
    let dimensions: Vec<Message> = shape.iter().map(dimension).collect();
    let tensor = Message::new().int(1, 1).message(2, &Message::new().messages(1, &dimensions));
    Message::new().bytes(1, name).message(2, &Message::new().message(1, &tensor))
}

/// The beginning of a `TensorProto`: its sizes, which are not packed in version 2 of the syntax.
fn sizes(shape: &[i64]) -> Message {
    shape.iter().fold(Message::new(), |tensor, &size| tensor.int(1, size))
}

/// `TensorProto` of 32-bit floats.
fn weights(name: &str, shape: &[i64], values: &[f32]) -> Message {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    sizes(shape).int(2, 1).bytes(8, name).bytes(9, bytes)
}

/// `NodeProto` without attributes.
fn node(operator: &str, inputs: &[&str], output: &str) -> Message {
    let node = inputs.iter().fold(Message::new(), |node, input| node.bytes(1, input));
    node.bytes(2, output).bytes(3, operator).bytes(4, operator)
}

/// `ModelProto` of opset 17.
fn model(nodes: &[Message], weights: &[Message], input: &Message, output: &Message) -> Vec<u8> {
    let graph = Message::new()
        .messages(1, nodes)
        .bytes(2, "graph")
        .messages(5, weights)
        .message(11, input)
        .message(12, output);
    Message::new().int(1, 8).message(7, &graph).message(8, &Message::new().int(2, 17)).into_bytes()
}

/// Means of the channels, and from them two logits.
fn means(input: Shape<'_>) -> Vec<u8> {
    let nodes = [
        node("GlobalAveragePool", &["images"], "pooled"),
        node("Flatten", &["pooled"], "means"),
        node("MatMul", &["means", "w"], "logits"),
    ];
    let w = weights("w", &[3, 2], &[1.0, 0.0, 0.0, 1.0, 2.0, -1.0]);
    model(&nodes, &[w], &port("images", input), &port("logits", &[None, Some(2)]))
}

/// Images of one value a channel: shape (3, side, side) each.
fn flat(images: &[[f32; 3]], side: usize) -> Vec<f32> {
    images.iter().flatten().flat_map(|&value| vec![value; side * side]).collect()
}

fn load(file: Vec<u8>) -> Result<Network, Problem> {
    Network::load(file, Vec::new())
}

fn refused(file: Vec<u8>) -> String {
    load(file).err().unwrap().to_string()
}

#[test]
fn logits_are_those_that_the_file_computes() {
    let network = load(means(&[None, Some(3), None, None])).unwrap();
    assert_eq!((network.side(), network.parameters()), (None, 6));
    assert_eq!(network.classes(5), Ok(2));
    let images = flat(&[[1.0, 2.0, 3.0], [0.5, 0.0, -1.0], [0.0, 0.0, 0.0]], 4);
    let expected = [7.0, -1.0, -1.5, 1.0, 0.0, 0.0];
    assert_eq!(network.logits(&images, 4).unwrap(), expected);
    assert!(network.logits(&images[1..], 4).is_err() && network.logits(&images, 0).is_err());
    assert_eq!(network.logits(&[], 4), Ok(Vec::new()));
}

#[test]
fn a_fixed_batch_is_filled_up_and_a_fixed_side_is_the_files() {
    let network = load(means(&[Some(2), Some(3), Some(4), Some(4)])).unwrap();
    assert_eq!(network.side(), Some(4));
    let images = flat(&[[1.0, 2.0, 3.0], [0.5, 0.0, -1.0], [0.0, 1.0, 0.0]], 4);
    assert_eq!(network.logits(&images, 4).unwrap(), [7.0, -1.0, -1.5, 1.0, 0.0, 1.0]);
    let error = network.classes(5).unwrap_err().to_string();
    assert!(error.contains("4 pixels") && error.contains("5 are asked for"), "{error}");
}

#[test]
fn an_operator_that_is_not_known_is_named() {
    let node = node("NonMaxSuppression", &["images"], "logits");
    let file = model(&[node], &[], &port("images", &[None, Some(3), None, None]), &port("logits", &[]));
    assert!(!OPERATORS.contains(&"NonMaxSuppression"));
    let error = refused(file);
    assert!(error.contains("NonMaxSuppression") && error.contains("docs/page.md"), "{error}");
}

#[test]
fn what_is_no_classifier_of_images_is_refused() {
    for (input, says) in [
        (&[None, Some(224), Some(224), Some(3)][..], "(any, 224, 224, 3)"),
        (&[None, Some(1), None, None], "(any, 1, any, any)"),
        (&[None, Some(3), Some(4), Some(5)], "(any, 3, 4, 5)"),
        (&[None, Some(3), Some(1 << 40), Some(1 << 40)], "1099511627776"),
        (&[None, Some(3)], "(any, 3)"),
    ] {
        let error = refused(means(input));
        assert!(error.contains(says) && error.contains("torch.onnx.export"), "{error}");
    }
    // Far more images at once than memory holds.
    let network = load(means(&[Some(1 << 40), Some(3), Some(64), Some(64)])).unwrap();
    assert!(network.classes(64).unwrap_err().problem.contains("too many"));
    assert!(load(means(&[None, Some(3), None, None])).unwrap().classes(1 << 40).is_err());
    // An output of another shape is found when the first image is computed.
    let pooled = [node("GlobalAveragePool", &["images"], "logits")];
    let images = port("images", &[None, Some(3), None, None]);
    let file = model(&pooled, &[], &images, &port("logits", &[]));
    let error = load(file).unwrap().classes(4).unwrap_err().to_string();
    assert!(error.contains("[1, 3, 1, 1]"), "{error}");
}

#[test]
fn weights_beside_the_file_are_found_by_their_name() {
    let entry = |key: &str, value: &str| Message::new().bytes(1, key).bytes(2, value);
    let external = sizes(&[3, 2])
        .int(2, 1)
        .bytes(8, "w")
        .message(13, &entry("location", "m.data"))
        .message(13, &entry("offset", "0"))
        .message(13, &entry("length", "24"))
        .int(14, 1);
    let nodes = [
        node("GlobalAveragePool", &["images"], "pooled"),
        node("Flatten", &["pooled"], "means"),
        node("MatMul", &["means", "w"], "logits"),
    ];
    let images = port("images", &[None, Some(3), None, None]);
    let file = model(&nodes, &[external], &images, &port("logits", &[None, Some(2)]));
    let numbers: Vec<u8> =
        [1.0, 0.0, 0.0, 1.0, 2.0, -1.0f32].iter().flat_map(|value| value.to_le_bytes()).collect();
    let network = Network::load(file.clone(), vec![("m.data".into(), numbers.clone())]).unwrap();
    assert_eq!(network.logits(&flat(&[[1.0, 2.0, 3.0]], 2), 2).unwrap(), [7.0, -1.0]);
    for beside in [vec![], vec![("m.data".into(), numbers[..20].to_vec())], vec![("n.data".into(), numbers)]]
    {
        let error = Network::load(file.clone(), beside).err().unwrap().to_string();
        assert!(error.contains("weights") || error.contains("data"), "{error}");
    }
}

#[test]
fn whatever_is_cut_off_or_changed_is_a_problem_and_no_panic() {
    let file = means(&[None, Some(3), None, None]);
    for cut in 0..file.len() {
        if let Ok(network) = load(file[..cut].to_vec()) {
            // What is left may be a whole file of less.
            let _ = network.classes(4);
        }
    }
    for text in [&b""[..], b"no model", b"\xff\xff\xff\xff\xff\xff\xff\xff", b"<html></html>", &[0; 64]] {
        assert!(load(text.to_vec()).is_err(), "{text:?}");
    }
    // A small generator of its own: the same changes in every run.
    let mut state = 1u64;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    for _ in 0..1000 {
        let mut changed = file.clone();
        for _ in 0..1 + next() % 3 {
            let at = next() % changed.len();
            changed[at] = next() as u8;
        }
        if let Ok(network) = load(changed) {
            let _ = network.classes(network.side().unwrap_or(4).min(64));
        }
    }
}
