//! A run on several GPUs, simulated step by step from what one of them was measured to do.
//!
//! Every GPU takes its share of a step as long as it was measured to, a little more or less each time; a machine's GPUs
//! wait for its batch where decoding is slower; the sum of the gradients begins when the last GPU is done, and the next
//! step when the sum is there: burn hands out gradients when the backward pass is over, so that nothing of it is hidden.

use serde::Serialize;

use crate::planner::rates::Rates;
use ferkd_method::error::{Error, Result};
use ferkd_method::rng::{Purpose, Stream};

/// Most GPUs that are simulated.
const MOST_GPUS: usize = 4096;
/// Steps that are simulated; a run is so many times as long as it has more.
const STEPS: u64 = 500;
/// Of these the first ones fill queues, and are not counted.
const WARM_UP: u64 = 20;
/// Batches that a machine makes ahead: `prefetch`.
const AHEAD: usize = 2;

/// What is not measured here but taken to be so.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Assumptions {
    /// GPUs of a machine.
    pub gpus_per_machine: usize,
    /// Cores of a machine for each of its GPUs, which decode as fast as the measured ones.
    pub cores_per_gpu: usize,
    /// What the GPUs of a machine exchange gradients with, each of them, in GB/s.
    pub link_gbytes_s: f64,
    /// What a machine sends to the others, in Gbit/s.
    pub network_gbits_s: f64,
    /// Seconds from one process to another, beside what the bytes take.
    pub latency_s: f64,
    /// Standard deviation of a GPU's time for a step, as a share of it.
    pub jitter: f64,
}

impl Default for Assumptions {
    /// Eight GPUs a machine, NCCL over NVLink, and InfiniBand or Ethernet of 100 Gbit/s.
    fn default() -> Self {
        Self {
            gpus_per_machine: 8,
            cores_per_gpu: 8,
            link_gbytes_s: 150.0,
            network_gbits_s: 100.0,
            latency_s: 10e-6,
            jitter: 0.02,
        }
    }
}

/// The part of a run that each GPU takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    /// Steps of the run.
    pub steps: u64,
    /// Regions of a step, of all GPUs together.
    pub batch: usize,
    /// Regions of an image per step.
    pub regions_per_step: usize,
}

/// What a run on so many GPUs will take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClusterCost {
    /// GPUs.
    pub gpus: usize,
    /// Machines that they are in.
    pub machines: usize,
    /// Regions of a step on each of them.
    pub regions_per_gpu: f64,
    /// Seconds of a step.
    pub step_s: f64,
    /// Of these, seconds that a GPU computes, on average.
    pub compute_s: f64,
    /// Seconds until the slowest GPU of all has computed, beside the average.
    pub slowest_s: f64,
    /// Seconds of waiting for the batch.
    pub input_s: f64,
    /// Seconds of the sum of the gradients.
    pub sum_s: f64,
    /// Bytes that a machine sends to others in a step.
    pub network_bytes: u64,
    /// Seconds of the run, evaluations apart.
    pub train_s: f64,
    /// GPU-hours of the run.
    pub gpu_hours: f64,
}

