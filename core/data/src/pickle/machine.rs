//! The stack machine: each operation takes a byte or more and makes at most one value, so that the file's length
//! bounds time and memory.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::cursor::{Cursor, Problem};
use super::text;
use super::values::{Allowed, Id, Node, Object, Pickle};
use ferkd_method::error::{Error, ErrorKind, Result};

/// No weights or label file comes near so many values; they would take 64 MB.
const MAX_NODES: usize = 1 << 20;

/// Names that are not allowed are counted up to here, and shown up to the other number.
const MAX_NAMES: usize = 100;
const SHOWN_NAMES: usize = 3;

/// What stands for a name that is not allowed until the error is made; no allow-list has it.
const REFUSED: &str = "";

/// Values that are the same wherever they stand.
const NONE: Id = Id(0);
const FALSE: Id = Id(1);
const TRUE: Id = Id(2);
const EMPTY_TUPLE: Id = Id(3);

pub(super) struct Machine<'a, 'o> {
    input: Cursor<'a>,
    origin: &'o str,
    allowed: Allowed,
    nodes: Vec<Node<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack at which marks stand.
    marks: Vec<usize>,
    memo: BTreeMap<u64, Id>,
    /// Where the first name stands that is not allowed, and all such names, each once.
    refused: Option<(usize, Vec<String>)>,
}

impl<'a, 'o> Machine<'a, 'o> {
    pub(super) fn new(bytes: &'a [u8], origin: &'o str, allowed: Allowed) -> Self {
        let nodes = vec![Node::None, Node::Bool(false), Node::Bool(true), Node::Tuple(Vec::new())];
        Self {
            input: Cursor::new(bytes),
            origin,
            allowed,
            nodes,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: BTreeMap::new(),
            refused: None,
        }
    }

    pub(super) fn run(mut self) -> Result<(Pickle<'a>, usize)> {
        let done = loop {
            let at = self.input.at();
            match self.step() {
                Ok(Some(root)) => break Ok(root),
                Ok(None) => {}
                Err(problem) => break Err((at, problem)),
            }
        };
        // A name that is not allowed explains whatever else went wrong behind it.
        let (kind, at, problem) = match (self.refused.take(), done) {
            (Some((at, names)), _) => (ErrorKind::Mismatch, at, refusal(&names)),
            (None, Ok(root)) => return Ok((Pickle { nodes: self.nodes, root }, self.input.at())),
            (None, Err((at, problem))) => (ErrorKind::Damaged, at, problem),
        };
        let problem = format!("pickle, byte {at}: {problem}");
        Err(Error::new(kind, self.origin, problem).remedy(self.allowed.remedy))
    }

