//! Numbers for people: three significant digits, thousands apart.

/// A number as text.
pub fn text(value: f64) -> String {
    let size = value.abs();
    if size >= 1_000.0 {
        return thousands(value.round() as i64);
    }
    let digits = match size {
        _ if size == 0.0 || size >= 100.0 => 0,
        _ if size >= 10.0 => 1,
        _ if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_mean_something() {
        let numbers = [0.0, 0.0634, 1.234, 26.44, 869.2, 1_449.4, 1_234_567.0, -1_000.0];
        let texts = numbers.map(text);
        assert_eq!(texts, ["0", "0.063", "1.23", "26.4", "869", "1,449", "1,234,567", "-1,000"]);
    }
}
