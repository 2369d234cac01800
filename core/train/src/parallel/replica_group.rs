//! A step by all replicas of this process, and by the processes that it has met.

use burn::tensor::Tensor;

use crate::replica::{Replica, StepContext};
use crate::upload::DeviceBatch;
use ferkd_data::batches::share::Share;
use ferkd_method::error::{Error, Result};

/// The replicas that take every step together; the first of them is the one that is evaluated and kept.
pub(crate) struct ReplicaGroup {
    primary: Replica,
    #[cfg(not(target_family = "wasm"))]
    workers: Vec<Worker>,
    #[cfg(not(target_family = "wasm"))]
    ring: Option<super::ring::Ring>,
    /// The devices that NCCL adds up over; none where the sum is made on the host.
    #[cfg(not(target_family = "wasm"))]
    nccl_devices: Option<Vec<burn::tensor::Device>>,
}

/// What a step of all came to.
pub(crate) struct Step {
    /// The loss of all regions, in nats: shape (1), on the first replica's device.
    pub loss: Tensor<1>,
    /// Whether any process wants to stop after it.
    pub stops: bool,
}

/// A replica that a thread of its own works for.
#[cfg(not(target_family = "wasm"))]
struct Worker {
    replica: Replica,
    /// Threads come and go with each step; a device's work stays in one queue.
    queue: burn::tensor::StreamId,
}

impl ReplicaGroup {
    /// One replica.
    pub fn new(primary: Replica) -> Self {
        Self {
            primary,
            #[cfg(not(target_family = "wasm"))]
            workers: Vec::new(),
            #[cfg(not(target_family = "wasm"))]
            ring: None,
            #[cfg(not(target_family = "wasm"))]
            nccl_devices: None,
        }
    }

    /// The first replica.
    pub fn primary(&self) -> &Replica {
        &self.primary
    }

    /// All replicas of this process, the first one first.
    pub fn replicas(&self) -> impl Iterator<Item = &Replica> {
        let all = std::iter::once(&self.primary);
        #[cfg(not(target_family = "wasm"))]
        let all = all.chain(self.workers.iter().map(|worker| &worker.replica));
        all
    }

    /// All replicas of this process, the first one first.
    pub fn replicas_mut(&mut self) -> impl Iterator<Item = &mut Replica> {
        let all = std::iter::once(&mut self.primary);
        #[cfg(not(target_family = "wasm"))]
        let all = all.chain(self.workers.iter_mut().map(|worker| &mut worker.replica));
        all
    }

    /// How the gradients of this process's replicas are added up.
    #[cfg(not(target_family = "wasm"))]
    pub fn adds_up(&self) -> &'static str {
        if self.nccl_devices.is_some() { "by NCCL" } else { "in memory" }
    }

    /// This process's share of a step's images.
    pub fn share(&self) -> Share {
        #[cfg(not(target_family = "wasm"))]
        if let Some(ring) = &self.ring {
            return ring.node().share();
        }
        Share::WHOLE
    }

    /// Takes a step at learning rate `lr` with this process's share of a batch; `stops` says that this process wants
    /// to stop after it.
    ///
    /// # Errors
    /// A step without regions; another process that is gone; a teacher that cannot compute.
    pub fn step(
        &mut self,
        context: &StepContext<'_>,
        batch: &DeviceBatch,
        lr: f64,
        stops: bool,
    ) -> Result<Step> {
        if batch.total == 0 {
            return Err(Error::mismatch("batch", "it holds no region"));
        }
        #[cfg(not(target_family = "wasm"))]
        if !self.workers.is_empty() || self.ring.is_some() {
            return self.step_together(context, batch, lr, stops);
        }
        // Alone nothing is read back from the device.
        match self.primary.learn(context, batch, 0..batch.len)? {
            Some((gradients, loss)) => {
                self.primary.update(context, lr, gradients)?;
                Ok(Step { loss, stops })
            }
            None => Err(Error::mismatch("batch", "this process has no share of it")),
        }
    }
}

#[cfg(not(target_family = "wasm"))]
mod together {
    use burn::module::Module;
    use burn::tensor::{Device, StreamId, TensorData};
    use rayon::prelude::*;

    use super::super::gradients::{Row, gather, scatter};
    use super::super::ring::Ring;
    use super::*;
    use ferkd_data::threads::spawn_in;
    use ferkd_nn::device::read::read;

    /// Numbers that a thread adds at once.
    const CHUNK: usize = 1 << 14;

    impl ReplicaGroup {
        /// Adds a replica.
        pub fn add(&mut self, replica: Replica) {
            self.workers.push(Worker { replica, queue: StreamId::allocate() });
            #[cfg(feature = "cuda")]
            {
                self.nccl_devices = super::super::nccl::group(self.replicas().map(|replica| &replica.device));
            }
        }

