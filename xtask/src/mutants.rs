//! `cargo xtask mutants`: shows that the simulator and the core's tests catch mistakes.
//!
//! Each mutant is the core with one rule in a wrong wording: most of them the wordings that the
//! models of the design rejected. The crates that the simulator needs are copied to a workspace of
//! their own under `target/mutants`, where each mutant is built in turn and simulated, or tested
//! where it breaks nothing that a simulator could see. One that breaks no invariant within its
//! number of seeds, or passes the core's tests, fails the command. So does one whose text is not
//! found exactly once, because the core has changed under it.

mod list;

use anyhow::{Context, Result, bail, ensure};
use list::{MUTANTS, Mutant};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

/// The crates that the simulator is built of.
const CRATES: [&str; 4] = ["tombolo-core", "tombolo-wire", "tombolo-store", "tombolo-sim"];

/// Runs all mutants, or those that are named.
pub fn run(names: &[String]) -> Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has a parent")?;
    let chosen: Vec<&Mutant> =
        MUTANTS.iter().filter(|mutant| is_chosen(mutant.name, names)).collect();
    ensure!(!chosen.is_empty(), "no mutant is called that; their names are in xtask/src/mutants");
    let copy = root.join("target/mutants");
    prepare(root, &copy)?;
    ensure!(simulate(&copy, 100)?.is_none(), "the core breaks an invariant without any mutant");
    println!("{:<46} {:>6}  {:>8}  caught by", "mutant", "seeds", "at seed");
    let mut survivors = 0;
    for mutant in chosen {
        let begun = Instant::now();
        let caught = try_one(root, &copy, mutant)?;
        survivors += usize::from(caught.is_none());
        let seconds = begun.elapsed().as_secs();
        match caught {
            Some((seed, by)) => {
                println!("{:<46} {:>6}  {seed:>8}  {by} ({seconds} s)", mutant.name, mutant.seeds);
            }
            None => println!("{:<46} {:>6}  NOT CAUGHT ({seconds} s)", mutant.name, mutant.seeds),
        }
    }
    if survivors > 0 {
        println!("{survivors} mutants were not caught");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn is_chosen(name: &str, names: &[String]) -> bool {
    names.is_empty() || names.iter().any(|chosen| name.contains(chosen.as_str()))
}

/// Makes the workspace of the copies. Files that did not change are left as they are, so that
/// little is built anew.
fn prepare(root: &Path, copy: &Path) -> Result<()> {
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    let members = "members = [\"crates/*\", \"bench\", \"xtask\"]";
    ensure!(manifest.contains(members), "the workspace has other members than {members}");
    let kept = manifest.lines().filter(|line| !line.starts_with("default-members"));
    let manifest = kept.collect::<Vec<_>>().join("\n") + "\n";
    let manifest = manifest.replace(members, "members = [\"crates/*\"]");
    write_if_changed(&copy.join("Cargo.toml"), manifest.as_bytes())?;
    if !copy.join("Cargo.lock").exists() {
        fs::copy(root.join("Cargo.lock"), copy.join("Cargo.lock"))?;
    }
    for name in CRATES {
        let from = root.join("crates").join(name);
        let to = copy.join("crates").join(name);
        write_if_changed(&to.join("Cargo.toml"), &fs::read(from.join("Cargo.toml"))?)?;
        // Benchmarks are not built there, but a manifest may name them.
        for folder in ["src", "benches"].map(Path::new) {
            if from.join(folder).is_dir() {
                copy_tree(&from.join(folder), &to.join(folder))?;
            }
        }
    }
    let tests = Path::new("crates/tombolo-core/tests");
    copy_tree(&root.join(tests), &copy.join(tests))
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        names.push(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &to.join(entry.file_name()))?;
        } else {
            write_if_changed(&to.join(entry.file_name()), &fs::read(entry.path())?)?;
        }
    }
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        if !names.contains(&entry.file_name()) && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn write_if_changed(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|before| before == content) {
        return Ok(());
    }
    let folder = path.parent().context("a file is in a folder")?;
    fs::create_dir_all(folder)?;
    fs::write(path, content).with_context(|| path.display().to_string())
}

/// Builds and simulates one mutant, and takes it back. The seed and the invariant that caught it.
fn try_one(root: &Path, copy: &Path, mutant: &Mutant) -> Result<Option<(u64, String)>> {
    let original = original(root, mutant)?;
    let file = copy.join(in_core(mutant));
    fs::write(&file, original.replace(mutant.right, mutant.wrong))?;
    let caught = match mutant.seeds {
        0 => test(copy),
        seeds => simulate(copy, seeds),
    };
    let caught = caught.with_context(|| mutant.name.to_string());
    fs::write(&file, original)?;
    caught
}

fn in_core(mutant: &Mutant) -> PathBuf {
    PathBuf::from("crates/tombolo-core/src").join(mutant.file)
}

/// The file of a mutant as it is, with the mutant's text in it exactly once.
fn original(root: &Path, mutant: &Mutant) -> Result<String> {
    let file = in_core(mutant);
    let original = fs::read_to_string(root.join(&file))?;
    let found = original.matches(mutant.right).count();
    ensure!(
        found == 1,
        "mutant {:?}: its text is {found} times in {}; write it anew for what the core says now",
        mutant.name,
        file.display()
    );
    Ok(original)
}

/// Runs the core's own tests. The one that failed first.
fn test(copy: &Path) -> Result<Option<(u64, String)>> {
    let run = cargo(copy, &["test", "--quiet", "--offline", "--package", "tombolo-core"])
        .args(["--lib", "--tests"])
        .output()?;
    if run.status.success() {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&run.stdout);
    // "---- law::siblings::… stdout ----"
    let mut failed = said.lines().filter_map(|line| line.strip_prefix("---- "));
    let failed = failed.next().and_then(|line| line.strip_suffix(" stdout ----"));
    let failed = failed.map(|name| (0, format!("the test {name}")));
    failed
        .map(Some)
        .with_context(|| format!("it does not build:\n{}", String::from_utf8_lossy(&run.stderr)))
}

fn cargo(copy: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_string()));
    command.args(arguments).env("CARGO_TARGET_DIR", copy.join("target")).current_dir(copy);
    command
}

fn simulate(copy: &Path, seeds: u64) -> Result<Option<(u64, String)>> {
    let built =
        cargo(copy, &["build", "--quiet", "--offline", "--package", "tombolo-sim"]).output()?;
    if !built.status.success() {
        bail!("it does not build:\n{}", String::from_utf8_lossy(&built.stderr));
    }
    let run = Command::new(copy.join("target/debug/tombolo-sim"))
        .args(["--seeds", &seeds.to_string()])
        .output()?;
    let said = String::from_utf8_lossy(&run.stdout);
    if run.status.success() {
        return Ok(None);
    }
    // "broken by 2 schedules, first by the seeds 17, 21: B, no loss"
    let broken = said.lines().filter_map(|line| line.split_once("first by the seeds "));
    let first = broken.filter_map(|(_, rest)| rest.split_once(": "));
    let seed = |seeds: &str| seeds.split(',').next().and_then(|seed| seed.trim().parse().ok());
    let first = first.filter_map(|(seeds, by)| Some((seed(seeds)?, by.to_string()))).min();
    first.map(Some).with_context(|| format!("the simulator failed otherwise:\n{said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_every_mutant_stands_in_the_core_exactly_once() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let missing: Vec<String> = MUTANTS
            .iter()
            .filter_map(|mutant| original(root, mutant).err())
            .map(|error| error.to_string())
            .collect();
        assert!(missing.is_empty(), "{}", missing.join("\n"));
    }
}
