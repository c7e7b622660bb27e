//! What is to be reached, and whether it was.

use crate::sample::{Metric, Sample, spread};

/// One line of the table of targets: a number of ours beside one of a peer.
#[derive(Clone, Debug)]
pub struct Target {
    /// The row of the targets.
    pub row: &'static str,
    /// What is compared, in a few words.
    pub what: &'static str,
    /// The number that is compared.
    pub metric: Metric,
    /// The load under which both were measured.
    pub load: String,
    /// Which subject is ours.
    pub ours: &'static str,
    /// With what it is compared.
    pub peer: Peer,
    /// How it must compare.
    pub rule: Rule,
}

/// With what our number is compared.
#[derive(Clone, Debug)]
pub enum Peer {
    /// With another subject of the same run.
    Subject(&'static str),
    /// With a number that was measured elsewhere, so that its ratio says little.
    Figure {
        /// The number, in the metric's unit.
        value: f64,
        /// Whose it is, and where and when it was measured.
        source: &'static str,
    },
    /// With a number that was measured elsewhere, brought to this machine by what something else
    /// did there and does here, under the same load.
    Scaled {
        /// The number that was measured elsewhere, in the metric's unit.
        value: f64,
        /// Whose it is, and where and when it was measured.
        source: &'static str,
        /// What was measured there and is measured here, of the same row, load and metric.
        yardstick: &'static str,
        /// What the yardstick showed there.
        published: f64,
    },
    /// With nothing: the rule is about our number alone.
    None,
}

/// How our number must compare.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Rule {
    /// At least so many times the peer's.
    AtLeast(f64),
    /// At most so many times the peer's.
    AtMost(f64),
    /// At most this, in the metric's unit.
    AtMostAbsolute(f64),
}

/// What a target came to.
#[derive(Clone, PartialEq, Debug)]
pub struct Judged {
    /// Our median, if it was measured.
    pub ours: Option<f64>,
    /// What the peer had, if it was measured or is known.
    pub peer: Option<f64>,
    /// Ours over the peer's; over the limit where there is no peer.
    pub ratio: Option<f64>,
    /// Whether the target was met. What was not measured is missed.
    pub met: bool,
}

impl Peer {
    fn value(&self, target: &Target, samples: &[Sample]) -> Option<f64> {
        let median = |subject: &str| median(samples, target, subject);
        match self {
            Peer::Subject(subject) => median(subject),
            Peer::Figure { value, .. } => Some(*value),
            Peer::Scaled { value, yardstick, published, .. } => {
                Some(value * median(yardstick)? / published)
            }
            Peer::None => None,
        }
    }
}

impl Target {
    /// Compares the medians of `samples`.
    pub fn judge(&self, samples: &[Sample]) -> Judged {
        let ours = median(samples, self, self.ours);
        let peer = self.peer.value(self, samples);
        let reference = match self.rule {
            Rule::AtMostAbsolute(limit) => Some(limit),
            Rule::AtLeast(_) | Rule::AtMost(_) => peer,
        };
        let ratio = ours.zip(reference).map(|(ours, reference)| ours / reference);
        let met = ratio.is_some_and(|ratio| match self.rule {
            Rule::AtLeast(times) => ratio >= times,
            Rule::AtMost(times) => ratio <= times,
            Rule::AtMostAbsolute(_) => ratio <= 1.0,
        });
        Judged { ours, peer, ratio, met }
    }
}

fn median(samples: &[Sample], target: &Target, subject: &str) -> Option<f64> {
    spread(samples, target.row, &target.load, subject, target.metric).map(|spread| spread.median)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Measured;

    fn target(peer: Peer, rule: Rule) -> Target {
        let (metric, load) = (Metric::PerSecond, "64".to_owned());
        Target { row: "4", what: "rate", metric, load, ours: "we", peer, rule }
    }

    fn measured(subject: &str, values: &[f64]) -> Vec<Sample> {
        let all = values.iter().fold(Measured::of("4", "64", subject), |all, &value| {
            all.with(Metric::PerSecond, value)
        });
        all.samples()
    }

    #[test]
    fn medians_are_compared_with_a_subject_of_the_run() {
        let samples = [measured("we", &[90.0, 100.0, 500.0]), measured("they", &[10.0])].concat();
        let judged = target(Peer::Subject("they"), Rule::AtLeast(10.0)).judge(&samples);
        assert_eq!(judged.ratio, Some(10.0));
        assert!(judged.met);
        assert!(!target(Peer::Subject("they"), Rule::AtLeast(10.1)).judge(&samples).met);
        assert!(!target(Peer::Subject("they"), Rule::AtMost(9.9)).judge(&samples).met);
        assert!(target(Peer::Subject("they"), Rule::AtMost(10.0)).judge(&samples).met);
    }

    #[test]
    fn what_was_not_measured_is_missed() {
        let samples = measured("we", &[90.0]);
        let judged = target(Peer::Subject("they"), Rule::AtMost(1.0)).judge(&samples);
        assert_eq!(judged, Judged { ours: Some(90.0), peer: None, ratio: None, met: false });
        assert!(!target(Peer::None, Rule::AtMostAbsolute(5.0)).judge(&[]).met);
    }

    #[test]
    fn a_figure_is_scaled_by_its_yardstick() {
        let scaled = Peer::Scaled { value: 80.0, source: "", yardstick: "rod", published: 50.0 };
        let samples = [measured("we", &[400.0]), measured("rod", &[25.0])].concat();
        let judged = target(scaled, Rule::AtLeast(10.0)).judge(&samples);
        assert_eq!(judged.peer, Some(40.0));
        assert!(judged.met);
        let figure = Peer::Figure { value: 80.0, source: "" };
        assert_eq!(target(figure, Rule::AtLeast(5.0)).judge(&samples).ratio, Some(5.0));
    }

    #[test]
    fn a_limit_needs_no_peer() {
        let samples = measured("we", &[20.0]);
        assert!(target(Peer::None, Rule::AtMostAbsolute(20.0)).judge(&samples).met);
        assert!(!target(Peer::None, Rule::AtMostAbsolute(19.0)).judge(&samples).met);
    }
}
