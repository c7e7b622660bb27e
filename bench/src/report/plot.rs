//! The plots: one SVG file a group, a panel below the other.

mod lines;
mod svg;

use super::number::text;
use super::{Panel, Shape};
use crate::sample::{Sample, Spread, spread};
use svg::{Svg, colour};

const WIDTH: f64 = 860.0;
const LABELS: f64 = 380.0;
const NUMBERS: f64 = 90.0;
const BAR: f64 = 18.0;
const TITLE: f64 = 34.0;

/// A group's panels that have something to show; nothing if none has.
pub fn draw(name: &str, panels: &[Panel], samples: &[Sample]) -> Option<String> {
    let mut svg = Svg::new(WIDTH);
    for panel in panels {
        let shown = shown(panel, samples);
        if shown.is_empty() {
            continue;
        }
        svg.down(TITLE);
        svg.heading(8.0, &format!("{name}, row {}: {}", panel.row, panel.metric.title()));
        match panel.shape {
            Shape::Bars => bars(&mut svg, &shown),
            Shape::Lines { x } => lines::draw(&mut svg, &shown, x),
        }
    }
    svg.finish()
}

/// What a panel shows of one load and subject.
struct Shown<'a> {
    load: &'a str,
    subject: &'a str,
    spread: Spread,
}

fn shown<'a>(panel: &Panel, samples: &'a [Sample]) -> Vec<Shown<'a>> {
    let mut all: Vec<Shown<'a>> = Vec::new();
    for Sample { row, load, subject, metric, .. } in samples {
        let known = all.iter().any(|one| (one.load, one.subject) == (load, subject));
        if *row != panel.row || *metric != panel.metric || known {
            continue;
        }
        if let Some(spread) = spread(samples, row, load, subject, *metric) {
            all.push(Shown { load, subject, spread });
        }
    }
    all
}

fn subjects<'a>(shown: &[Shown<'a>]) -> Vec<&'a str> {
    let mut subjects = Vec::new();
    for one in shown {
        if !subjects.contains(&one.subject) {
            subjects.push(one.subject);
        }
    }
    subjects
}

/// A bar to the median, and a thin line from the least to the greatest.
fn bars(svg: &mut Svg, shown: &[Shown<'_>]) {
    let greatest = shown.iter().map(|one| one.spread.max).fold(f64::MIN_POSITIVE, f64::max);
    let scale = (WIDTH - LABELS - NUMBERS) / greatest;
    let subjects = subjects(shown);
    let mut load = "";
    for one in shown {
        if one.load != load {
            load = one.load;
            svg.down(6.0);
        }
        let Spread { median, min, max, .. } = one.spread;
        let place = subjects.iter().position(|subject| *subject == one.subject).unwrap_or(0);
        svg.label_left_of(LABELS - 8.0, BAR - 5.0, &format!("{}, {}", one.subject, one.load));
        svg.bar(LABELS, BAR - 4.0, median * scale, colour(place));
        let middle = BAR / 2.0 - 2.0;
        svg.line((LABELS + min * scale, middle), (LABELS + max * scale, middle), "#222", 1.0);
        svg.label(LABELS + max * scale + 6.0, BAR - 5.0, &text(median));
        svg.down(BAR);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Measured, Metric};

    fn panel(shape: Shape) -> Panel {
        Panel { row: "4", metric: Metric::PerSecond, shape }
    }

    #[test]
    fn bars_show_every_load_and_subject_once() {
        let one = Measured::of("4", "64 writers", "Tombolo");
        let one = one.with(Metric::PerSecond, 10.0).with(Metric::PerSecond, 30.0);
        let other = Measured::of("4", "64 writers", "A & B").with(Metric::PerSecond, 5.0);
        let samples = [one.samples(), other.samples()].concat();
        let svg = draw("write", &[panel(Shape::Bars)], &samples).unwrap();
        assert_eq!(svg.matches("<rect").count(), 3, "a background and two bars");
        assert!(svg.contains(">20.0</text>"), "the median is told: {svg}");
        assert!(svg.contains("A &amp; B"), "markup is escaped");
    }

    #[test]
    fn lines_have_a_point_for_each_load() {
        let at = |load: &str, value| {
            Measured::of("4", load, "Tombolo").with(Metric::PerSecond, value).samples()
        };
        let samples = [at("3 nodes", 10.0), at("17 nodes", 99.0), at("no number", 1.0)].concat();
        let svg = draw("scale", &[panel(Shape::Lines { x: "nodes" })], &samples).unwrap();
        assert_eq!(svg.matches("<circle").count(), 2);
        assert_eq!(svg.matches("<polyline").count(), 1);
    }

    #[test]
    fn nothing_measured_is_nothing_drawn() {
        assert_eq!(draw("write", &[panel(Shape::Bars)], &[]), None);
    }
}
