//! Where the panes are: tiles that the reader may move; one column where there is no room for two.

use std::collections::BTreeMap;

use egui::scroll_area::{DragScroll, ScrollSource};
use egui_tiles::{Container, Linear, LinearDir, Tile, TileId, Tiles, Tree, UiResponse};

use crate::meter::Clock;
use crate::pane_kind::PaneKind;
use crate::panes;
use crate::panes::context::PaneContext;
use crate::state::State;
use crate::{theme, touch};

/// The arrangement of panes.
pub struct Layout {
    tree: Tree<PaneKind>,
    /// Where each pane was drawn last, as far as it is in sight.
    places: BTreeMap<PaneKind, egui::Rect>,
    /// What the window shows of panes that stand one below the other.
    view: Option<egui::Rect>,
}

impl Default for Layout {
    fn default() -> Self {
        let mut tiles = Tiles::default();
        let mut pane = |kind| tiles.insert_pane(kind);
        let (image, label, confidence) =
            (pane(PaneKind::Image), pane(PaneKind::Label), pane(PaneKind::Confidence));
        let tabs: Vec<TileId> = PaneKind::TABS.into_iter().map(&mut pane).collect();
        let mut right = vec![confidence];
        if !tabs.is_empty() {
            right.push(tiles.insert_tab_tile(tabs));
        }
        let regions = tiles.insert_pane(PaneKind::Regions);
        let label = tiles.insert_tab_tile(vec![label, regions]);
        let left = split(&mut tiles, LinearDir::Vertical, &[(image, 0.64), (label, 0.36)]);
        let right: Vec<(TileId, f32)> = right.into_iter().map(|tile| (tile, 0.5)).collect();
        let right = split(&mut tiles, LinearDir::Vertical, &right);
        let root = split(&mut tiles, LinearDir::Horizontal, &[(left, 0.54), (right, 0.46)]);
        Self { tree: Tree::new(egui::Id::unique("panes"), root, tiles), places: BTreeMap::new(), view: None }
    }
}

fn split(tiles: &mut Tiles<PaneKind>, dir: LinearDir, parts: &[(TileId, f32)]) -> TileId {
    let mut linear = Linear::new(dir, parts.iter().map(|(tile, _)| *tile).collect());
    for (tile, share) in parts {
        linear.shares.set_share(*tile, *share);
    }
    tiles.insert_container(Container::Linear(linear))
}

impl Layout {
    /// Draws all panes, each a part of the frame's work; `focus` comes to the front.
    pub fn show(
        &mut self,
        state: &State,
        focus: Option<PaneKind>,
        cx: &mut PaneContext,
        clock: &mut Clock,
        ui: &mut egui::Ui,
    ) {
        self.places.clear();
        self.view = None;
        if theme::is_one_column(ui.ctx()) {
            let view = one_column(state, focus, cx, clock, &mut self.places, ui);
            self.places.values_mut().for_each(|place| *place = place.intersect(view));
            self.places.retain(|_, place| place.is_positive());
            self.view = Some(view);
            return;
        }
        if let Some(kind) = focus {
            self.focus(kind);
        }
        let hidden = &state.experiment.hidden;
        for (id, kind) in kinds(&self.tree) {
            let is_empty = kind == PaneKind::Run && state.runs.is_empty();
            self.tree.set_visible(id, !is_empty && !hidden.contains(&kind));
        }
        self.tree.ui(&mut Behavior { state, cx, clock, places: &mut self.places }, ui);
    }

    /// Where a pane was drawn last, in points; none if it was out of sight.
    pub fn place(&self, kind: PaneKind) -> Option<egui::Rect> {
        self.places.get(&kind).copied()
    }

    /// Where all panes that are in sight lie, in points; none before they were drawn.
    pub fn all(&self) -> Option<egui::Rect> {
        self.view.or_else(|| self.places.values().copied().reduce(egui::Rect::union))
    }

    /// As text, to be kept.
    pub fn to_text(&self) -> String {
        // Plain data: serialising it cannot fail.
        serde_json::to_string(&self.tree).unwrap_or_default()
    }

    /// From text that was kept; none where it is of another version, or lacks a pane.
    pub fn from_text(text: &str) -> Option<Self> {
        let tree: Tree<PaneKind> = serde_json::from_str(text).ok()?;
        let there: Vec<PaneKind> = kinds(&tree).into_iter().map(|(_, kind)| kind).collect();
        PaneKind::ALL.iter().all(|kind| there.contains(kind)).then_some(Self {
            tree,
            places: BTreeMap::new(),
            view: None,
        })
    }

