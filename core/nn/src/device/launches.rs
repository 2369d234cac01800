//! Launches of kernels, watched: which ran, and how long each took on the device.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use cubecl::future::block_on;
use cubecl_runtime::logging::{
    LaunchObservation, LaunchObserver, ProfileDuration, TimingMethod, TimingRequest,
};

/// What was launched while it was watched.
#[derive(Default)]
pub struct Launches(Mutex<Vec<(&'static str, Took)>>);

/// How long a kernel took: read at the end, so that nothing waits for it meanwhile, or known already.
enum Took {
    Unread(ProfileDuration),
    Read(Duration),
}

static WATCHED: RwLock<Option<Arc<Launches>>> = RwLock::new(None);

/// Who watches, if anybody does. CubeCL tells of its own kernels; libraries beside it ask here.
pub fn watched() -> Option<Arc<Launches>> {
    WATCHED.read().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Launches {
    /// Every launch that `work` makes, by the kernel's full name, in its order, and how long it took on the device. `work`
    /// waits for the device itself.
    pub fn of<E>(work: impl FnOnce() -> Result<(), E>) -> Result<Vec<(&'static str, Duration)>, E> {
        let launches = Arc::new(Self::default());
        let watch = |watched| *WATCHED.write().unwrap_or_else(PoisonError::into_inner) = watched;
        let observation = LaunchObservation::new(launches.clone());
        watch(Some(launches.clone()));
        let done = work();
        watch(None);
        drop(observation);
        done?;
        let all = std::mem::take(&mut *launches.0.lock().unwrap_or_else(PoisonError::into_inner));
        let read = |took| match took {
            Took::Unread(took) => block_on(took.resolve()).map(|ticks| ticks.duration()),
            Took::Read(took) => Some(took),
        };
        Ok(all.into_iter().filter_map(|(name, took)| Some((name, read(took)?))).collect())
    }

    /// Takes a kernel up that CubeCL does not tell of.
    pub fn add(&self, name: &'static str, took: ProfileDuration) {
        self.push(name, Took::Unread(took));
    }

    fn push(&self, name: &'static str, took: Took) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((name, took));
    }
}

impl LaunchObserver for Launches {
    fn launched(&self, _: &'static str) {}

    fn timing(&self) -> TimingRequest {
        TimingRequest::Deferred
    }

    fn profiled(&self, kernel: &'static str, profile: ProfileDuration) {
        self.push(kernel, Took::Unread(profile));
    }

    fn timed(&self, kernel: &'static str, duration: Duration, _: TimingMethod) {
        self.push(kernel, Took::Read(duration));
    }
}
