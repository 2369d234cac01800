// What other shaders have computed, as colours of a texture that a window draws; the twins are
// ferkd::heat::colour and the rounding of ferkd::selfmix::mixed_picture.

struct Size {
    width: u32,
    height: u32,
}

@group(0) @binding(0) var<uniform> size: Size;
@group(0) @binding(1) var<storage, read> numbers: array<f32>;
@group(0) @binding(2) var picture: texture_storage_2d<rgba8unorm, write>;

const STOPS = array<vec3<f32>, 4>(
    vec3<f32>(45.0, 15.0, 80.0),
    vec3<f32>(140.0, 40.0, 110.0),
    vec3<f32>(230.0, 110.0, 60.0),
    vec3<f32>(250.0, 230.0, 110.0),
);

// Means of regions, -1 where there is none: nothing is drawn there.
@compute @workgroup_size(8, 8)
fn heat(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= size.width || id.y >= size.height {
        return;
    }
    let mean = numbers[id.y * size.width + id.x];
    var color = vec4<f32>(0.0);
    if mean >= 0.0 {
        let at = min(mean, 1.0) * 3.0;
        let stop = min(u32(at), 2u);
        var stops = STOPS;
        color = vec4<f32>(mix(stops[stop], stops[stop + 1u], at - f32(stop)) / 255.0, 1.0);
    }
    textureStore(picture, vec2<u32>(id.xy), color);
}

// Three planes of numbers in 0..=1: red, green, blue.
@compute @workgroup_size(8, 8)
fn planes(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= size.width || id.y >= size.height {
        return;
    }
    let plane = size.width * size.height;
    let at = id.y * size.width + id.x;
    let color = vec3<f32>(numbers[at], numbers[at + plane], numbers[at + 2u * plane]);
    textureStore(picture, vec2<u32>(id.xy), vec4<f32>(color, 1.0));
}
