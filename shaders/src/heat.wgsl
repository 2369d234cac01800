// Mean confidence of the regions that hold each point of a grid; the twin of ferkd::heat::heat_map.

struct Grid {
    columns: u32,
    rows: u32,
    width: u32,
    height: u32,
    cell: f32,
    regions: u32,
}

struct Region {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

@group(0) @binding(0) var<uniform> grid: Grid;
@group(0) @binding(1) var<storage, read> regions: array<Region>;
@group(0) @binding(2) var<storage, read> confidences: array<f32>;
@group(0) @binding(3) var<storage, read_write> means: array<f32>;

fn within(at: f32, start: u32, size: u32) -> bool {
    return at >= f32(start) && at <= f32(start + size);
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x > grid.columns || id.y > grid.rows {
        return;
    }
    let at = min(vec2<f32>(id.xy) * grid.cell, vec2<f32>(f32(grid.width), f32(grid.height)));
    var sum = 0.0;
    var count = 0u;
    for (var i = 0u; i < grid.regions; i++) {
        let region = regions[i];
        let holds = within(at.x, region.left, region.width) && within(at.y, region.top, region.height);
        // By bits: a compiler may take it that no float is NaN.
        if holds && (bitcast<u32>(confidences[i]) & 0x7fffffffu) <= 0x7f800000u {
            sum += confidences[i];
            count += 1u;
        }
    }
    var mean = -1.0;
    if count > 0u {
        mean = sum / f32(count);
    }
    means[id.y * (grid.columns + 1u) + id.x] = mean;
}