/// Simulates a run on `gpus` GPUs.
///
/// # Errors
/// No GPU or too many, or assumptions that are not positive.
pub fn simulate(gpus: usize, work: Work, rates: &Rates, assumed: Assumptions) -> Result<ClusterCost> {
    let Assumptions { gpus_per_machine, cores_per_gpu, link_gbytes_s, network_gbits_s, .. } = assumed;
    let wrong = |problem: String| Err(Error::usage("gpus", problem));
    if gpus == 0 || gpus > MOST_GPUS || gpus > work.batch {
        let most = MOST_GPUS.min(work.batch);
        return wrong(format!("{gpus} GPUs; 1 to {most} can share steps of {} regions", work.batch));
    }
    let positive = [link_gbytes_s, network_gbits_s].iter().all(|rate| *rate > 0.0 && rate.is_finite());
    if gpus_per_machine == 0 || cores_per_gpu == 0 || !positive || !(0.0..1.0).contains(&assumed.jitter) {
        return wrong(
            "GPUs and cores of a machine and both rates must be above 0, jitter within 0..1".into(),
        );
    }
    let machines = gpus.div_ceil(gpus_per_machine);
    let here = gpus.min(gpus_per_machine);
    let regions_per_gpu = work.batch as f64 / gpus as f64;
    let compute_s = rates.step_s * regions_per_gpu / rates.step_regions as f64;

    let regions = regions_per_gpu * here as f64;
    let decoding = regions / work.regions_per_step.max(1) as f64 * rates.decode_s;
    let input_s = (decoding + regions * rates.student_crop_s) / (cores_per_gpu * here) as f64;

    // A ring: everyone sends all but its own part twice, once to be added to and once to be told.
    let bytes = 4.0 * (rates.parameters + 1) as f64;
    let ring = |of: usize, bytes_s: f64| match of {
        1 => 0.0,
        of => 2.0 * (of - 1) as f64 * (bytes / of as f64 / bytes_s + assumed.latency_s),
    };
    let sum_s = ring(here, link_gbytes_s * 1e9) + ring(machines, network_gbits_s * 1e9 / 8.0);
    let network_bytes = (2.0 * (machines - 1) as f64 / machines as f64 * bytes) as u64;

    let mut simulated = Simulation { compute_s, input_s, sum_s, jitter: assumed.jitter, ends: Vec::new() };
    let Waits { step_s, slowest_s, waits_s } = simulated.run(gpus, machines, gpus_per_machine);
    let train_s = work.steps as f64 * step_s;
    Ok(ClusterCost {
        gpus,
        machines,
        regions_per_gpu,
        step_s,
        compute_s,
        slowest_s,
        input_s: waits_s,
        sum_s,
        network_bytes,
        train_s,
        gpu_hours: train_s * gpus as f64 / 3600.0,
    })
}

/// Seconds of each part of a step.
struct Simulation {
    compute_s: f64,
    input_s: f64,
    sum_s: f64,
    jitter: f64,
    /// When each step so far was done.
    ends: Vec<f64>,
}

/// Seconds of a step, and what of them is waiting.
struct Waits {
    step_s: f64,
    slowest_s: f64,
    waits_s: f64,
}

impl Simulation {
    /// The time of a GPU for its share of a step.
    fn gpu_s(&self, gpu: usize, step: u64) -> f64 {
        let off = Stream::new(0, Purpose::Bench, step, gpu as u32).normal();
        self.compute_s * (1.0 + self.jitter * off).max(0.0)
    }

