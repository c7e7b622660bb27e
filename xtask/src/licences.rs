//! `cargo xtask licences`: what `cargo deny check licenses sources` does, in a few lines.
//!
//! It reads the same `deny.toml`, so there is one list of what is allowed. It stands in where
//! cargo-deny is not installed, because building that takes longer than all tests together.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// The part of `deny.toml` that concerns licences and sources.
#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
    exceptions: Vec<Exception>,
}

/// Licences that one package may have besides.
#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    package: String,
    allow: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

/// The part of what `cargo metadata` prints that concerns licences and sources.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    /// Absent for a package of this workspace.
    source: Option<String>,
}

/// Checks every package of the dependency graph, on whatever platform it is used.
pub fn run() -> Result<ExitCode> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let deny = std::fs::read_to_string(format!("{root}/deny.toml")).context("deny.toml")?;
    let deny: Deny = toml::from_str(&deny).context("deny.toml")?;
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1"])
        .current_dir(root)
        .output()
        .context("cannot run cargo metadata")?;
    let complaint = String::from_utf8_lossy(&metadata.stderr);
    ensure!(metadata.status.success(), "cargo metadata failed: {}", complaint.trim());
    let metadata: Metadata = serde_json::from_slice(&metadata.stdout)?;
    let refusals: Vec<String> =
        metadata.packages.iter().filter_map(|package| refusal(package, &deny)).collect();
    for refusal in &refusals {
        println!("{refusal}");
    }
    println!("licences: {} packages, {} refused", metadata.packages.len(), refusals.len());
    Ok(if refusals.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Why a package may not be used, and what to do.
fn refusal(package: &Package, deny: &Deny) -> Option<String> {
    let Package { name, version, license, source } = package;
    if let Some(source) = source {
        let registry = source.strip_prefix("registry+").unwrap_or(source);
        if !deny.sources.allow_registry.iter().any(|allowed| allowed == registry) {
            return Some(format!("{name} {version} comes from {source}. Use a registry release."));
        }
    }
    let Some(license) = license else {
        return Some(format!("{name} {version} states no licence. Replace it."));
    };
    let exceptions = deny.licenses.exceptions.iter().filter(|it| it.package == *name);
    let excepted: Vec<&String> = exceptions.flat_map(|exception| &exception.allow).collect();
    let allowed = |licence: &str| {
        deny.licenses.allow.iter().chain(excepted.iter().copied()).any(|other| other == licence)
    };
    match is_met(license, &allowed) {
        Ok(true) => None,
        Ok(false) => Some(format!(
            "{name} {version} is licensed {license}. Replace it, or allow that in deny.toml."
        )),
        Err(error) => Some(format!("{name} {version}: {error}. Judge `{license}` by hand.")),
    }
}

/// Whether an SPDX expression can be met with licences that are allowed.
fn is_met(expression: &str, allowed: &impl Fn(&str) -> bool) -> Result<bool> {
    // Before SPDX, cargo had `MIT/Apache-2.0` for a choice.
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let met = any_of(&mut words, allowed)?;
    match words.next() {
        None => Ok(met),
        Some(word) => bail!("`{word}` is not expected"),
    }
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words<'_>, allowed: &impl Fn(&str) -> bool) -> Result<bool> {
    let mut met = all_of(words, allowed)?;
    while words.next_if_eq(&"OR").is_some() {
        met |= all_of(words, allowed)?;
    }
    Ok(met)
}

fn all_of(words: &mut Words<'_>, allowed: &impl Fn(&str) -> bool) -> Result<bool> {
    let mut met = single(words, allowed)?;
    while words.next_if_eq(&"AND").is_some() {
        met &= single(words, allowed)?;
    }
    Ok(met)
}

fn single(words: &mut Words<'_>, allowed: &impl Fn(&str) -> bool) -> Result<bool> {
    match words.next() {
        None | Some("OR" | "AND" | "WITH" | ")") => bail!("a licence is missing"),
        Some("(") => {
            let met = any_of(words, allowed)?;
            ensure!(words.next() == Some(")"), "a bracket is not closed");
            Ok(met)
        }
        Some(licence) => {
            // An exception only adds permissions, so the licence itself decides.
            if words.next_if_eq(&"WITH").is_some() {
                words.next().context("an exception is missing")?;
            }
            Ok(allowed(licence))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "https://example.org/index";

    fn refusal_of(name: &str, license: Option<&str>, source: Option<&str>) -> Option<String> {
        let deny = r#"
            [licenses]
            allow = ["MIT", "Apache-2.0", "Zlib"]
            exceptions = [{ crate = "foca", allow = ["MPL-2.0"] }]
            [sources]
            allow-registry = ["https://example.org/index"]
        "#;
        let package = Package {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            license: license.map(str::to_owned),
            source: source.map(str::to_owned),
        };
        refusal(&package, &toml::from_str(deny).unwrap())
    }

    #[test]
    fn expressions_are_met_by_any_choice_that_is_allowed() {
        for license in [
            "MIT",
            "GPL-3.0 OR MIT",
            "GPL-3.0/MIT",
            "MIT AND Zlib",
            "(GPL-3.0 OR MIT) AND Zlib",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
            "GPL-3.0 AND GPL-2.0 OR MIT",
        ] {
            assert_eq!(refusal_of("a", Some(license), None), None);
        }
    }

    #[test]
    fn other_expressions_are_refused() {
        for license in ["GPL-3.0", "MIT AND GPL-3.0", "MIT AND (GPL-3.0 OR GPL-2.0)", "MPL-2.0"] {
            assert_eq!(
                refusal_of("a", Some(license), None),
                Some(format!(
                    "a 1.0.0 is licensed {license}. Replace it, or allow that in deny.toml."
                ))
            );
        }
        assert!(refusal_of("a", None, None).unwrap().contains("states no licence"));
        for broken in ["", "MIT OR", "(MIT", "MIT Zlib", "MIT WITH", ")"] {
            assert!(refusal_of("a", Some(broken), None).unwrap().contains("by hand"), "{broken}");
        }
    }

    #[test]
    fn an_exception_is_for_its_package_only() {
        assert_eq!(refusal_of("foca", Some("MPL-2.0"), None), None);
        assert!(refusal_of("focal", Some("MPL-2.0"), None).is_some());
    }

    #[test]
    fn packages_come_from_the_allowed_registry() {
        let registry = format!("registry+{INDEX}");
        assert_eq!(refusal_of("a", Some("MIT"), Some(&registry)), None);
        for other in ["registry+https://example.org/other", "git+https://example.org/a"] {
            let refused = refusal_of("a", Some("MIT"), Some(other)).unwrap();
            assert!(refused.contains(other), "{refused}");
        }
    }
}
