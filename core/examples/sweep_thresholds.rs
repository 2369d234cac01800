//! How many regions each rule keeps: thresholds are swept without running the teacher again.
//!
//! `cargo run --release -p ferkd --example sweep_thresholds -- ferkd-demo/store`

use ferkd::mining::{Confidence, RegionKind, Rule, Thresholds};
use ferkd::store::{Store, mine};

fn main() -> ferkd::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "ferkd-demo/store".into());
    let store = Store::open(path)?;
    println!("{:>6} {:>6} {:>6}   thresholds", "low", "mid", "high");
    for mid in [0.05, 0.1, 0.15, 0.25, 0.4] {
        let rule = Rule::Quantiles(Thresholds { low: 0.02, mid, high: 0.98 });
        let report = mine(&store, &rule, Confidence::Max)?;
        let t = report.thresholds;
        print!("{:>6} {mid:>6} {:>6}   {:.4} {:.4} {:.4}  ", 0.02, 0.98, t.low, t.mid, t.high);
        for kind in RegionKind::ALL {
            print!(" {} {:.1} %", kind.name(), 100.0 * report.shares[kind as usize]);
        }
        println!();
    }
    Ok(())
}
