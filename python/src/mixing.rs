//! How regions are mixed, row by row.

use ferkd_data::batches::step_mix::StepMix;
use ferkd_data::config::resolve;
use ferkd_method::error::{Error, Result};
use ferkd_method::selfmix::{Mix, MixDraws, MixPartners, MixRule, MixStrength, Mixing, Operator, partners};
use numpy::IntoPyArray;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::convert::{settings, table};
use crate::errors::raised_of_settings;

/// Partner int64 (N), operator uint8 (N), l float32 (N) and box int32 (N, 4) of N rows.
pub type MixArrays<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>);

/// How rows are mixed, field by field.
#[derive(Default)]
pub struct MixRows {
    partners: Vec<i64>,
    operators: Vec<u8>,
    l: Vec<f32>,
    paste: Vec<i32>,
}

impl MixRows {
    /// Adds a row that is mixed with row `partner`.
    pub fn push(&mut self, partner: i64, mixing: Option<Mixing>) {
        let (operator, l, box_) = match mixing {
            None => (0, 1.0, [0; 4]),
            Some(Mixing { operator: Operator::Pixels, l }) => (1, l, [0; 4]),
            Some(Mixing { operator: Operator::Paste { top, bottom, left, right }, l }) => {
                (2, l, [top, bottom, left, right])
            }
        };
        self.partners.push(partner);
        self.operators.push(operator);
        self.l.push(l);
        self.paste.extend(box_.map(|edge| edge as i32));
    }

    /// The rows as arrays.
    ///
    /// # Errors
    /// None: all fields are equally long.
    pub fn arrays(self, py: Python<'_>) -> PyResult<MixArrays<'_>> {
        let Self { partners, operators, l, paste } = self;
        Ok((
            partners.into_pyarray(py).into_any(),
            operators.into_pyarray(py).into_any(),
            l.into_pyarray(py).into_any(),
            table(py, paste, 4)?,
        ))
    }
}

ferkd_data::options! {
    /// Settings of mixing: those of `ferkd train` under the same names.
    MixConfig {
        /// Seed of partners, operators and strengths.
        seed: u64 = 0,
        /// Mixing: none, selfmix, mixup or cutmix.
        mix: Mix = Mix::Selfmix,
        /// Probability that a step is mixed at all.
        mix_probability: f64 = 1.0,
        /// Whether operator, strength and box are drawn once a batch or for each image.
        mix_draws: MixDraws = MixDraws::Batch,
        /// Probability that SelfMix mixes pixels rather than pastes a box.
        mix_switch: f64 = 0.5,
        /// Pixels are mixed with l from Beta(a, a).
        mix_pixel_alpha: f64 = 0.8,
        /// Boxes are pasted with l from Beta(a, a).
        mix_box_alpha: f64 = 1.0,
    }
}

/// Draws how the regions of a step are mixed, as `ferkd train` does.
///
/// Args:
///     step: Number of the step, from 0.
///     regions: How many regions of each image of the batch, in its order.
///     side: Side of the pictures, in pixels.
///     **settings: seed, mix, mix_probability, mix_draws, mix_switch, mix_pixel_alpha, mix_box_alpha.
///
/// Returns:
///     A row a region: partner int64 (N), operator uint8 (N) (0 not mixed, 1 pixels, 2 a pasted box), weight of its own
///     pixels and label float32 (N), pasted box int32 (N, 4) as top, bottom, left, right, half-open.
#[pyfunction]
#[pyo3(signature = (step, regions, side, **settings))]
pub fn draw_mixing<'py>(
    py: Python<'py>,
    step: u64,
    regions: Vec<usize>,
    side: u32,
    settings: Option<&Bound<'py, PyDict>>,
) -> PyResult<MixArrays<'py>> {
    drawn(step, &regions, side, self::settings(settings)?).map_err(raised_of_settings)?.arrays(py)
}

fn drawn(step: u64, regions: &[usize], side: u32, layer: toml::Table) -> Result<MixRows> {
    let config: MixConfig = resolve(&[("ferkd.torch.SelfMix".into(), layer)])?;
    if !(1..=4096).contains(&side) {
        return Err(Error::usage("side", format!("invalid value {side}: expected 1 to 4096 pixels")));
    }
    let strength = MixStrength {
        probability: config.mix_probability,
        switch: config.mix_switch,
        pixel_alpha: config.mix_pixel_alpha,
        box_alpha: config.mix_box_alpha,
    };
    let rule = MixRule { mix: config.mix, strength, draws: config.mix_draws, partners: MixPartners::Random };
    rule.check()?;
    let mixings = rule.mixings(config.seed, step, side, regions.len())?;
    let mix = StepMix::of(partners(config.mix, config.seed, step, regions), &mixings, regions);
    let mut rows = MixRows::default();
    for (partner, mixing) in mix.partners.into_iter().zip(mix.mixings) {
        rows.push(partner.into(), mixing);
    }
    Ok(rows)
}