    fn run(&mut self, gpus: usize, machines: usize, gpus_per_machine: usize) -> Waits {
        // When each machine has its next batch.
        let mut batches = vec![0.0f64; machines];
        let (mut now, mut slowest_s, mut waits_s) = (0.0f64, 0.0, 0.0);
        for step in 0..STEPS {
            let mut all_done = now;
            let mut latest = now;
            for (machine, batch) in batches.iter_mut().enumerate() {
                // The queue holds so many batches: the next is begun when one is taken out.
                let room = self.ends.len().checked_sub(AHEAD).map_or(0.0, |step| self.ends[step]);
                *batch = batch.max(room) + self.input_s;
                let begun = now.max(*batch);
                latest = latest.max(begun);
                let first = machine * gpus_per_machine;
                let last = gpus.min(first + gpus_per_machine);
                let slowest = (first..last).map(|gpu| self.gpu_s(gpu, step)).fold(0.0, f64::max);
                all_done = all_done.max(begun + slowest);
            }
            if step >= WARM_UP {
                waits_s += latest - now;
                slowest_s += all_done - latest - self.compute_s;
            }
            now = all_done + self.sum_s;
            self.ends.push(now);
        }
        let counted = (STEPS - WARM_UP) as f64;
        let begun = self.ends[WARM_UP as usize - 1];
        Waits {
            step_s: (now - begun) / counted,
            slowest_s: (slowest_s / counted).max(0.0),
            waits_s: waits_s / counted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::rates::Subject;
    use ferkd_nn::models::Arch;

    /// ResNet-50 on a made-up GPU: 256 regions in 0.1 s.
    fn rates() -> Rates {
        let subject = Subject {
            teacher: "efficientnet-lite0".into(),
            arch: Arch::Resnet50,
            width: None,
            side: 224,
            classes: 1000,
            device: "cuda:0".into(),
        };
        Rates {
            subject,
            threads: 16,
            shares_cores: false,
            decode_s: 0.005,
            teacher_crop_s: 0.001,
            student_crop_s: 0.0005,
            teacher_regions_per_s: 5000.0,
            step_regions: 256,
            step_s: 0.1,
            memory_base_bytes: None,
            memory_per_region_bytes: None,
            parameters: 25_557_032,
            macs_per_image: 4_100_000_000,
        }
    }

    const WORK: Work = Work { steps: 1000, batch: 1024, regions_per_step: 4 };

    /// No time but what is computed.
    const EXACT: Assumptions = Assumptions {
        gpus_per_machine: 8,
        cores_per_gpu: 1_000_000,
        link_gbytes_s: 1e9,
        network_gbits_s: 1e9,
        latency_s: 0.0,
        jitter: 0.0,
    };

    fn cost(gpus: usize, assumed: Assumptions) -> ClusterCost {
        simulate(gpus, WORK, &rates(), assumed).unwrap()
    }

    #[test]
    fn gpus_without_anything_to_wait_for_share_the_time() {
        for gpus in [1, 8, 64] {
            let cost = cost(gpus, EXACT);
            let step_s = 0.4 / gpus as f64;
            assert!((cost.step_s - step_s).abs() < 1e-6, "{cost:?}");
            assert!((cost.train_s - 1000.0 * step_s).abs() < 1e-3);
            assert_eq!(cost.machines, gpus.div_ceil(8));
        }
    }

    #[test]
    fn the_sum_takes_what_its_bytes_take() {
        // Eight machines over 100 Gbit/s: 7/4 of 102.2 MB.
        let cost = cost(64, Assumptions { network_gbits_s: 100.0, ..EXACT });
        assert!((cost.network_bytes as f64 / 1e6 - 178.9).abs() < 0.1, "{}", cost.network_bytes);
        assert!((cost.sum_s - 0.0143).abs() < 1e-4, "{}", cost.sum_s);
        assert!((cost.step_s - cost.compute_s - cost.sum_s).abs() < 1e-6, "{cost:?}");
    }

    #[test]
    fn the_slowest_gpu_decides() {
        let (few, many) =
            (cost(8, Assumptions { jitter: 0.05, ..EXACT }), cost(64, Assumptions { jitter: 0.05, ..EXACT }));
        // The largest of 8 and of 64 normal numbers is 1.42 and 2.35 on average.
        assert!((few.slowest_s / few.compute_s - 0.05 * 1.42).abs() < 0.005, "{few:?}");
        assert!((many.slowest_s / many.compute_s - 0.05 * 2.35).abs() < 0.005, "{many:?}");
    }

    #[test]
    fn a_slow_input_decides() {
        // A step of one machine: 256 images of 5 ms and 1024 regions of 0.5 ms, on 8 cores.
        let cost = cost(8, Assumptions { cores_per_gpu: 1, ..EXACT });
        assert!((cost.step_s - 1.792 / 8.0).abs() < 1e-6, "{cost:?}");
        assert!(cost.input_s > 0.1 && (cost.input_s + cost.compute_s - cost.step_s).abs() < 1e-6, "{cost:?}");
    }

    #[test]
    fn what_cannot_be_simulated_is_refused() {
        for gpus in [0, 1025, 100_000] {
            assert!(simulate(gpus, WORK, &rates(), EXACT).unwrap_err().to_string().contains("1 to 1024"));
        }
        let none = Assumptions { network_gbits_s: 0.0, ..EXACT };
        assert!(simulate(1, WORK, &rates(), none).unwrap_err().to_string().contains("above 0"));
    }
}
