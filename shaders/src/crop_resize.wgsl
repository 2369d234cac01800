// Cuts regions out of a picture, resizes them with antialiasing, mirrors and normalises them; the twin of
// ferkd::pixels::crop_resize and Normalisation. Two passes, each along one axis and rounded to bytes.

struct Settings {
    // Side of the output, in pixels.
    side: u32,
    // First of the cuts that are at work.
    begin: u32,
}

struct Cut {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
    flip: u32,
    // Whether the first pass goes along columns.
    columns_first: u32,
    // Place of the taps from left to right, and from top to bottom.
    across: u32,
    down: u32,
    // Binary digits behind the point of their weights.
    across_bits: u32,
    down_bits: u32,
    // Place of the picture between the passes.
    between: u32,
}

struct Tap {
    begin: u32,
    count: u32,
    weights: u32,
}

@group(0) @binding(0) var<uniform> settings: Settings;
@group(0) @binding(1) var<storage, read> cuts: array<Cut>;
@group(0) @binding(2) var<storage, read> taps: array<Tap>;
@group(0) @binding(3) var<storage, read> weights: array<i32>;
@group(0) @binding(4) var picture: texture_2d<u32>;
// Red, green and blue in the three low bytes.
@group(0) @binding(5) var<storage, read_write> between: array<u32>;
// The number for each byte: red, then green, then blue.
@group(0) @binding(6) var<uniform> numbers: array<vec4<f32>, 192>;
@group(0) @binding(7) var<storage, read_write> planes: array<f32>;

fn between_size(cut: Cut) -> vec2<u32> {
    if cut.columns_first == 1u {
        return vec2<u32>(cut.width, settings.side);
    }
    return vec2<u32>(settings.side, cut.height);
}

// Whole numbers, half up, within a byte.
fn bytes(sum: vec3<i32>, bits: u32) -> vec3<u32> {
    let half = vec3<i32>(1i << (bits - 1u));
    return vec3<u32>(clamp((sum + half) >> vec3<u32>(bits), vec3<i32>(0), vec3<i32>(255)));
}

fn number(channel: u32, byte: u32) -> f32 {
    let i = channel * 256u + byte;
    return numbers[i / 4u][i % 4u];
}

@compute @workgroup_size(8, 8)
fn one_axis(@builtin(global_invocation_id) id: vec3<u32>) {
    let cut = cuts[settings.begin + id.z];
    let size = between_size(cut);
    if any(id.xy >= size) {
        return;
    }
    let is_down = cut.columns_first == 1u;
    let tap = taps[select(cut.across + id.x, cut.down + id.y, is_down)];
    var sum = vec3<i32>(0);
    for (var k = 0u; k < tap.count; k++) {
        let along = tap.begin + k;
        let at = select(vec2<u32>(along, id.y), vec2<u32>(id.x, along), is_down);
        let color = textureLoad(picture, vec2<u32>(cut.left, cut.top) + at, 0);
        sum += weights[tap.weights + k] * vec3<i32>(color.rgb);
    }
    let color = bytes(sum, select(cut.across_bits, cut.down_bits, is_down));
    between[cut.between + id.y * size.x + id.x] = color.r | (color.g << 8u) | (color.b << 16u);
}

@compute @workgroup_size(8, 8)
fn other_axis(@builtin(global_invocation_id) id: vec3<u32>) {
    let side = settings.side;
    if any(id.xy >= vec2<u32>(side)) {
        return;
    }
    let cut = cuts[settings.begin + id.z];
    let width = between_size(cut).x;
    let is_down = cut.columns_first == 0u;
    let tap = taps[select(cut.across + id.x, cut.down + id.y, is_down)];
    var sum = vec3<i32>(0);
    for (var k = 0u; k < tap.count; k++) {
        let along = tap.begin + k;
        let at = select(vec2<u32>(along, id.y), vec2<u32>(id.x, along), is_down);
        let packed = between[cut.between + at.y * width + at.x];
        let color = vec3<u32>(packed, packed >> 8u, packed >> 16u) & vec3<u32>(255u);
        sum += weights[tap.weights + k] * vec3<i32>(color);
    }
    let color = bytes(sum, select(cut.across_bits, cut.down_bits, is_down));
    let column = select(id.x, side - 1u - id.x, cut.flip == 1u);
    let plane = side * side;
    let at = (settings.begin + id.z) * 3u * plane + id.y * side + column;
    planes[at] = number(0u, color.r);
    planes[at + plane] = number(1u, color.g);
    planes[at + 2u * plane] = number(2u, color.b);
}
