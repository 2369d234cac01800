//! One of several processes that train together.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use ferkd_data::batches::share::Share;
use ferkd_data::number_of::number_of;
use ferkd_method::error::{Error, Result};

/// Process `number` of `of`, counted from 1: the first leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Node {
    number: u32,
    of: u32,
}

/// Most processes that train together.
const MOST: u32 = 4096;

impl Node {
    /// Its number, from 1.
    pub fn number(self) -> u32 {
        self.number
    }

    /// How many there are.
    pub fn of(self) -> u32 {
        self.of
    }

    /// Whether it writes the run's folder, evaluates, and waits for the others to come.
    pub fn leads(self) -> bool {
        self.number == 1
    }

    /// Its share of every step.
    pub fn share(self) -> Share {
        Share { number: self.number as usize - 1, of: self.of as usize }
    }

    /// The one that it sends to.
    pub(super) fn next(self) -> Self {
        Self { number: self.number % self.of + 1, ..self }
    }

    /// The one that it hears from.
    pub(super) fn previous(self) -> Self {
        Self { number: (self.number + self.of - 2) % self.of + 1, ..self }
    }

    /// Another one of the same number of nodes.
    pub(super) fn sibling(self, number: u32) -> Self {
        Self { number, ..self }
    }
}

impl FromStr for Node {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (number, of) = number_of(text, 2..=MOST).ok_or_else(|| {
            let problem = format!("invalid node {text:?}: expected a number of a count, from 2 to {MOST}");
            Error::usage("node", problem)
                .remedy("write 2/4 for the second of four; leave it out for one alone")
        })?;
        Ok(Self { number, of })
    }
}

impl TryFrom<String> for Node {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Node> for String {
    fn from(node: Node) -> Self {
        node.to_string()
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_stand_in_a_ring() {
        let nodes: Vec<Node> = (1..=3).map(|i| format!("{i}/3").parse().unwrap()).collect();
        assert_eq!(nodes.iter().map(|node| node.next().number()).collect::<Vec<_>>(), [2, 3, 1]);
        assert_eq!(nodes.iter().map(|node| node.previous().number()).collect::<Vec<_>>(), [3, 1, 2]);
        assert_eq!(nodes.iter().map(|node| node.leads()).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(nodes[1].share(), Share { number: 1, of: 3 });
    }

    #[test]
    fn what_is_no_node_is_refused() {
        assert_eq!("2/14".parse::<Node>().unwrap().to_string(), "2/14");
        for wrong in ["0/2", "3/2", "1/1", "2", "/", "a/b", "1/4097", "-1/2", "1/0", "1/2/3"] {
            assert!(wrong.parse::<Node>().unwrap_err().to_string().contains("2/4"), "{wrong}");
        }
    }
}