    /// Brings a pane to the front.
    pub fn focus(&mut self, kind: PaneKind) {
        self.tree.make_active(|_, tile| matches!(tile, Tile::Pane(pane) if *pane == kind));
    }
}

/// Height of a pane that stands below others, in points: as much as fits on a phone, its title and the bar besides.
const HEIGHT: f32 = 420.0;

/// All panes one below the other, each behind its title; what of them the window shows, and in `places` where each is.
fn one_column(
    state: &State,
    focus: Option<PaneKind>,
    cx: &mut PaneContext,
    clock: &mut Clock,
    places: &mut BTreeMap<PaneKind, egui::Rect>,
    ui: &mut egui::Ui,
) -> egui::Rect {
    // Two fingers draw a box on the photo: what is under them stands still.
    let drag = match touch::two(ui.ctx()) {
        Some(_) => DragScroll::Never,
        None => DragScroll::OnTouch,
    };
    let scroll = egui::ScrollArea::vertical().auto_shrink(false);
    let shown = scroll.scroll_source(ScrollSource { drag, ..ScrollSource::default() }).show(ui, |ui| {
        egui::Frame::new().inner_margin(theme::MARGIN).show(ui, |ui| {
            for kind in PaneKind::ALL {
                let is_empty = kind == PaneKind::Run && state.runs.is_empty();
                if is_empty || state.experiment.hidden.contains(&kind) {
                    continue;
                }
                let comes = focus == Some(kind);
                let title = egui::RichText::new(kind.title()).size(theme::TITLE);
                let header = egui::CollapsingHeader::new(title)
                    .id_salt(kind.title())
                    .default_open(kind.opens_first())
                    .open(comes.then_some(true));
                // Without an indent: a phone has no width to give away.
                let shown = header.show_unindented(ui, |ui| {
                    described(kind, ui);
                    ui.set_max_height(HEIGHT);
                    clock.time(kind.title(), || panes::ui(kind, state, cx, ui));
                });
                if comes {
                    shown.header_response.scroll_to_me(Some(egui::Align::Min));
                }
                let title = shown.header_response.rect;
                let body = shown.body_response.map_or(title, |body| body.rect);
                places.insert(kind, title.union(body));
            }
        });
    });
    shown.inner_rect
}

/// Names a pane for those who do not see it.
fn described(kind: PaneKind, ui: &egui::Ui) {
    ui.ctx().accesskit_node_builder(ui.unique_id(), |node| {
        node.set_role(egui::Role::Region);
        node.set_label(kind.title());
    });
}

fn kinds(tree: &Tree<PaneKind>) -> Vec<(TileId, PaneKind)> {
    let pane = |(id, tile): (&TileId, &Tile<PaneKind>)| match tile {
        Tile::Pane(kind) => Some((*id, *kind)),
        Tile::Container(_) => None,
    };
    tree.tiles.iter().filter_map(pane).collect()
}

struct Behavior<'a> {
    state: &'a State,
    cx: &'a mut PaneContext,
    clock: &'a mut Clock,
    places: &'a mut BTreeMap<PaneKind, egui::Rect>,
}

impl egui_tiles::Behavior<PaneKind> for Behavior<'_> {
    fn pane_ui(&mut self, ui: &mut egui::Ui, _: TileId, pane: &mut PaneKind) -> UiResponse {
        self.places.insert(*pane, ui.max_rect());
        let scrolls = !matches!(pane, PaneKind::Image | PaneKind::Regions | PaneKind::Gallery);
        let (state, cx) = (self.state, &mut *self.cx);
        self.clock.time(pane.title(), || {
            egui::Frame::new().inner_margin(theme::MARGIN).show(ui, |ui| {
                described(*pane, ui);
                if scrolls {
                    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                        panes::ui(*pane, state, cx, ui);
                    });
                } else {
                    panes::ui(*pane, state, cx, ui);
                }
            });
        });
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, pane: &PaneKind) -> egui::WidgetText {
        pane.title().into()
    }

    fn simplification_options(&self) -> egui_tiles::SimplificationOptions {
        egui_tiles::SimplificationOptions { all_panes_must_have_tabs: true, ..Default::default() }
    }

    fn gap_width(&self, _: &egui::Style) -> f32 {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_survives_being_kept() {
        let layout = Layout::default();
        let again = Layout::from_text(&layout.to_text()).unwrap();
        assert!(again.tree == layout.tree);
        assert!(Layout::from_text("{}").is_none());
    }
}
