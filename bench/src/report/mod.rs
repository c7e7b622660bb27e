//! The report: RESULTS.md and one plot a group.

mod number;
mod plot;
mod table;

use crate::case::Case;
use crate::runner::{Failure, Outcome};
use crate::sample::{Metric, Sample};
use crate::target::{Judged, Target};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

pub use table::verdicts;

/// One part of a group's plot.
#[derive(Clone, PartialEq, Debug)]
pub struct Panel {
    /// The row whose samples it shows.
    pub row: &'static str,
    /// The number it shows.
    pub metric: Metric,
    /// How it shows them.
    pub shape: Shape,
}

/// How a panel shows its numbers.
#[derive(Clone, PartialEq, Debug)]
pub enum Shape {
    /// A bar for each load and subject.
    Bars,
    /// A line for each subject, over the number that the load's text begins with; both axes
    /// logarithmic.
    Lines {
        /// What that number is.
        x: &'static str,
    },
}

impl Panel {
    /// Bars for each row and metric that a target is about.
    pub fn of_targets(targets: &[Target]) -> Vec<Panel> {
        let mut panels: Vec<Panel> = Vec::new();
        for &Target { row, metric, .. } in targets {
            let panel = Panel { row, metric, shape: Shape::Bars };
            if !panels.contains(&panel) {
                panels.push(panel);
            }
        }
        panels
    }
}

/// What was measured, judged.
pub struct Report {
    machine: Vec<(&'static str, String)>,
    rounds: usize,
    samples: Vec<Sample>,
    failures: Vec<Failure>,
    groups: Vec<Group>,
}

/// The cases of one group.
struct Group {
    name: &'static str,
    panels: Vec<Panel>,
    rows: Vec<&'static str>,
    targets: Vec<(Target, Judged)>,
}

impl Report {
    /// Judges an outcome.
    pub fn new(
        cases: &[Box<dyn Case>],
        outcome: &Outcome,
        machine: Vec<(&'static str, String)>,
        rounds: usize,
    ) -> Report {
        let mut groups: Vec<Group> = Vec::new();
        for case in cases {
            let name = case.group();
            let at = groups.iter().position(|group| group.name == name).unwrap_or_else(|| {
                groups.push(Group { name, panels: vec![], rows: vec![], targets: vec![] });
                groups.len() - 1
            });
            let group = &mut groups[at];
            group.panels.extend(case.panels());
            let failed = outcome.failures.iter().any(|failure| failure.case == case.name());
            for target in case.targets() {
                let mut judged = target.judge(&outcome.samples);
                judged.met &= !failed;
                group.targets.push((target, judged));
            }
            let rows = group.targets.iter().map(|(target, _)| target.row);
            for row in rows.chain(group.panels.iter().map(|panel| panel.row)) {
                if !group.rows.contains(&row) {
                    group.rows.push(row);
                }
            }
        }
        let (samples, failures) = (outcome.samples.clone(), outcome.failures.clone());
        Report { machine, rounds, samples, failures, groups }
    }

    /// Whether every target was met and no case failed.
    pub fn is_met(&self) -> bool {
        self.failures.is_empty() && self.targets().all(|(_, judged)| judged.met)
    }

    fn targets(&self) -> impl Iterator<Item = &(Target, Judged)> {
        self.groups.iter().flat_map(|group| &group.targets)
    }
}

/// Writes RESULTS.md and the plots into `folder`.
pub fn write(report: &Report, folder: &Path) -> Result<()> {
    let plots = folder.join("plots");
    fs::create_dir_all(&plots).with_context(|| format!("making {}", plots.display()))?;
    for group in &report.groups {
        if let Some(svg) = plot::draw(group.name, &group.panels, &report.samples) {
            put(&plots.join(format!("{}.svg", group.name)), &svg)?;
        }
    }
    put(&folder.join("RESULTS.md"), &table::document(report))
}

fn put(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::Bench;
    use crate::sample::Measured;
    use crate::target::{Peer, Rule};

    struct Fixed;

    impl Case for Fixed {
        fn name(&self) -> &'static str {
            "fixed"
        }

        fn group(&self) -> &'static str {
            "write"
        }

        fn targets(&self) -> Vec<Target> {
            vec![Target {
                row: "4",
                what: "64 writers",
                metric: Metric::PerSecond,
                load: "on one node".to_owned(),
                ours: "Tombolo",
                peer: Peer::Subject("Mnesia"),
                rule: Rule::AtLeast(10.0),
            }]
        }

        fn round(&self, _: &Bench) -> Result<Vec<Sample>> {
            let rate = |subject, rate| {
                Measured::of("4", "on one node", subject).with(Metric::PerSecond, rate).samples()
            };
            Ok([rate("Tombolo", 900_000.0), rate("Mnesia", 50_000.0)].concat())
        }
    }

    fn report(failures: Vec<Failure>) -> Report {
        let samples = Fixed.round(&Bench::for_tests()).unwrap();
        let cases: Vec<Box<dyn Case>> = vec![Box::new(Fixed)];
        Report::new(&cases, &Outcome { samples, failures }, vec![("commit", "abc".to_owned())], 1)
    }

    #[test]
    fn a_report_has_the_targets_and_all_numbers() {
        let report = report(vec![]);
        assert!(report.is_met());
        let text = table::document(&report);
        let line = "| 4 | 64 writers | on one node | per second | 900,000 | Mnesia | 50,000 \
                    | 18.00 | ≥ 10 × | met |";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("| on one node | Mnesia | 50,000 |"), "{text}");
        assert!(text.contains("![write](plots/write.svg)"), "{text}");
    }

    #[test]
    fn a_case_that_failed_is_missed_whatever_it_measured() {
        let failure = Failure { case: "fixed", round: 0, reason: "tables differ".to_owned() };
        let report = report(vec![failure]);
        assert!(!report.is_met());
        assert!(table::document(&report).contains("**missed**"));
        assert!(verdicts(&report).contains("FAILED fixed failed in round 1: tables differ"));
    }

    #[test]
    fn a_report_is_written_with_its_plots() {
        let folder = std::env::temp_dir().join(format!("tombolo-report-{}", std::process::id()));
        write(&report(vec![]), &folder).unwrap();
        assert!(folder.join("RESULTS.md").exists());
        assert!(folder.join("plots/write.svg").exists());
        fs::remove_dir_all(folder).unwrap();
    }
}
