// Bins of confidences; the twin of ferkd::mining::Histogram::add.

struct Settings {
    count: u32,
    bins: u32,
}

@group(0) @binding(0) var<uniform> settings: Settings;
@group(0) @binding(1) var<storage, read> confidences: array<f32>;
// One more than there are bins: the last counts what is no number.
@group(0) @binding(2) var<storage, read_write> counts: array<atomic<u32>>;

const MOST = 1025u;
// A workgroup counts for itself first: all of them at one bin of the result would wait for each other.
var<workgroup> own: array<atomic<u32>, MOST>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    for (var bin = local; bin <= settings.bins; bin += 64u) {
        atomicStore(&own[bin], 0u);
    }
    workgroupBarrier();
    let number = id.x + id.y * groups.x * 64u;
    if number < settings.count {
        // By bits: a compiler may take it that no float is NaN.
        let bits = bitcast<u32>(confidences[number]) & 0x7fffffffu;
        var bin = settings.bins;
        if bits <= 0x7f800000u {
            let last = f32(settings.bins - 1u);
            bin = u32(clamp(confidences[number] * f32(settings.bins), 0.0, last));
        }
        atomicAdd(&own[bin], 1u);
    }
    workgroupBarrier();
    for (var bin = local; bin <= settings.bins; bin += 64u) {
        let found = atomicLoad(&own[bin]);
        if found > 0u {
            atomicAdd(&counts[bin], found);
        }
    }
}
