//! The values of a pickle, which point at each other by number.

use std::borrow::Cow;

/// What a pickle may name.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// The globals, each as its module, a blank, and its name: `collections OrderedDict`.
    pub globals: &'static [&'static str],
    /// What a user can do when another one is asked for, or when the file is broken.
    pub remedy: &'static str,
}

/// The number of a value within its [`Pickle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id(pub(super) u32);

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Node<'a> {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer of at most 64 bits.
    Int(i64),
    /// A larger integer: two's complement, the lowest byte first.
    Long(Cow<'a, [u8]>),
    /// A float.
    Float(f64),
    /// Text.
    Str(Cow<'a, str>),
    /// Bytes.
    Bytes(Cow<'a, [u8]>),
    /// A list.
    List(Vec<Id>),
    /// A tuple.
    Tuple(Vec<Id>),
    /// A set.
    Set(Vec<Id>),
    /// A dictionary; a key that was set twice stands twice.
    Dict(Vec<(Id, Id)>),
    /// A name of the allow-list, as it stands there.
    Global(&'static str),
    /// What an allowed constructor would have made. It was not called.
    Object(Object),
    /// A value that is kept outside of the pickle, and by what it is called there.
    Persistent(Id),
}

/// A call that was noted.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// The constructor, a name of the allow-list.
    pub constructor: &'static str,
    /// Its arguments: a tuple.
    pub arguments: Id,
    /// Items that were set afterwards, as those of an `OrderedDict` are.
    pub items: Vec<(Id, Id)>,
    /// The state that was given to it afterwards.
    pub state: Option<Id>,
}

/// The values of a pickle.
#[derive(Debug)]
pub struct Pickle<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) root: Id,
}

impl<'a> Pickle<'a> {
    /// The value that the pickle is about.
    pub fn root(&self) -> Id {
        self.root
    }

    /// A value.
    pub fn node(&self, id: Id) -> &Node<'a> {
        // Every number was handed out by the machine that filled this list.
        &self.nodes[id.0 as usize]
    }

    /// All values, those that the root does not reach included.
    pub fn nodes(&self) -> &[Node<'a>] {
        &self.nodes
    }

    /// An integer.
    pub fn int(&self, id: Id) -> Option<i64> {
        match *self.node(id) {
            Node::Int(value) => Some(value),
            _ => None,
        }
    }

    /// An integer that counts something.
    pub fn count(&self, id: Id) -> Option<usize> {
        self.int(id).and_then(|value| usize::try_from(value).ok())
    }

    /// Text.
    pub fn str(&self, id: Id) -> Option<&str> {
        match self.node(id) {
            Node::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of a list or a tuple.
    pub fn sequence(&self, id: Id) -> Option<&[Id]> {
        match self.node(id) {
            Node::List(elements) | Node::Tuple(elements) => Some(elements),
            _ => None,
        }
    }

    /// The counts in a list or a tuple: a shape, or strides.
    pub fn counts(&self, id: Id) -> Option<Vec<usize>> {
        self.sequence(id)?.iter().map(|&element| self.count(element)).collect()
    }

    /// A noted call: constructor, arguments, state.
    pub fn call(&self, id: Id) -> Option<(&'static str, &[Id], Option<Id>)> {
        match self.node(id) {
            Node::Object(object) => {
                Some((object.constructor, self.sequence(object.arguments)?, object.state))
            }
            _ => None,
        }
    }

    /// The items of a dictionary, of an `OrderedDict`, or of a `defaultdict` whatever its factory.
    pub fn items(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.node(id) {
            Node::Dict(items) => Some(items),
            Node::Object(Object { constructor: "collections OrderedDict", arguments, items, .. })
                if self.sequence(*arguments).is_some_and(<[Id]>::is_empty) =>
            {
                Some(items)
            }
            Node::Object(Object { constructor: "collections defaultdict", items, .. }) => Some(items),
            _ => None,
        }
    }

    /// The value of a text key; of a key that was set twice, the last one.
    pub fn get(&self, id: Id, key: &str) -> Option<Id> {
        self.items(id)?.iter().rev().find(|&&(k, _)| self.str(k) == Some(key)).map(|&(_, value)| value)
    }
}
