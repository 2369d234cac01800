// Kinds of regions by confidence; the twin of ferkd::mining::Thresholds::kind.

struct Thresholds {
    low: f32,
    mid: f32,
    high: f32,
    count: u32,
}

@group(0) @binding(0) var<uniform> thresholds: Thresholds;
@group(0) @binding(1) var<storage, read> confidences: array<f32>;
@group(0) @binding(2) var<storage, read_write> kinds: array<u32>;
@group(0) @binding(3) var<storage, read_write> counts: array<atomic<u32>, 5>;

const DISCARDED = 0u;
const CONTEXT = 1u;
const IMPORTANT = 2u;
const TRIVIAL = 3u;
const NOT_A_NUMBER = 4u;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let number = id.x + id.y * groups.x * 64u;
    if number >= thresholds.count {
        return;
    }
    // By bits: a compiler may take it that no float is NaN.
    let bits = bitcast<u32>(confidences[number]) & 0x7fffffffu;
    let c = confidences[number];
    var kind = IMPORTANT;
    if bits > 0x7f800000u {
        kind = NOT_A_NUMBER;
    } else if c < thresholds.low {
        kind = DISCARDED;
    } else if c < thresholds.mid {
        kind = CONTEXT;
    } else if c > thresholds.high {
        kind = TRIVIAL;
    }
    kinds[number] = kind;
    atomicAdd(&counts[kind], 1u);
}
