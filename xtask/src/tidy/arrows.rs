//! Which package of the workspace may depend on which.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use toml::{Table, Value};

use crate::tidy::{File, Violation};

/// Each package of the workspace with those that it may depend on, and no others.
const ARROWS: [(&str, &[&str]); 11] = [
    ("tombolo-core", &[]),
    ("tombolo-wire", &["tombolo-core"]),
    ("tombolo-store", &["tombolo-core"]),
    ("tombolo-discovery", &[]),
    ("tombolo", &["tombolo-core", "tombolo-wire", "tombolo-store", "tombolo-discovery"]),
    ("tombolo-server", &["tombolo"]),
    ("tombolo-cli", &["tombolo-server", "tombolo", "tombolo-discovery"]),
    ("tombolo-sim", &["tombolo-core", "tombolo-wire", "tombolo-store"]),
    ("tombolo-model", &[]),
    ("xtask", &["tombolo-sim"]),
    ("tombolo-bench", &["tombolo-core", "tombolo-wire", "tombolo-store", "tombolo", "tombolo-sim"]),
];

/// What the tests of every package may use besides: the simulator runs anything.
const FOR_TESTS: &str = "tombolo-sim";

/// Checks the manifests among `files`.
pub fn check(files: &[File]) -> Result<Vec<Violation>> {
    let mut manifests = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with("/Cargo.toml")) {
        let table: Table = file.text.parse().with_context(|| format!("in {}", file.path))?;
        if let Some(name) = table.get("package").and_then(|package| package.get("name")?.as_str()) {
            manifests.push((file, name.to_owned(), table));
        }
    }
    let packages: BTreeSet<&str> = manifests.iter().map(|(_, name, _)| name.as_str()).collect();
    let mut violations = Vec::new();
    for (file, name, table) in &manifests {
        violations.extend(check_manifest(file, name, table, &packages));
    }
    Ok(violations)
}

fn check_manifest(
    file: &File,
    name: &str,
    table: &Table,
    packages: &BTreeSet<&str>,
) -> Vec<Violation> {
    let Some((_, allowed)) = ARROWS.iter().find(|(package, _)| *package == name) else {
        let message = format!("the package `{name}` has no place among the arrows");
        let remedy = "Say in xtask/src/tidy/arrows.rs what it may depend on";
        return vec![Violation::new(&file.path, 1, message, remedy)];
    };
    let mut violations = Vec::new();
    for (section, dependency) in dependencies(table) {
        let for_tests = section == "dev-dependencies" && [name, FOR_TESTS].contains(&&*dependency);
        if !packages.contains(&*dependency) || allowed.contains(&&*dependency) || for_tests {
            continue;
        }
        let message = format!("`{name}` depends on `{dependency}` in [{section}]");
        let remedy = if allowed.is_empty() {
            "It may depend on no package of the workspace".to_owned()
        } else {
            format!("It may depend on {}", allowed.join(", "))
        };
        let line = line_of(&file.text, section, &dependency);
        violations.push(Violation::new(&file.path, line, message, remedy));
    }
    violations
}

/// Every dependency with its section, those of single targets too.
fn dependencies(table: &Table) -> Vec<(&'static str, String)> {
    let targets = table.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let mut dependencies = Vec::new();
    for place in targets.chain([table]) {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let entries = place.get(section).and_then(Value::as_table);
            for (key, entry) in entries.into_iter().flatten() {
                let renamed = entry.get("package").and_then(Value::as_str);
                dependencies.push((section, renamed.unwrap_or(key).to_owned()));
            }
        }
    }
    dependencies
}

/// The line that names the dependency behind the section's header, or line 1 when it is spelled
/// in a way that this does not see.
fn line_of(text: &str, section: &str, dependency: &str) -> usize {
    let mut in_section = false;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            let header = line.trim_matches(['[', ']', ' ']);
            in_section = header == section || header.ends_with(&format!(".{section}"));
        } else if in_section && line.split([' ', '.', '=', '"']).any(|word| word == dependency) {
            return index + 1;
        }
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks one manifest in a workspace that has every package.
    fn check_with(name: &str, rest: &str) -> Vec<String> {
        let manifest = |name: &str, rest: &str| File {
            path: format!("crates/{name}/Cargo.toml"),
            text: format!("[package]\nname = \"{name}\"\n{rest}"),
        };
        let others = ARROWS.iter().filter(|(other, _)| *other != name);
        let mut files: Vec<File> = others.map(|(other, _)| manifest(other, "")).collect();
        files.push(manifest(name, rest));
        check(&files).unwrap().iter().map(Violation::to_string).collect()
    }

    #[test]
    fn the_arrows_form_no_circle_and_name_known_packages() {
        let mut known: Vec<&str> = Vec::new();
        for _ in ARROWS {
            for (package, allowed) in ARROWS {
                if !known.contains(&package) && allowed.iter().all(|to| known.contains(to)) {
                    known.push(package);
                }
            }
        }
        assert_eq!(known.len(), ARROWS.len());
    }

    #[test]
    fn allowed_arrows_and_packages_from_outside_pass() {
        let rest = "[dependencies]\ntombolo-core.workspace = true\nserde = \"1\"\n\
                    [dev-dependencies]\ntombolo-sim.workspace = true\n\
                    tombolo-wire = { path = \".\" }\n";
        assert_eq!(check_with("tombolo-wire", rest), [""; 0]);
    }

    #[test]
    fn other_arrows_do_not() {
        assert_eq!(
            check_with("tombolo-server", "[dependencies]\ntombolo-core.workspace = true\n"),
            ["crates/tombolo-server/Cargo.toml:4: `tombolo-server` depends on `tombolo-core` \
              in [dependencies]. It may depend on tombolo."]
        );
        assert_eq!(
            check_with("tombolo-core", "[dependencies]\n\ntombolo-wire = { path = \"x\" }\n"),
            ["crates/tombolo-core/Cargo.toml:5: `tombolo-core` depends on `tombolo-wire` \
              in [dependencies]. It may depend on no package of the workspace."]
        );
    }

    #[test]
    fn the_simulator_is_for_tests_only() {
        assert_eq!(
            check_with("tombolo-store", "[dependencies]\ntombolo-sim.workspace = true\n").len(),
            1
        );
        assert_eq!(
            check_with("tombolo-store", "[dev-dependencies]\ntombolo-server = \"1\"\n").len(),
            1
        );
    }

    #[test]
    fn renamed_dependencies_and_those_of_a_target_are_seen() {
        let renamed = "[dependencies]\nother = { package = \"tombolo-cli\", path = \"x\" }\n";
        let found = check_with("tombolo", renamed);
        assert!(found[0].contains(":4: `tombolo` depends on `tombolo-cli`"), "{found:?}");
        let target = "[target.'cfg(unix)'.dependencies]\ntombolo-cli = \"1\"\n";
        let found = check_with("tombolo", target);
        assert!(found[0].contains(":4: `tombolo` depends on `tombolo-cli`"), "{found:?}");
    }

    #[test]
    fn a_new_package_needs_a_place() {
        assert_eq!(
            check_with("tombolo-new", ""),
            ["crates/tombolo-new/Cargo.toml:1: the package `tombolo-new` has no place among the \
              arrows. Say in xtask/src/tidy/arrows.rs what it may depend on."]
        );
    }
}
