use super::*;

/// Asserts that of `text` only the parts between `«` and `»` are taken out.
#[track_caller]
fn check(text: &str) {
    let mut expected = String::new();
    let mut hidden = false;
    for letter in text.chars() {
        match letter {
            '«' => hidden = true,
            '»' => hidden = false,
            '\n' => expected.push('\n'),
            _ if hidden => expected.push_str(&" ".repeat(letter.len_utf8())),
            _ => expected.push(letter),
        }
    }
    assert_eq!(code_of(&text.replace(['«', '»'], "")), expected);
}

#[test]
fn comments_are_no_code() {
    check("let a = 1; «// { \" '»\nlet b = 2;");
    check("«/// a { doc»\nfn a() {}\n«//! {»");
    check("a «/* { /* nested { */ \" */» b «/**/» c");
    check("a «/* without an end\n {»");
    check("a / b * c");
}

#[test]
fn strings_are_no_code() {
    check(r#"let a = «"{ // no comment"»; b"#);
    check(r#"let a = «"\" { \\"»; b"#);
    check("let a = «\"two\nlines {\"»; b");
    check("let a = «r\"\\\"»; b");
    check(r###"let a = «r#"{ " }"#»; b"###);
    check(r###"let a = b«r#"{"#», b«"{"»; b"###);
    check("let für = «\"ü\"»; b");
}

#[test]
fn characters_are_no_code_and_lifetimes_are() {
    check("a(«'{'», «'\"'», «'\\''», «'\\u{7B}'», «'ü'», b«'{'»)");
    check("fn a<'a, 'b>(b: &'a str) -> Cow<'_, str> {}");
    check("'outer: loop { break 'outer; }");
    check("let r#type = r; var(r) + for_r");
}

#[test]
fn words_do_not_touch_other_words() {
    assert_eq!(words("fn of fnord, xfn;fn", "fn").collect::<Vec<_>>(), [0, 17]);
    assert_eq!(words("std::a; mystd::b", "std::").collect::<Vec<_>>(), [0]);
    assert_eq!(words("a/b//b", "/b").collect::<Vec<_>>(), [1, 4]);
    assert_eq!(words("ABC ABCD üABC", "ABC").collect::<Vec<_>>(), [0]);
}

#[track_caller]
fn check_functions(text: &str, expected: &[(&str, usize, usize)]) {
    let found = functions(&code_of(text));
    let found: Vec<_> = found.iter().map(|it| (it.name.as_str(), it.line, it.lines)).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_function_counts_from_its_first_line_to_its_closing_brace() {
    check_functions("fn a() {}", &[("a", 1, 1)]);
    check_functions("#[x]\npub async fn a(\n) -> B\nwhere C: D,\n{\n}\n", &[("a", 2, 5)]);
    check_functions(
        "fn a() {\n if b { c } else { d }\n}\nfn e() {\n}",
        &[("a", 1, 3), ("e", 4, 2)],
    );
}

#[test]
fn a_function_inside_another_counts_for_both() {
    check_functions("fn a() {\n fn b() {\n }\n}", &[("a", 1, 4), ("b", 2, 2)]);
}

#[test]
fn braces_in_literals_and_comments_do_not_count() {
    check_functions("fn a() {\n \"{\"; '{'; // {\n}\nfn b() {}", &[("a", 1, 3), ("b", 4, 1)]);
}

#[test]
fn types_and_declarations_are_no_functions() {
    check_functions("trait A {\n fn a(&self) -> [u8; 2];\n fn b(&self) {\n }\n}", &[("b", 3, 2)]);
    check_functions("type A = fn(u8) -> u8; struct B { c: fn() }", &[]);
    check_functions("fn a(b: [u8; { 1 }]) -> fn() {\n}", &[("a", 1, 2)]);
}

#[test]
fn a_function_that_a_macro_makes_is_one() {
    check_functions("($name:ident) => {\n fn $name() {\n }\n}", &[("$name", 2, 2)]);
}
