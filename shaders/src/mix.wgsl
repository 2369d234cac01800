// Mixes one region into another; the twin of ferkd::selfmix::Mixing::apply.

struct Mixing {
    // 0 by pixels, 1 by box.
    paste: u32,
    l: f32,
    side: u32,
    count: u32,
    top: u32,
    bottom: u32,
    left: u32,
    right: u32,
}

@group(0) @binding(0) var<uniform> mixing: Mixing;
@group(0) @binding(1) var<storage, read_write> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let number = id.x + id.y * groups.x * 64u;
    if number >= mixing.count {
        return;
    }
    if mixing.paste == 0u {
        a[number] = mixing.l * a[number] + (1.0 - mixing.l) * b[number];
        return;
    }
    let row = number / mixing.side % mixing.side;
    let column = number % mixing.side;
    if row >= mixing.top && row < mixing.bottom && column >= mixing.left && column < mixing.right {
        a[number] = b[number];
    }
}