        /// Takes steps with the processes of a ring from now on.
        pub fn join(&mut self, ring: Ring) {
            self.ring = Some(ring);
        }

        /// The processes that steps are taken with.
        pub fn ring(&mut self) -> Option<&mut Ring> {
            self.ring.as_mut()
        }

        pub(super) fn step_together(
            &mut self,
            context: &StepContext<'_>,
            batch: &DeviceBatch,
            lr: f64,
            stops: bool,
        ) -> Result<Step> {
            let of = 1 + self.workers.len();
            let group = self.nccl_devices.clone();
            let rows = self.each(|rank, replica| {
                let own = Share { number: rank, of }.range(batch.len);
                let row = gather(replica, context, replica.learn(context, batch, own)?)?;
                if rank > 0 {
                    // burn keeps a batch norm's running statistics by thread, until they are asked for.
                    drop(replica.student.valid());
                }
                reduced(row, group.as_deref())
            })?;
            let mut rows = rows.into_iter();
            let row = match (rows.next(), &self.ring) {
                (Some(Row::Device(row)), None) => {
                    let mut whole = vec![Row::Device(row)];
                    whole.extend(rows);
                    return self.apply(context, &whole, lr, stops);
                }
                // Every replica holds the sum of all.
                (Some(Row::Device(row)), Some(_)) => read(row)?,
                (Some(Row::Host(first)), _) => rows.fold(first, |mut sum, row| {
                    if let Row::Host(row) = row {
                        add(&mut sum, &row);
                    }
                    sum
                }),
                (None, _) => Vec::new(),
            };
            let (row, stops) = self.over_nodes(row, context.step, stops)?;
            self.apply(context, &[Row::Host(row)], lr, stops)
        }

        /// The sum over all processes of what each has added up, and whether any wants to stop.
        fn over_nodes(&mut self, mut row: Vec<f32>, step: u64, stops: bool) -> Result<(Vec<f32>, bool)> {
            let Some(ring) = &mut self.ring else { return Ok((row, stops)) };
            // How many want to stop is added up with the gradients: all know it after the same step.
            row.push(f32::from(u8::from(stops)));
            ring.all_reduce(&mut row, step)?;
            let asking = row.pop().unwrap_or_default();
            Ok((row, asking > 0.0))
        }

        /// Every replica takes the step of the gradients in `rows`: its own row, or the only one there is.
        fn apply(&mut self, context: &StepContext<'_>, rows: &[Row], lr: f64, stops: bool) -> Result<Step> {
            self.each(|rank, replica| {
                let gradients = scatter(replica, context, &rows[rank.min(rows.len() - 1)])?;
                replica.update(context, lr, gradients)
            })?;
            let device = self.primary.device.clone().inner();
            let loss = match &rows[0] {
                Row::Host(row) => Tensor::from_data(TensorData::new(vec![row[row.len() - 1]], [1]), &device),
                Row::Device(row) => {
                    let end = row.dims()[0];
                    row.clone().narrow(0, end - 1, 1)
                }
            };
            Ok(Step { loss, stops })
        }

        /// Lets every replica work at the same time, the first one on this thread; answers come in their order.
        fn each<T: Send>(
            &mut self,
            work: impl Fn(usize, &mut Replica) -> Result<T> + Sync,
        ) -> Result<Vec<T>> {
            let work = &work;
            let (primary, workers) = (&mut self.primary, &mut self.workers);
            std::thread::scope(|scope| {
                let threads: Vec<_> = workers
                    .iter_mut()
                    .enumerate()
                    .map(|(i, worker)| {
                        let Worker { replica, queue } = worker;
                        spawn_in(scope, move || queue.executes(|| work(i + 1, replica)))
                    })
                    .collect();
                let mut answers = vec![work(0, primary)];
                for thread in threads {
                    answers.push(thread.and_then(|thread| {
                        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                    }));
                }
                answers.into_iter().collect()
            })
        }
    }

    /// A replica's row: on its device, added up over `group`, or in memory, as it is.
    fn reduced(row: Tensor<1>, group: Option<&[Device]>) -> Result<Row> {
        #[cfg(feature = "cuda")]
        if let Some(group) = group {
            return Ok(Row::Device(super::super::nccl::all_reduce(row, group)));
        }
        let _ = group;
        read(row).map(Row::Host)
    }

    /// Adds `other` to `sum`.
    fn add(sum: &mut [f32], other: &[f32]) {
        sum.par_chunks_mut(CHUNK).zip(other.par_chunks(CHUNK)).for_each(|(sum, other)| {
            for (s, o) in sum.iter_mut().zip(other) {
                *s += o;
            }
        });
    }
}
