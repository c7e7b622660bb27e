//! A panel of lines, both axes logarithmic.

use super::svg::{Svg, colour};
use super::{Shown, WIDTH, subjects};
use crate::report::number::text;

const LEFT: f64 = 90.0;
const RIGHT: f64 = 240.0;
const HEIGHT: f64 = 240.0;
const GREY: &str = "#ddd";

/// Draws a line for each subject, over the numbers that the loads begin with.
pub fn draw(svg: &mut Svg, shown: &[Shown<'_>], x_title: &str) {
    let subjects = subjects(shown);
    let curves: Vec<Vec<(f64, f64)>> = subjects.iter().map(|one| points(shown, one)).collect();
    let points = || curves.iter().flatten();
    let Some(across) = Axis::over(points().map(|point| point.0)) else { return };
    let Some(up) = Axis::over(points().map(|point| point.1)) else { return };
    let (width, height) = (WIDTH - LEFT - RIGHT, HEIGHT);
    let place =
        |(x, y): (f64, f64)| (LEFT + across.share(x) * width, height - up.share(y) * height);
    for mark in up.marks() {
        let (_, y) = place((across.from, mark));
        svg.line((LEFT, y), (LEFT + width, y), GREY, 1.0);
        svg.label_left_of(LEFT - 6.0, y + 4.0, &text(mark));
    }
    let mut xs: Vec<f64> = points().map(|point| point.0).collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    for x in xs {
        let (at, _) = place((x, up.from));
        svg.line((at, 0.0), (at, height), GREY, 1.0);
        svg.label_left_of(at + 8.0, height + 16.0, &text(x));
    }
    svg.label(LEFT + width + 14.0, height + 16.0, x_title);
    for (number, (subject, curve)) in subjects.iter().zip(&curves).enumerate() {
        let placed: Vec<(f64, f64)> = curve.iter().map(|&point| place(point)).collect();
        if !placed.is_empty() {
            svg.curve(&placed, colour(number));
        }
        let y = 14.0 + 18.0 * number as f64;
        svg.line(
            (LEFT + width + 14.0, y - 4.0),
            (LEFT + width + 34.0, y - 4.0),
            colour(number),
            2.0,
        );
        svg.label(LEFT + width + 40.0, y, subject);
    }
    svg.down(height + 24.0);
}

fn points(shown: &[Shown<'_>], subject: &str) -> Vec<(f64, f64)> {
    let of_subject = shown.iter().filter(|one| one.subject == subject);
    let points = of_subject.filter_map(|one| Some((leading(one.load)?, one.spread.median)));
    // There is no place for zero on a logarithmic axis.
    let mut points: Vec<(f64, f64)> = points.filter(|&(x, y)| x > 0.0 && y > 0.0).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

/// The number that a text begins with, which may have commas between its thousands.
fn leading(text: &str) -> Option<f64> {
    let end = text.find(|letter: char| !(letter.is_ascii_digit() || ",.".contains(letter)));
    text[..end.unwrap_or(text.len())].replace(',', "").parse().ok()
}

struct Axis {
    from: f64,
    to: f64,
}

impl Axis {
    /// From half the least value to twice the greatest.
    fn over(values: impl Iterator<Item = f64> + Clone) -> Option<Axis> {
        let least = values.clone().fold(f64::INFINITY, f64::min);
        let greatest = values.fold(0.0, f64::max);
        (greatest > 0.0).then_some(Axis { from: least / 2.0, to: greatest * 2.0 })
    }

    fn share(&self, value: f64) -> f64 {
        (value / self.from).ln() / (self.to / self.from).ln()
    }

    /// 1, 2 and 5 times the powers of ten, or these alone if that were too many.
    fn marks(&self) -> Vec<f64> {
        let decades = self.from.log10().floor() as i32..=self.to.log10().ceil() as i32;
        let steps: &[f64] = if decades.clone().count() > 5 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let marks = decades.flat_map(|decade| steps.iter().map(move |by| by * 10f64.powi(decade)));
        marks.filter(|&mark| mark >= self.from && mark <= self.to).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_begin_with_their_number() {
        assert_eq!(leading("1,000,000 records"), Some(1e6));
        assert_eq!(leading("3"), Some(3.0));
        assert_eq!(leading("many"), None);
    }

    #[test]
    fn an_axis_holds_its_values() {
        let axis = Axis::over([10.0, 1_000.0].into_iter()).unwrap();
        assert!(axis.share(10.0) > 0.0 && axis.share(1_000.0) < 1.0);
        assert_eq!(axis.marks(), [5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0]);
        assert!(Axis::over(std::iter::empty()).is_none());
    }
}
