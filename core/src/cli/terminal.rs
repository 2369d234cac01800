//! Progress on standard error: a bar on a terminal, else one plain line per interval.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use ferkd_data::events::Event;
use ferkd_method::mining::RegionKind;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::messages::say;

/// A listener that shows events to a person.
pub struct Terminal {
    bar: Option<ProgressBar>,
    lines: bool,
    quiet_until: Instant,
}

impl Terminal {
    /// A bar where standard error is a terminal.
    pub fn new() -> Self {
        Self { bar: None, lines: !std::io::stderr().is_terminal(), quiet_until: Instant::now() }
    }

    /// Shows an event.
    pub fn hear(&mut self, event: &Event) {
        match event {
            Event::Started { job, total, unit, done } => {
                self.say(&format!(
                    "{job}: {total} {unit}{}",
                    match done {
                        0 => String::new(),
                        n => format!(", {n} of them done before"),
                    }
                ));
                if !self.lines {
                    let bar = ProgressBar::with_draw_target(Some(*total), ProgressDrawTarget::stderr());
                    let style = ProgressStyle::with_template("{bar:32} {pos}/{len} {msg}");
                    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                    bar.set_position(*done);
                    self.bar = Some(bar);
                }
            }
            Event::Notice { text } => self.say(text),
            Event::Progress { done, total, units_per_s, eta_s } => {
                let text = format!("{units_per_s:.1}/s, {} left", duration(*eta_s));
                self.show(*done, *total, &text, done == total);
            }
            Event::Metric { step, steps, epoch, loss, kinds, regions_per_s, eta_s, .. } => {
                let mut text = format!("epoch {epoch:.1}, loss {loss:.3}, {regions_per_s:.0} regions/s");
                if kinds.total() > 0 {
                    let shares = kinds.shares();
                    let shares =
                        RegionKind::ALL.map(|k| format!("{}{:.0}", k.letter(), 100.0 * shares[k as usize]));
                    text += &format!(" ({} %)", shares.join(" "));
                }
                text += &format!(", {} left", duration(*eta_s));
                self.show(*step, *steps, &text, step == steps);
            }
            Event::Evaluation { epoch, top1, best, .. } => {
                let mark = if *best { ", best so far" } else { "" };
                self.say(&format!("epoch {epoch:.1}: {:.1} % right{mark}", 100.0 * top1));
            }
            Event::Checkpoint { .. } => {}
            Event::Done { job, time_s } => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
                self.say(&format!("{job}: done in {}", duration(*time_s)));
            }
            Event::Failed { .. } => {
                if let Some(bar) = self.bar.take() {
                    bar.abandon();
                }
            }
        }
    }

    fn show(&mut self, done: u64, total: u64, text: &str, last: bool) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
            bar.set_position(done);
        } else if last || Instant::now() >= self.quiet_until {
            self.quiet_until = Instant::now() + Duration::from_secs(10);
            self.say(&format!("{done}/{total} {text}"));
        }
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => say(text),
        }
    }
}

/// Seconds as a person writes them.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() => "?".into(),
        s if s < 60.0 => format!("{s:.0} s"),
        s if s < 3600.0 => format!("{:.0} min {:.0} s", (s / 60.0).floor(), s % 60.0),
        s => format!("{:.0} h {:.0} min", (s / 3600.0).floor(), s % 3600.0 / 60.0),
    }
}
