//! Being asked to stop: by Ctrl-C, by SIGTERM, by SIGHUP when a terminal is closed, or by SIGUSR1, which `mpirun` hands
//! on to all of its processes at once (the others it makes its own end of).

use std::sync::atomic::{AtomicBool, Ordering};

use crate::cli::messages::say;

/// Whether it was asked for; long work looks at it between units.
pub static STOP: AtomicBool = AtomicBool::new(false);

/// Lets these signals ask for a stop from now on. A second one ends the program at once: everything on disk is written
/// atomically.
///
/// A signal that is ignored already stays ignored, as `nohup` and a shell's `&` want it.
pub fn listen() {
    let hear = || {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        say("stopping after this step; press Ctrl-C again to leave at once");
    };
    if let Err(error) = signals::keeping(|| ctrlc::set_handler(hear)) {
        say(&format!("warning: Ctrl-C cannot be caught and ends the program at once: {error}"));
    }
}

#[cfg(unix)]
mod signals {
    use std::sync::atomic::Ordering;

    use super::STOP;
    use nix::sys::signal::SigHandler::{SigDfl, SigIgn};
    use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal};

    /// Those that ask for a stop.
    const ASKING: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

    /// Does `arm`, which sets handlers; then what was ignored before is ignored again. Where it fails, none is set.
    pub fn keeping<T, E>(arm: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        // None of them arrives between two of these lines: those that are to be ignored are lost, the others wait.
        let asking: SigSet = ASKING.into_iter().collect();
        let mask = asking.thread_swap_mask(SigmaskHow::SIG_BLOCK);
        let ignored = ASKING.map(|asking| matches!(set(asking, SigDfl), Some(SigIgn)));
        let armed = arm();
        if armed.is_ok() && !matches!(set(Signal::SIGUSR1, SigHandler::Handler(asked)), Some(SigDfl)) {
            // Someone else wanted it before, to be ignored.
            set(Signal::SIGUSR1, SigIgn);
        }
        // A file that has reached the system's limit is an error where it is written to, as on a full disk.
        set(Signal::SIGXFSZ, SigIgn);
        for (asking, ignored) in ASKING.into_iter().zip(ignored) {
            if ignored {
                set(asking, SigIgn);
            } else if armed.is_err() {
                // A handler that nothing answers would swallow it.
                set(asking, SigDfl);
            }
        }
        if let Ok(mask) = mask {
            // A mask that was one can be one again.
            let _ = mask.thread_set_mask();
        }
        armed
    }

    /// Asks for a stop, and says nothing: a handler may do no more than that.
    extern "C" fn asked(_: std::ffi::c_int) {
        STOP.store(true, Ordering::Relaxed);
    }

    /// Sets what a signal does; what it did before.
    fn set(asking: Signal, does: SigHandler) -> Option<SigHandler> {
        // SAFETY: of ours a store to an atomic is all that runs in a handler.
        unsafe { signal(asking, does) }.ok()
    }
}

#[cfg(not(unix))]
mod signals {
    /// Does `arm`: no signal is ignored here.
    pub fn keeping<T, E>(arm: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        arm()
    }
}
