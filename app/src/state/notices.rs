//! Things that went wrong or are worth a notice, newest last.

use std::ops::Deref;

/// A word to the user.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// What it says.
    pub text: String,
    /// Whether something went wrong.
    pub is_error: bool,
}

/// All words that are not dismissed yet, newest last.
#[derive(Debug, Clone, Default)]
pub struct Notices(Vec<Notice>);

impl Notices {
    /// Says that something went wrong.
    pub fn complain(&mut self, error: impl std::fmt::Display) {
        self.0.push(Notice { text: error.to_string(), is_error: true });
    }

    /// Says a word.
    pub fn say(&mut self, text: impl Into<String>) {
        self.0.push(Notice { text: text.into(), is_error: false });
    }

    /// Takes one back, by its place.
    pub fn dismiss(&mut self, at: usize) {
        if at < self.0.len() {
            self.0.remove(at);
        }
    }
}

impl Deref for Notices {
    type Target = [Notice];

    fn deref(&self) -> &[Notice] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dismissed_is_gone_and_the_rest_stays() {
        let mut notices = Notices::default();
        notices.say("a word");
        notices.complain("a fault");
        notices.dismiss(7);
        notices.dismiss(0);
        assert_eq!(notices[..], [Notice { text: "a fault".into(), is_error: true }]);
    }
}
