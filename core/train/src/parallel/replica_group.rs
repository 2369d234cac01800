//! A step by all replicas of this process, and by the processes that train with it.

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
    processes: Option<Box<dyn super::group::Group>>,
    /// What NCCL adds up over; none where the sum is made on the host.
    #[cfg(feature = "cuda")]
    nccl: Option<super::nccl::Devices>,
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
            processes: None,
            #[cfg(feature = "cuda")]
            nccl: None,
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

    /// How gradients are added up.
    #[cfg(not(target_family = "wasm"))]
    pub fn adds_up(&self) -> &'static str {
        #[cfg(feature = "cuda")]
        match self.nccl {
            Some(super::nccl::Devices::Own(_)) if self.processes.is_some() => return "by NCCL and MPI",
            Some(_) => return "by NCCL",
            None => {}
        }
        if self.processes.is_some() { "by MPI" } else { "in memory" }
    }

    /// This process's share of a step's images.
    pub fn share(&self) -> Share {
        #[cfg(not(target_family = "wasm"))]
        if let Some(group) = &self.processes {
            return Share { number: group.rank(), of: group.size() };
        }
        Share::WHOLE
    }

    /// Takes a step at learning rate `lr` with this process's share of a batch; `stops` says that this process wants
    /// to stop after it.
    ///
    /// # Errors
    /// A step without regions; a teacher that cannot compute.
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
        if !self.workers.is_empty() || self.processes.is_some() {
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
    use burn::tensor::{StreamId, TensorData};

    use super::super::adding::add;
    use super::super::gradients::{Row, gather, scatter};
    use super::super::group::Group;
    use super::super::parts::Shared;
    use super::*;
    use ferkd_data::threads::spawn_in;
    use ferkd_nn::device::read::read;
    use ferkd_nn::models::with_batch_parts;

    impl ReplicaGroup {
        /// Adds a replica.
        pub fn add(&mut self, replica: Replica) {
            self.workers.push(Worker { replica, queue: StreamId::allocate() });
            #[cfg(feature = "cuda")]
            {
                self.nccl = super::super::nccl::own(self.replicas().map(|replica| &replica.device));
            }
        }

        /// Takes steps with other processes from now on.
        ///
        /// # Errors
        /// What NCCL refuses, where it is to make the sums.
        pub fn join(&mut self, processes: Box<dyn Group>) -> Result<()> {
            let _group = &mut **self.processes.insert(processes);
            #[cfg(feature = "cuda")]
            {
                use super::super::nccl::{Devices, Invitation, invite};
                let replicas = std::iter::once(&self.primary).chain(self.workers.iter().map(|w| &w.replica));
                let devices = replicas.map(|replica| replica.device.clone().inner()).collect();
                if let Some(Invitation { id, first, of }) = invite(_group, devices)? {
                    self.each(|i, replica| {
                        ferkd_nn::device::nccl::join(&replica.device, &id, first + i, of)
                    })?;
                    self.nccl = Some(Devices::All);
                }
            }
            Ok(())
        }

        /// The processes that steps are taken with.
        pub fn processes(&mut self) -> Option<&mut Box<dyn Group>> {
            self.processes.as_mut()
        }

        pub(super) fn step_together(
            &mut self,
            context: &StepContext<'_>,
            batch: &DeviceBatch,
            lr: f64,
            stops: bool,
        ) -> Result<Step> {
            let of = 1 + self.workers.len();
            if context.config.sync_batch_norm && batch.len < of {
                // The others would wait for a device that computes nothing.
                return Err(Error::mismatch("batch", "it leaves a device without any region to normalise"));
            }
            #[cfg(feature = "cuda")]
            let nccl = self.nccl.clone();
            let parts = context.config.sync_batch_norm.then(|| Shared::new(of, self.processes.take()));
            let rows = self.each(|rank, replica| {
                let own = Share { number: rank, of }.range(batch.len);
                let learned = match &parts {
                    Some(parts) => with_batch_parts(parts.part(rank), || replica.learn(context, batch, own)),
                    None => replica.learn(context, batch, own),
                }?;
                let row = gather(replica, context, learned)?;
                if rank > 0 {
                    // burn keeps a batch norm's running statistics by thread, until they are asked for.
                    drop(replica.student.valid());
                }
                #[cfg(feature = "cuda")]
                if let Some(devices) = &nccl {
                    return Ok(Row::Device(super::super::nccl::sum(row, devices)));
                }
                read(row).map(Row::Host)
            });
            if let Some(parts) = parts {
                self.processes = parts.take_processes();
            }
            let rows = rows?;
            #[cfg(feature = "cuda")]
            let is_whole = self.processes.is_none() || matches!(nccl, Some(super::super::nccl::Devices::All));
            #[cfg(not(feature = "cuda"))]
            let is_whole = false;
            let mut rows = rows.into_iter();
            let row = match rows.next() {
                // Every replica holds the sum of all devices.
                Some(Row::Device(row)) if is_whole => {
                    let stops = self.processes().map_or(stops, |group| group.any(stops));
                    let mut whole = vec![Row::Device(row)];
                    whole.extend(rows);
                    return self.apply(context, &whole, lr, stops);
                }
                // Every replica holds the sum of this process's.
                Some(Row::Device(row)) => read(row)?,
                Some(Row::Host(first)) => rows.fold(first, |mut sum, row| {
                    if let Row::Host(row) = row {
                        add(&mut sum, &row);
                    }
                    sum
                }),
                None => Vec::new(),
            };
            let (row, stops) = self.over_processes(row, stops);
            self.apply(context, &[Row::Host(row)], lr, stops)
        }

        /// The sum over all processes of what each has added up, and whether any wants to stop: all know it after the
        /// same step.
        fn over_processes(&mut self, mut row: Vec<f32>, stops: bool) -> (Vec<f32>, bool) {
            let Some(group) = &mut self.processes else { return (row, stops) };
            let stops = group.any(stops);
            group.sum(&mut row);
            (row, stops)
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
}
