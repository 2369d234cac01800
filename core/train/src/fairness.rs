//! Warnings of settings under which supervisions cannot be compared, and of runs that have learned nothing yet.

use crate::config::TrainConfig;

/// Images of a step below which results depend more on the seed than on the supervision (docs/results.md).
const FEW_IMAGES: usize = 32;

/// Share of chance's loss above which a run counts as not having left it.
#[cfg(not(target_family = "wasm"))]
const PLATEAU: f64 = 0.98;

/// What to say where a step sees few of `images` images.
pub(crate) fn few_images(config: &TrainConfig, images: usize) -> Option<String> {
    let (batch, regions) = (config.batch, config.regions_per_step.max(1));
    let seen = batch.div_ceil(regions);
    (seen < FEW_IMAGES.min(images)).then(|| {
        format!(
            "a step sees only {seen} images (batch {batch}, {regions} regions of each): accuracies then differ much from \
             seed to seed; raise --batch or lower --regions-per-step until {FEW_IMAGES} are seen"
        )
    })
}

/// What to say where the loss at the end, in nats, is still that of guessing among `classes` classes.
///
/// The loss of a uniform prediction is ln C whatever a label says; a teacher's divergence (kd, funmatch) has no such
/// value.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn plateau(config: &TrainConfig, classes: usize, loss: f64) -> Option<String> {
    let chance = (classes.max(1) as f64).ln();
    let is_known = !config.supervision.needs_teacher() && chance > 0.0;
    (is_known && loss >= PLATEAU * chance).then(|| {
        format!(
            "the loss at the end, {loss:.3} nats, is not 2 % below that of guessing, {chance:.3}: the run was too short, or \
             its learning rate unfit, to compare it with others"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Supervision;

    #[test]
    fn few_images_a_step_are_said() {
        let config =
            |batch, regions_per_step| TrainConfig { batch, regions_per_step, ..TrainConfig::default() };
        let said = few_images(&config(32, 4), 1000).unwrap();
        assert!(said.contains("only 8 images (batch 32, 4 regions"), "{said}");
        assert_eq!(few_images(&config(64, 2), 1000), None);
        // A set that is no larger cannot give more.
        assert_eq!(few_images(&config(32, 4), 8), None);
    }

    #[test]
    fn a_loss_of_guessing_is_said() {
        let config = TrainConfig { supervision: Supervision::Ferkd, ..TrainConfig::default() };
        assert!(plateau(&config, 10, 2.29).unwrap().contains("2.290 nats"));
        assert_eq!(plateau(&config, 10, 2.2), None);
        assert_eq!(plateau(&TrainConfig { supervision: Supervision::Kd, ..config }, 10, 2.3), None);
    }
}
