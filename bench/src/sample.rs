//! What a round gives: numbers, each with what it is the number of.

/// What a number measures. The order is that of the report's columns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Metric {
    /// Operations or records a second.
    PerSecond,
    /// Half of the operations took no longer.
    P50,
    /// 99 of 100 took no longer.
    P99,
    /// 999 of 1,000 took no longer.
    P999,
    /// The slowest operation.
    Max,
    /// The median as a multiple of the one-byte round trip measured just before.
    Floors,
    /// How long a whole run took.
    Millis,
    /// The longest time in which a writer got nothing done.
    LongestGap,
    /// Bytes that crossed the network.
    MegaBytes,
    /// Memory that a process held at its peak, beyond what it held before.
    ExtraMegaBytes,
    /// Memory for each record.
    BytesPerRecord,
    /// Bytes sent for each operation.
    BytesPerOp,
    /// Time of one operation within one thread.
    NanosPerOp,
    /// Time on a CPU, of user and system, of all processes together.
    CpuNanosPerOp,
    /// System calls that send.
    SendsPerOp,
    /// System calls that receive.
    ReceivesPerOp,
    /// All system calls.
    SystemCallsPerOp,
    /// Allocations, of all processes together.
    AllocationsPerOp,
    /// How often a thread was taken off its CPU though it could have gone on.
    InvoluntarySwitchesPerOp,
}

impl Metric {
    /// What a column or an axis is called.
    pub fn name(self) -> &'static str {
        match self {
            Metric::PerSecond => "per second",
            Metric::P50 => "p50",
            Metric::P99 => "p99",
            Metric::P999 => "p99.9",
            Metric::Max => "max",
            Metric::Floors => "p50 in floors",
            Metric::Millis => "time",
            Metric::LongestGap => "longest gap of a writer",
            Metric::MegaBytes => "on the network",
            Metric::ExtraMegaBytes => "extra memory",
            Metric::BytesPerRecord => "memory per record",
            Metric::BytesPerOp => "sent per op",
            Metric::NanosPerOp => "time per op",
            Metric::CpuNanosPerOp => "CPU per op",
            Metric::SendsPerOp => "sends per op",
            Metric::ReceivesPerOp => "receives per op",
            Metric::SystemCallsPerOp => "system calls per op",
            Metric::AllocationsPerOp => "allocations per op",
            Metric::InvoluntarySwitchesPerOp => "involuntary switches per op",
        }
    }

    /// The unit, or nothing where the name says it.
    pub fn unit(self) -> &'static str {
        match self {
            Metric::P50 | Metric::P99 | Metric::P999 | Metric::Max => "µs",
            Metric::Millis | Metric::LongestGap => "ms",
            Metric::MegaBytes | Metric::ExtraMegaBytes => "MB",
            Metric::BytesPerRecord | Metric::BytesPerOp => "B",
            Metric::NanosPerOp | Metric::CpuNanosPerOp => "ns",
            _ => "",
        }
    }

    /// Name and unit.
    pub fn title(self) -> String {
        match self.unit() {
            "" => self.name().to_owned(),
            unit => format!("{}, {unit}", self.name()),
        }
    }
}

/// One number of one round.
#[derive(Clone, PartialEq, Debug)]
pub struct Sample {
    /// The row of the targets that it belongs to.
    pub row: &'static str,
    /// What was done, for instance "64 writers on one node".
    pub load: String,
    /// Who did it, for instance "Tombolo" or "Mnesia sync_dirty".
    pub subject: String,
    /// What was measured.
    pub metric: Metric,
    /// The number, in the metric's unit.
    pub value: f64,
}

/// Makes the samples of one row, load and subject.
#[derive(Clone, Debug)]
pub struct Measured {
    row: &'static str,
    load: String,
    subject: String,
    samples: Vec<Sample>,
}

impl Measured {
    /// Nothing yet of one row, load and subject.
    pub fn of(row: &'static str, load: impl Into<String>, subject: impl Into<String>) -> Measured {
        Measured { row, load: load.into(), subject: subject.into(), samples: Vec::new() }
    }

    /// Adds a number.
    #[must_use]
    pub fn with(mut self, metric: Metric, value: f64) -> Measured {
        let (row, load, subject) = (self.row, self.load.clone(), self.subject.clone());
        self.samples.push(Sample { row, load, subject, metric, value });
        self
    }

    /// All that was added.
    pub fn samples(self) -> Vec<Sample> {
        self.samples
    }
}

/// The middle of some values and how far they spread.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Spread {
    /// The median; of an even number of values the mean of the two in the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// How many there were.
    pub count: usize,
}

impl Spread {
    /// None of no values, or if one of them is not a number.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut values: Vec<f64> = values.into_iter().collect();
        if values.is_empty() || values.iter().any(|value| value.is_nan()) {
            return None;
        }
        values.sort_by(f64::total_cmp);
        let half = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[half]
        } else {
            f64::midpoint(values[half - 1], values[half])
        };
        let count = values.len();
        Some(Spread { median, min: values[0], max: values[count - 1], count })
    }
}

/// The spread over all rounds of one row, load, subject and metric.
pub fn spread(
    samples: &[Sample],
    row: &str,
    load: &str,
    subject: &str,
    metric: Metric,
) -> Option<Spread> {
    let wanted = samples.iter().filter(|sample| {
        sample.metric == metric
            && sample.row == row
            && sample.load == load
            && sample.subject == subject
    });
    Spread::of(wanted.map(|sample| sample.value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        let odd = Spread::of([3.0, 1.0, 2.0]).unwrap();
        assert_eq!(odd, Spread { median: 2.0, min: 1.0, max: 3.0, count: 3 });
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 8.0]).unwrap().median, 3.0);
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([1.0, f64::NAN]), None);
    }

    #[test]
    fn only_what_was_asked_for_is_spread() {
        let one = Measured::of("3", "one", "a").with(Metric::P50, 1.0).with(Metric::P99, 9.0);
        let other = Measured::of("3", "one", "b").with(Metric::P50, 5.0);
        let samples = [one.samples(), other.samples()].concat();
        assert_eq!(spread(&samples, "3", "one", "a", Metric::P50).unwrap().max, 1.0);
        assert_eq!(spread(&samples, "3", "two", "a", Metric::P50), None);
    }
}
