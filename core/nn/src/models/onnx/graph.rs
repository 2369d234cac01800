//! A graph of ONNX that is being written: nodes, constants and names, as the messages of `onnx.proto`.
//!
//! Source: <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>, operators of opset 17.

use std::collections::BTreeMap;

use ferkd_data::protobuf::Message;

/// The operators' version.
const OPSET: i64 = 17;
/// The version of the format that came with it.
const IR_VERSION: i64 = 8;

/// `TensorProto.DataType`.
#[derive(Clone, Copy)]
enum DataType {
    Float = 1,
    Int64 = 7,
}

/// What a node is told.
pub(super) enum Attribute<'a> {
    Int(i64),
    Ints(&'a [i64]),
    Float(f32),
    Text(&'a str),
}

/// Nodes and constants so far. A value goes by its name.
#[derive(Default)]
pub(super) struct Graph {
    nodes: Vec<Message>,
    constants: BTreeMap<String, Message>,
    /// Bytes of the constants' numbers.
    bytes: u64,
    values: usize,
}

/// The size of an axis.
pub(super) enum Axis<'a> {
    Fixed(usize),
    /// Any size, under a name.
    Any(&'a str),
}

/// What goes in or comes out: a tensor of floats.
pub(super) struct Port<'a> {
    pub(super) name: &'a str,
    pub(super) shape: &'a [Axis<'a>],
}

impl Graph {
    /// Adds a node and gives its output.
    pub(super) fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
    ) -> String {
        let [output] = self.split_node(operator, inputs, attributes);
        output
    }

    /// Adds a node of several outputs.
    pub(super) fn split_node<const N: usize>(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
    ) -> [String; N] {
        let outputs = std::array::from_fn(|_| {
            self.values += 1;
            format!("value_{}", self.values)
        });
        self.add(operator, inputs, &outputs, attributes);
        outputs
    }

    /// Adds a node whose output has a name of its own.
    pub(super) fn output_node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, Attribute)],
    ) {
        self.add(operator, inputs, &[output.to_owned()], attributes);
    }

    fn add(&mut self, operator: &str, inputs: &[&str], outputs: &[String], attributes: &[(&str, Attribute)]) {
        let node = inputs.iter().fold(Message::new(), |node, input| node.bytes(1, input));
        let node = outputs.iter().fold(node, |node, output| node.bytes(2, output));
        let name = format!("{operator}_{}", self.nodes.len());
        let node = node.bytes(3, name).bytes(4, operator);
        let attributes: Vec<Message> =
            attributes.iter().map(|(name, value)| attribute(name, value)).collect();
        self.nodes.push(node.messages(5, &attributes));
    }

    /// A constant of floats, by its name, which it keeps; a second one of a name is the first one.
    pub(super) fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        if !self.constants.contains_key(name) {
            let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            self.constant(name, DataType::Float, shape, &raw);
        }
        name.to_owned()
    }

    /// A float.
    pub(super) fn scalar(&mut self, value: f32) -> String {
        self.floats(&format!("float_{value}"), &[], &[value])
    }

    /// A constant row of integers.
    pub(super) fn ints(&mut self, values: &[i64]) -> String {
        let numbers: Vec<String> = values.iter().map(i64::to_string).collect();
        let name = format!("ints_{}", numbers.join("_"));
        if !self.constants.contains_key(&name) {
            let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            self.constant(&name, DataType::Int64, &[values.len()], &raw);
        }
        name
    }

    fn constant(&mut self, name: &str, kind: DataType, shape: &[usize], raw: &[u8]) {
        // Not packed: the file's syntax is version 2, and not every reader takes the other one.
        let sizes = shape.iter().fold(Message::new(), |tensor, &size| tensor.int(1, size as i64));
        let tensor = sizes.int(2, kind as i64).bytes(8, name).bytes(9, raw);
        self.bytes += raw.len() as u64;
        self.constants.insert(name.to_owned(), tensor);
    }

    /// Bytes of the constants' numbers.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The bytes of a file with this graph and `metadata`.
    pub(super) fn finish(self, input: &Port, output: &Port, metadata: &BTreeMap<String, String>) -> Vec<u8> {
        let graph = Message::new()
            .messages(1, &self.nodes)
            .bytes(2, "ferkd")
            .messages(5, self.constants.values())
            .message(11, &port(input))
            .message(12, &port(output));
        let entries: Vec<Message> =
            metadata.iter().map(|(key, value)| Message::new().bytes(1, key).bytes(2, value)).collect();
        Message::new()
            .int(1, IR_VERSION)
            .bytes(2, "ferkd")
            .bytes(3, env!("CARGO_PKG_VERSION"))
            .message(7, &graph)
            .message(8, &Message::new().bytes(1, "").int(2, OPSET))
            .messages(14, &entries)
            .into_bytes()
    }
}

/// `AttributeProto`.
fn attribute(name: &str, value: &Attribute) -> Message {
    let message = Message::new().bytes(1, name);
    match value {
        Attribute::Float(value) => message.float(2, *value).int(20, 1),
        Attribute::Int(value) => message.int(3, *value).int(20, 2),
        Attribute::Text(value) => message.bytes(4, value).int(20, 3),
        // Not packed: the file's syntax is version 2.
        Attribute::Ints(values) => {
            values.iter().fold(message, |message, &value| message.int(8, value)).int(20, 7)
        }
    }
}

/// `ValueInfoProto` of a tensor of floats.
fn port(port: &Port) -> Message {
    let axis = |axis: &Axis| match *axis {
        Axis::Fixed(size) => Message::new().int(1, size as i64),
        Axis::Any(name) => Message::new().bytes(2, name),
    };
    let axes: Vec<Message> = port.shape.iter().map(axis).collect();
    let shape = Message::new().messages(1, &axes);
    let tensor = Message::new().int(1, DataType::Float as i64).message(2, &shape);
    Message::new().bytes(1, port.name).message(2, &Message::new().message(1, &tensor))
}
