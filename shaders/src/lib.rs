//! WGSL for what the screen and the browser need fast. Every shader has a CPU twin in core, of the same name
//! and with the same result; tests validate each shader and hold it against its twin.
//!
//! So far: the kinds of regions, for a threshold that is dragged over a million of them.
#![warn(missing_docs)]

/// Sorts regions into kinds by their confidence and counts them: the twin of `ferkd::mining::Thresholds::kind`.
///
/// Bindings of group 0: 0 the thresholds (low, mid, high as f32, and the number of regions as u32),
/// uniform; 1 the confidences, f32; 2 the kinds, u32 (0 discarded, 1 context, 2 important, 3 trivial, 4 a
/// confidence that is no number); 3 five atomic counters. 64 regions a workgroup.
pub const KINDS: &str = include_str!("kinds.wgsl");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shader_is_valid() {
        let module = naga::front::wgsl::parse_str(KINDS).expect("kinds.wgsl");
        let mut validator = naga::valid::Validator::new(
            naga::valid::ValidationFlags::all(),
            naga::valid::Capabilities::empty(),
        );
        validator.validate(&module).expect("kinds.wgsl");
        assert_eq!(module.entry_points[0].workgroup_size, [64, 1, 1]);
    }
}
