//! What the processes of a run do together. Each of these is called by all of them, in the same order.

/// The processes that take every step together, as one of them sees them.
///
/// A process that fails, or that another cannot reach, ends the whole job: hence no errors.
pub(crate) trait Group: Send {
    /// Number of this process, from 0. The first writes the run's folder and evaluates.
    fn rank(&self) -> usize;

    /// How many there are.
    fn size(&self) -> usize;

    /// The first one's bytes, whatever the others give.
    fn broadcast(&mut self, bytes: Vec<u8>) -> Vec<u8>;

    /// What each of them gives, in the order of their ranks.
    fn gather(&mut self, own: &[u8]) -> Vec<Vec<u8>>;

    /// Replaces `row`, of the same length everywhere, by the sum over all: of each number in the order of the ranks, so
    /// that the result is the same bits everywhere and each time.
    fn sum(&mut self, row: &mut [f32]);

    /// Whether any of them says so. Waits until all have come here, with little use of the processor.
    fn any(&mut self, own: bool) -> bool;
}
