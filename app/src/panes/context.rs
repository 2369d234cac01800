//! What a pane may reach besides the state: the actions that it asks for, and what draws its pictures.

use crate::screen::Screen;
use crate::state::action::Action;
use crate::thumbnails::Thumbnails;

/// Actions that panes ask for, and what draws their pictures.
#[derive(Default)]
pub struct PaneContext {
    actions: Vec<Action>,
    pub(crate) screen: Screen,
    pub(crate) thumbnails: Thumbnails,
}

impl PaneContext {
    /// Asks for a change of the state: it is made when all panes are drawn.
    pub fn push(&mut self, action: impl Into<Action>) {
        self.actions.push(action.into());
    }

    /// What was asked for since the last call, in order.
    pub fn take(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }
}
