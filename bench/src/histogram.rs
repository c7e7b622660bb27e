//! Latencies in buckets.

/// Each doubling is cut into so many parts, so a bucket is at most 1/32 of its value wide.
const PARTS: u64 = 32;
const BUCKETS: usize = ((64 - PARTS.ilog2() + 1) as u64 * PARTS) as usize;

/// Counts durations in buckets of nanoseconds that widen with the value.
#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: vec![0; BUCKETS], count: 0, max: 0 }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&mut self, nanos: u64) {
        self.buckets[bucket(nanos)] += 1;
        self.count += 1;
        self.max = self.max.max(nanos);
    }

    /// Counts all that `other` has counted.
    pub fn add(&mut self, other: &Histogram) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest, in microseconds.
    pub fn max(&self) -> f64 {
        self.max as f64 / 1e3
    }

    /// What `share` of the durations did not exceed, in microseconds; 0 if nothing was counted.
    pub fn quantile(&self, share: f64) -> f64 {
        let rank = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return middle(index as u64).min(self.max as f64) / 1e3;
            }
        }
        0.0
    }
}

fn bucket(nanos: u64) -> usize {
    if nanos < PARTS {
        return nanos as usize;
    }
    let doubling = u64::from(nanos.ilog2() - PARTS.ilog2());
    ((doubling + 1) * PARTS + (nanos >> doubling) - PARTS) as usize
}

/// The value in the middle of a bucket, in nanoseconds.
fn middle(index: u64) -> f64 {
    if index < PARTS {
        return index as f64;
    }
    let doubling = (index / PARTS - 1) as i32;
    let first = (PARTS + index % PARTS) as f64;
    (first + 0.5) * 2f64.powi(doubling) - 0.5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_exact_to_a_32nd() {
        let mut histogram = Histogram::default();
        (1..=100_000).for_each(|nanos| histogram.record(nanos));
        for share in [0.001, 0.5, 0.99, 0.999] {
            let (expected, found) = (share * 100.0, histogram.quantile(share));
            assert!((found / expected - 1.0).abs() < 1.0 / 32.0, "{share}: {found}");
        }
        assert_eq!(histogram.count(), 100_000);
        assert_eq!(histogram.max(), 100.0);
        assert!(histogram.quantile(1.0) <= histogram.max());
    }

    #[test]
    fn every_duration_has_a_bucket_and_buckets_are_in_order() {
        let mut last = 0;
        for nanos in (0..64).map(|bit| 1u64 << bit).chain([u64::MAX]) {
            assert!(bucket(nanos) >= last);
            last = bucket(nanos);
        }
        assert!(last < BUCKETS);
        assert_eq!(Histogram::default().quantile(0.5), 0.0);
    }

    #[test]
    fn sums_are_what_all_counted() {
        let (mut one, mut other) = (Histogram::default(), Histogram::default());
        one.record(10);
        other.record(30);
        one.add(&other);
        assert_eq!((one.count(), one.max(), one.quantile(0.5)), (2, 0.03, 0.01));
    }
}
