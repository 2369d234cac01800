//! What depends on a convolution's shape alone, kept from one call to the next.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use crate::depthwise::Grid;
use crate::outer::{Chunks, Columns};
use crate::pixels::Way;
use crate::runs;
use crate::shape::ConvShape;
use crate::simd::Tile;
use crate::table::{Sides, Table};

/// Bytes of tables that are kept; beyond that all are made again.
const KEPT: usize = 64 << 20;

/// The tables of a convolution, each made when it is first needed.
#[derive(Debug)]
pub(crate) struct Plan {
    shape: ConvShape,
    /// The convolution that the data gradient is computed as, where it is one with runs.
    pub turned: Option<ConvShape>,
    forward: OnceLock<Table>,
    backward: OnceLock<Table>,
    chunks: OnceLock<Chunks>,
    grid: OnceLock<Grid>,
}

static PLANS: LazyLock<Mutex<HashMap<ConvShape, Arc<Plan>>>> = LazyLock::new(Mutex::default);

impl Plan {
    /// The plan of a shape.
    pub(crate) fn of(shape: &ConvShape) -> Arc<Self> {
        let mut plans = PLANS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = plans.get(shape) {
            return plan.clone();
        }
        if plans.values().map(|plan| plan.bytes()).sum::<usize>() > KEPT {
            plans.clear();
        }
        let plan = Arc::new(Self {
            shape: *shape,
            turned: runs::turned(shape),
            forward: OnceLock::new(),
            backward: OnceLock::new(),
            chunks: OnceLock::new(),
            grid: OnceLock::new(),
        });
        plans.insert(*shape, plan.clone());
        plan
    }

    /// The rows of the output.
    pub(crate) fn forward(&self) -> &Table {
        self.forward.get_or_init(|| match runs::fits(&self.shape) {
            true => by_runs(&self.shape),
            false => by_taps(&self.shape, Way::Forward),
        })
    }

    /// The rows of the input's gradient.
    pub(crate) fn backward(&self) -> &Table {
        self.backward.get_or_init(|| match &self.turned {
            Some(turned) => by_runs(turned),
            None => by_taps(&self.shape, Way::Backward),
        })
    }

    /// The chunks of the weight's gradient.
    pub(crate) fn chunks(&self) -> &Chunks {
        self.chunks.get_or_init(|| Chunks::new(&self.shape, &columns(&self.shape)))
    }

    /// The rows and columns of a depthwise convolution's output.
    pub(crate) fn grid(&self) -> &Grid {
        self.grid.get_or_init(|| Grid::new(&self.shape, Way::Forward))
    }

    fn bytes(&self) -> usize {
        let tables = [&self.forward, &self.backward].map(|table| table.get().map_or(0, Table::bytes));
        tables.iter().sum::<usize>() + self.chunks.get().map_or(0, Chunks::bytes)
    }
}

/// What the weight's gradient multiplies with.
pub(crate) fn columns(shape: &ConvShape) -> Columns {
    if runs::fits(shape) {
        return Columns {
            taps: shape.kernel[0],
            count: shape.kernel[1] * shape.channels,
            input: runs::padded_size(shape),
            pitch: shape.channels,
            runs: true,
        };
    }
    Columns {
        taps: shape.taps(),
        count: shape.group_channels(),
        input: shape.input,
        pitch: shape.channels,
        runs: false,
    }
}

fn by_taps(shape: &ConvShape, way: Way) -> Table {
    let (channels, outputs, columns) = match way {
        Way::Forward => (shape.channels, shape.outputs, shape.group_outputs()),
        Way::Backward => (shape.outputs, shape.channels, shape.group_channels()),
    };
    let ([height, width], [read_height, read_width]) = (way.written(shape), way.read(shape));
    let sides = Sides {
        batch: shape.batch,
        read: read_height * read_width * channels,
        written: height * width * outputs,
    };
    Table::new(
        Tile::of(columns).rows,
        &way.order(shape),
        shape.taps(),
        &sides,
        |[y, x]| (y * width + x) * outputs,
        |[y, x], tap| {
            let [down, across] = shape.tap(tap);
            let (y, x) = (way.axis(shape, 0, y, down)?, way.axis(shape, 1, x, across)?);
            Some((y * read_width + x) * channels)
        },
    )
}

/// Of padded pictures, whose rows are runs.
fn by_runs(shape: &ConvShape) -> Table {
    let ([height, width], [read_height, read_width]) = (shape.output(), runs::padded_size(shape));
    let sides = Sides {
        batch: shape.batch,
        read: read_height * read_width * shape.channels,
        written: height * width * shape.outputs,
    };
    Table::new(
        Tile::of(shape.outputs).rows,
        &Way::Forward.order(shape),
        shape.kernel[0],
        &sides,
        |[y, x]| (y * width + x) * shape.outputs,
        |[y, x], tap| {
            let row = y * shape.stride[0] + tap * shape.dilation[0];
            Some((row * read_width + x * shape.stride[1]) * shape.channels)
        },
    )
}
