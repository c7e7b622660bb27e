//! The parent's side of a child process.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

/// A child process in a role. It is killed when this is dropped.
pub struct Child {
    process: std::process::Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Child {
    /// Starts this binary as `role ARGUMENTS...`.
    pub fn spawn(arguments: &[&str]) -> Result<Child> {
        Child::spawn_with(&[], arguments)
    }

    /// As [`Child::spawn`], started by another program such as `taskset`.
    pub fn spawn_with(prefix: &[&str], arguments: &[&str]) -> Result<Child> {
        let me = std::env::current_exe().context("the path of this program")?;
        let mut command = match prefix {
            [program, rest @ ..] => {
                let mut command = Command::new(program);
                command.args(rest).arg(me);
                command
            }
            [] => Command::new(me),
        };
        command.arg("role").args(arguments);
        Child::start(command)
    }

    /// Starts any program that keeps to the lines of a role.
    pub fn start(mut command: Command) -> Result<Child> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().with_context(|| format!("starting {command:?}"))?;
        let input = process.stdin.take().context("no input")?;
        let output = BufReader::new(process.stdout.take().context("no output")?);
        Ok(Child { process, input, output })
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends a command.
    pub fn say(&mut self, command: &str) -> Result<()> {
        writeln!(self.input, "{command}").context("the child has ended")?;
        self.input.flush().context("the child has ended")
    }

    /// Waits for `READY` and returns what stands behind it.
    pub fn ready(&mut self) -> Result<String> {
        loop {
            let line = self.line()?;
            match line.strip_prefix("READY") {
                Some(text) => return Ok(text.trim().to_owned()),
                None => eprintln!("{line}"),
            }
        }
    }

    /// The numbers of one answer, by name.
    pub fn results(&mut self) -> Result<BTreeMap<String, f64>> {
        let mut results = BTreeMap::new();
        loop {
            let line = self.line()?;
            let mut words = line.split_whitespace();
            match (words.next(), words.next(), words.next()) {
                (Some("END"), None, None) => return Ok(results),
                (Some("RES"), Some(name), Some(value)) => {
                    let value = value.parse().with_context(|| format!("in {line:?}"))?;
                    results.insert(name.to_owned(), value);
                }
                _ => eprintln!("{line}"),
            }
        }
    }

    /// Sends a command and returns the numbers of its answer.
    pub fn ask(&mut self, command: &str) -> Result<BTreeMap<String, f64>> {
        self.say(command)?;
        self.results()
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line).context("reading from a child")? == 0 {
            bail!("a child ended early: {}", self.process.wait()?);
        }
        line.truncate(line.trim_end().len());
        Ok(line)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
