//! The sum of gradients over processes: how fast a row of numbers is added up by MPI.

use std::time::Instant;

use super::report::Report;
use super::timing::Timing;
use ferkd_method::error::{Error, Result};
use ferkd_train::Processes;

/// Most numbers of a row.
const MOST: usize = 1 << 32;

/// Sums a second of a row of so many f32 over all processes, and the bytes that each of them sends for it; the report of
/// the first process, which waits for all as the others do.
///
/// # Errors
/// A row without numbers or with too many.
pub fn sum(processes: &mut Processes, numbers: usize, timing: Timing) -> Result<Report> {
    let timing = timing.checked()?;
    if numbers == 0 || numbers > MOST {
        return Err(Error::usage("numbers", format!("{numbers} is not within 1..={MOST}")));
    }
    let of = processes.size();
    let mut row = vec![1.0f32; numbers];
    processes.sum(&mut row);
    if row.iter().any(|&value| value != of as f32) {
        return Err(Error::mismatch("sum", format!("{of} times 1 is not {of}")).remedy("report it"));
    }
    // Sums of sums would grow.
    row.fill(0.0);
    let sent = 2.0 * (of - 1) as f64 / of as f64 * 4.0 * numbers as f64;
    let mut sums = Vec::new();
    for _ in 0..timing.repetitions {
        let (begun, mut count) = (Instant::now(), 0u32);
        // All stop after the same sum, as in training.
        while !processes.any(begun.elapsed().as_secs_f64() > timing.seconds) {
            processes.sum(&mut row);
            count += 1;
        }
        sums.push(f64::from(count) / begun.elapsed().as_secs_f64());
    }
    let mut report = Report::new("sum", timing);
    report.figure("sums_per_s", &sums);
    report.figure(
        "gbytes_per_s_sent_a_process",
        &sums.iter().map(|rate| rate * sent / 1e9).collect::<Vec<_>>(),
    );
    report.fact("processes", of);
    report.fact("numbers", numbers);
    report.fact("bytes_sent_a_process", sent as u64);
    Ok(report)
}