    /// Does one operation; gives the root at the last one.
    fn step(&mut self) -> Result<Option<Id>, Problem> {
        let operation = self.input.u8()?;
        let node = match operation {
            b'.' => return self.pop().map(Some),
            0x80 => return self.protocol(),
            // A frame only says how much may be read ahead.
            0x95 => return self.input.u64().map(|_| None),
            b'(' => {
                self.marks.push(self.stack.len());
                return Ok(None);
            }
            b'0' => {
                // Python drops a mark where one lies on top.
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                    return Ok(None);
                }
                return self.pop().map(|_| None);
            }
            b'1' => return self.pop_mark().map(|_| None),
            b'2' => return self.top().map(|id| self.push_id(id)),
            b'N' => return Ok(self.push_id(NONE)),
            0x88 => return Ok(self.push_id(TRUE)),
            0x89 => return Ok(self.push_id(FALSE)),
            b')' => return Ok(self.push_id(EMPTY_TUPLE)),
            b'p' | b'q' | b'r' | b'g' | b'h' | b'j' | 0x94 => return self.memory(operation),
            b'a' | b'e' | b's' | b'u' | 0x90 | b'b' => return self.fill(operation).map(|()| None),
            b'c' | 0x93 | b'R' | b'i' | b'o' | 0x81 | b'P' | b'Q' => self.named(operation)?,
            b']' => Node::List(Vec::new()),
            b'}' => Node::Dict(Vec::new()),
            0x8f => Node::Set(Vec::new()),
            b'l' => Node::List(self.pop_mark()?),
            b't' => Node::Tuple(self.pop_mark()?),
            0x91 => Node::Set(self.pop_mark()?),
            b'd' => {
                let flat = self.pop_mark()?;
                Node::Dict(pairs(&flat)?)
            }
            0x85 => Node::Tuple(self.pop_many(1)?),
            0x86 => Node::Tuple(self.pop_many(2)?),
            0x87 => Node::Tuple(self.pop_many(3)?),
            _ => self.literal(operation)?,
        };
        self.push(node).map(|()| None)
    }

    fn protocol(&mut self) -> Result<Option<Id>, Problem> {
        match self.input.u8()? {
            0..=5 => Ok(None),
            other => Err(format!("protocol {other}; 0 to 5 are known")),
        }
    }

    fn literal(&mut self, operation: u8) -> Result<Node<'a>, Problem> {
        let input = &mut self.input;
        Ok(match operation {
            b'K' => Node::Int(i64::from(input.u8()?)),
            b'M' => Node::Int(i64::from(input.u16()?)),
            b'J' => Node::Int(i64::from(input.u32()?.cast_signed())),
            b'I' | b'L' => text::integer(input.line()?)?,
            b'F' => text::float(input.line()?)?,
            b'G' => Node::Float(input.f64()?),
            0x8a => {
                let len = input.u8()?;
                long(input.take(u64::from(len))?)
            }
            0x8b => {
                let len = input.signed_length()?;
                long(input.take(len)?)
            }
            b'V' => Node::Str(text::raw_unicode(input.line()?)?),
            0x8c => {
                let len = input.u8()?;
                string(input.take(u64::from(len))?)?
            }
            b'X' => {
                let len = input.u32()?;
                string(input.take(u64::from(len))?)?
            }
            0x8d => {
                let len = input.u64()?;
                string(input.take(len)?)?
            }
            b'S' => python2(Cow::Owned(text::quoted(input.line()?)?)),
            b'T' => {
                let len = input.signed_length()?;
                python2(Cow::Borrowed(input.take(len)?))
            }
            b'U' => {
                let len = input.u8()?;
                python2(Cow::Borrowed(input.take(u64::from(len))?))
            }
            b'C' => {
                let len = input.u8()?;
                bytes(input.take(u64::from(len))?)
            }
            b'B' => {
                let len = input.u32()?;
                bytes(input.take(u64::from(len))?)
            }
            0x8e | 0x96 => {
                let len = input.u64()?;
                bytes(input.take(len)?)
            }
            0x82..=0x84 => return Err("an extension code, which no file of NumPy or PyTorch holds".into()),
            0x97 | 0x98 => return Err("a buffer that is kept outside of the file".into()),
            0x92 => return Err("a constructor with named arguments, which is not supported".into()),
            other => return Err(format!("no pickle has an operation {other:#04x}")),
        })
    }

    /// Operations on the memo.
    fn memory(&mut self, operation: u8) -> Result<Option<Id>, Problem> {
        let key = match operation {
            b'p' | b'g' => {
                let line = text::utf8(self.input.line()?)?;
                line.parse()
                    .map_err(|_| format!("invalid memo index `{}`: expected a number", text::shown(line)))?
            }
            b'q' | b'h' => u64::from(self.input.u8()?),
            b'r' | b'j' => u64::from(self.input.u32()?),
            _ => self.memo.len() as u64,
        };
        if matches!(operation, b'g' | b'h' | b'j') {
            let id = *self.memo.get(&key).ok_or_else(|| format!("the memo holds nothing at {key}"))?;
            return Ok(self.push_id(id));
        }
        let id = self.top()?;
        self.memo.insert(key, id);
        Ok(None)
    }

    /// Operations that put values into the one below them.
    fn fill(&mut self, operation: u8) -> Result<(), Problem> {
        let values = match operation {
            b'a' | b'b' => self.pop_many(1)?,
            b's' => self.pop_many(2)?,
            _ => self.pop_mark()?,
        };
        let target = self.top()?;
        match (operation, &mut self.nodes[target.0 as usize]) {
            (b'a' | b'e', Node::List(list)) => list.extend(values),
            (0x90, Node::Set(set)) => set.extend(values),
            (b's' | b'u', Node::Dict(items) | Node::Object(Object { items, .. })) => {
                items.extend(pairs(&values)?);
            }
            (b'b', Node::Object(object)) if object.state.is_none() => object.state = values.first().copied(),
            _ => return Err("values are put into something that cannot hold them".into()),
        }
        Ok(())
    }

    /// Operations that name something: globals, calls, and what lies outside of the pickle.
    fn named(&mut self, operation: u8) -> Result<Node<'a>, Problem> {
        Ok(match operation {
            b'c' => {
                let (module, name) = self.two_lines()?;
                Node::Global(self.global(module, name))
            }
            0x93 => {
                let [module, name] = self.pop_many(2)?[..] else { return Err("its stack is empty".into()) };
                match (self.nodes[module.0 as usize].clone(), self.nodes[name.0 as usize].clone()) {
                    (Node::Str(module), Node::Str(name)) => Node::Global(self.global(&module, &name)),
                    _ => return Err("invalid name: expected text".into()),
                }
            }
            b'R' | 0x81 => {
                let [callable, arguments] = self.pop_many(2)?[..] else {
                    return Err("its stack is empty".into());
                };
                self.call(callable, arguments)?
            }
            b'i' => {
                let (module, name) = self.two_lines()?;
                let constructor = self.global(module, name);
                let arguments = self.pop_mark()?;
                let arguments = self.keep(Node::Tuple(arguments))?;
                Node::Object(Object { constructor, arguments, items: Vec::new(), state: None })
            }
            b'o' => {
                let mut values = self.pop_mark()?;
                if values.is_empty() {
                    return Err("a call of nothing".into());
                }
                let callable = values.remove(0);
                let arguments = self.keep(Node::Tuple(values))?;
                self.call(callable, arguments)?
            }
            b'P' => {
                let name = Node::Str(text::utf8(self.input.line()?)?.into());
                let id = self.keep(name)?;
                Node::Persistent(id)
            }
            _ => Node::Persistent(self.pop()?),
        })
    }

    /// Notes a call. The arguments are not copied: a tuple can be used by any number of calls.
    fn call(&self, callable: Id, arguments: Id) -> Result<Node<'a>, Problem> {
        match (&self.nodes[callable.0 as usize], &self.nodes[arguments.0 as usize]) {
            (&Node::Global(constructor), Node::Tuple(_)) => {
                Ok(Node::Object(Object { constructor, arguments, items: Vec::new(), state: None }))
            }
            (Node::Global(_), _) => Err("invalid call: expected a tuple of arguments".into()),
            _ => Err("invalid call: expected the name of what is called".into()),
        }
    }

    fn two_lines(&mut self) -> Result<(&'a str, &'a str), Problem> {
        let module = text::utf8(self.input.line()?)?;
        Ok((module, text::utf8(self.input.line()?)?))
    }

    /// The entry of the allow-list that a pickle asks for. A name that is not there is noted, and reading goes on,
    /// so that the error can say which names there are.
    fn global(&mut self, module: &str, name: &str) -> &'static str {
        let known = self.allowed.globals.iter().find(|known| known.split_once(' ') == Some((module, name)));
        if let Some(known) = known {
            return known;
        }
        let at = self.input.at();
        let (_, names) = self.refused.get_or_insert_with(|| (at, Vec::new()));
        let name = format!("{}.{}", text::shown(module), text::shown(name));
        if names.len() < MAX_NAMES && !names.contains(&name) {
            names.push(name);
        }
        REFUSED
    }

    fn keep(&mut self, node: Node<'a>) -> Result<Id, Problem> {
        if self.nodes.len() >= MAX_NODES {
            return Err(format!("more than {MAX_NODES} values"));
        }
        self.nodes.push(node);
        Ok(Id(self.nodes.len() as u32 - 1))
    }

    fn push(&mut self, node: Node<'a>) -> Result<(), Problem> {
        let id = self.keep(node)?;
        self.stack.push(id);
        Ok(())
    }

    fn push_id(&mut self, id: Id) -> Option<Id> {
        self.stack.push(id);
        None
    }

    /// Height below which nothing may be taken.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Id, Problem> {
        match self.stack.last() {
            Some(&id) if self.stack.len() > self.floor() => Ok(id),
            _ => Err("its stack is empty".into()),
        }
    }

    fn pop(&mut self) -> Result<Id, Problem> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Id>, Problem> {
        match self.stack.len().checked_sub(count) {
            Some(start) if start >= self.floor() => Ok(self.stack.split_off(start)),
            _ => Err("its stack is empty".into()),
        }
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, Problem> {
        let start = self.marks.pop().ok_or("a mark is missing")?;
        Ok(self.stack.split_off(start))
    }
}

