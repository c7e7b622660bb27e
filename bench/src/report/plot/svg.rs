//! The little of SVG that the plots need.

use std::fmt::Write;

/// The colours of Okabe and Ito, which people with any colour vision can tell apart.
const COLOURS: [&str; 7] =
    ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999"];

/// The colour of the subject in this place.
pub fn colour(place: usize) -> &'static str {
    COLOURS[place % COLOURS.len()]
}

/// A drawing that grows downwards. Heights are relative to where it has grown to.
pub struct Svg {
    body: String,
    width: f64,
    top: f64,
}

impl Svg {
    /// An empty one.
    pub fn new(width: f64) -> Svg {
        Svg { body: String::new(), width, top: 0.0 }
    }

    /// Goes on so much lower.
    pub fn down(&mut self, by: f64) {
        self.top += by;
    }

    /// The heading of a panel.
    pub fn heading(&mut self, x: f64, text: &str) {
        let y = self.top - 8.0;
        let text = escaped(text);
        self.add(format!(r##"<text x="{x}" y="{y:.1}" font-weight="bold">{text}</text>"##));
    }

    /// Text that begins at `x`.
    pub fn label(&mut self, x: f64, y: f64, text: &str) {
        let (y, text) = (self.top + y, escaped(text));
        self.add(format!(r##"<text x="{x:.1}" y="{y:.1}">{text}</text>"##));
    }

    /// Text that ends at `x`.
    pub fn label_left_of(&mut self, x: f64, y: f64, text: &str) {
        let (y, text) = (self.top + y, escaped(text));
        self.add(format!(r##"<text x="{x:.1}" y="{y:.1}" text-anchor="end">{text}</text>"##));
    }

    /// A filled bar.
    pub fn bar(&mut self, x: f64, height: f64, width: f64, fill: &str) {
        let (y, width) = (self.top, width.max(0.5));
        self.add(format!(
            r##"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height}" fill="{fill}"/>"##
        ));
    }

    /// A straight line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: &str, width: f64) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let (y1, y2) = (self.top + y1, self.top + y2);
        let ends = format!(r##"x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}""##);
        self.add(format!(r##"<line {ends} stroke="{stroke}" stroke-width="{width}"/>"##));
    }

    /// A line through points, each with a dot.
    pub fn curve(&mut self, points: &[(f64, f64)], stroke: &str) {
        let mut path = String::new();
        for (x, y) in points {
            let y = self.top + y;
            let _ = write!(path, "{x:.1},{y:.1} ");
            self.add(format!(r##"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="{stroke}"/>"##));
        }
        let path = path.trim_end();
        self.add(format!(
            r##"<polyline points="{path}" fill="none" stroke="{stroke}" stroke-width="2"/>"##
        ));
    }

    /// The whole file; nothing if nothing was drawn.
    pub fn finish(self) -> Option<String> {
        let Svg { body, width, top } = self;
        let height = top + 14.0;
        let font = r##"font-family="sans-serif" font-size="12" fill="#222""##;
        (!body.is_empty()).then(|| {
            format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height:.0}\" \
                 {font}>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n"
            )
        })
    }

    fn add(&mut self, element: String) {
        self.body.push_str(&element);
        self.body.push('\n');
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
