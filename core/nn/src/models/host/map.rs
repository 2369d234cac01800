//! Pictures on their way through the layers.

/// A picture: height x width pixels of some channels each.
#[derive(Debug, Default)]
pub(super) struct Map {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    /// At least as long as the shape asks for.
    pub(super) data: Vec<f32>,
}

impl Map {
    /// Takes on a shape. What was there stays there; every kernel writes all of its output.
    pub(super) fn reshape(&mut self, height: usize, width: usize, channels: usize) {
        (self.height, self.width, self.channels) = (height, width, channels);
        let len = self.len();
        grow(&mut self.data, len);
    }

    fn len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// The numbers, pixel by pixel.
    pub(super) fn view(&self) -> &[f32] {
        &self.data[..self.len()]
    }

    /// The numbers, to be written.
    pub(super) fn view_mut(&mut self) -> &mut [f32] {
        let len = self.len();
        &mut self.data[..len]
    }
}

/// Makes room and never gives it back: it would have to be zeroed again for the next larger layer.
pub(super) fn grow(buffer: &mut Vec<f32>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
}