/// The problem with a pickle that asks for names that are not allowed.
fn refusal(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(SHOWN_NAMES).map(|name| format!("`{name}`")).collect();
    let which = if names.len() == 1 { "which is" } else { "which are" };
    let more = match names.len().saturating_sub(SHOWN_NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("it asks for {}{more}, {which} refused; nothing of it was executed", shown.join(", "))
}

fn pairs(flat: &[Id]) -> Result<Vec<(Id, Id)>, Problem> {
    let (pairs, rest) = flat.as_chunks();
    if !rest.is_empty() {
        return Err("a key without its value".into());
    }
    Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
}

fn string(bytes: &[u8]) -> Result<Node<'_>, Problem> {
    text::utf8(bytes).map(|text| Node::Str(text.into()))
}

fn bytes(bytes: &[u8]) -> Node<'_> {
    Node::Bytes(bytes.into())
}

/// A string of Python 2: text where it reads as such.
fn python2(bytes: Cow<'_, [u8]>) -> Node<'_> {
    match bytes {
        Cow::Borrowed(bytes) => {
            std::str::from_utf8(bytes).map_or(Node::Bytes(bytes.into()), |text| Node::Str(text.into()))
        }
        Cow::Owned(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Node::Str(text.into()),
            Err(error) => Node::Bytes(error.into_bytes().into()),
        },
    }
}

/// A two's complement integer, the lowest byte first.
fn long(bytes: &[u8]) -> Node<'_> {
    if bytes.len() > 8 {
        return Node::Long(bytes.into());
    }
    let negative = bytes.last().is_some_and(|&high| high & 0x80 != 0);
    let mut whole = [if negative { 0xFF } else { 0 }; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    Node::Int(i64::from_le_bytes(whole))
}
