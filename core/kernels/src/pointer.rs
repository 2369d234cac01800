//! An output that several threads write, each its own part of it.

/// A pointer into an output, which may cross threads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    start: *mut f32,
    len: usize,
}

// SAFETY: a plain address; who writes through it promises to write where no one else does ([`Output::at`]).
unsafe impl Send for Output {}
// SAFETY: as above.
unsafe impl Sync for Output {}

impl Output {
    /// Where `out` lies, for as long as it does.
    pub(crate) fn of(out: &mut [f32]) -> Self {
        Self { start: out.as_mut_ptr(), len: out.len() }
    }

    /// Where the numbers will lie that `out` has room for: to be written before they are read.
    fn room(out: &mut Vec<f32>) -> Self {
        Self { start: out.as_mut_ptr(), len: out.capacity() }
    }

    /// The address of number `at`.
    ///
    /// # Safety
    /// `at` is at most the length of the output, and what is written through the address no other thread reads or
    /// writes before the threads are joined.
    #[inline(always)]
    pub(crate) unsafe fn at(self, at: usize) -> *mut f32 {
        debug_assert!(at <= self.len);
        // SAFETY: within the output, as the caller promises.
        unsafe { self.start.add(at) }
    }

    /// The output from number `at` on.
    ///
    /// # Safety
    /// `at` is at most the length of the output.
    pub(crate) unsafe fn behind(self, at: usize) -> Self {
        // SAFETY: as the caller promises.
        Self { start: unsafe { self.start.add(at) }, len: self.len - at }
    }

    /// `len` numbers from `at` on.
    ///
    /// # Safety
    /// They lie within the output and hold numbers, and no other thread reads or writes them before the threads are
    /// joined.
    #[inline(always)]
    pub(crate) unsafe fn part<'a>(self, at: usize, len: usize) -> &'a mut [f32] {
        debug_assert!(at + len <= self.len);
        // SAFETY: as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), len) }
    }
}

/// A vector of `len` numbers, all of which `fill` writes: a convolution by tables that have every pixel, others part by
/// part.
pub(crate) fn filled(len: usize, fill: impl FnOnce(Output)) -> Vec<f32> {
    let mut out = Vec::with_capacity(len);
    if len > 0 {
        fill(Output::room(&mut out));
    }
    // SAFETY: there is room for them, and all are written.
    unsafe { out.set_len(len) };
    out
}
