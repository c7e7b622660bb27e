//! Tasks that write, each one write after the other.

use crate::histogram::Histogram;
use crate::load::{Dice, KEYS, Record};
use anyhow::{Result, bail, ensure};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tombolo::{Ack, Table};

/// How many records one call writes where it writes many.
const MANY: usize = 100;
const TIMEOUT: Duration = Duration::from_secs(5);

/// How they write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// `insert` into the typed table, acknowledged by all nodes.
    Insert,
    /// The same on the table of bytes: `put`, then `acknowledged`.
    Put,
    /// `insert` with `Ack::Local`.
    Local,
    /// `insert_many` of a hundred records.
    Many,
    /// `insert_new` of keys that nobody has.
    New,
}

impl Way {
    const NAMES: [(&'static str, Way); 5] = [
        ("insert", Way::Insert),
        ("put", Way::Put),
        ("local", Way::Local),
        ("many", Way::Many),
        ("new", Way::New),
    ];

    /// By its name in a command.
    pub fn parse(name: &str) -> Result<Way> {
        match Way::NAMES.iter().find(|(known, _)| *known == name) {
            Some((_, way)) => Ok(*way),
            None => bail!("there is no way to write called {name:?}"),
        }
    }

    /// Its name in a command.
    pub fn name(self) -> &'static str {
        Way::NAMES.iter().find(|(_, way)| *way == self).map_or("", |(name, _)| name)
    }
}

/// Writers that are writing.
pub struct Writers {
    tasks: JoinSet<Result<Wrote>>,
    control: Arc<Control>,
    way: Way,
}

#[derive(Default)]
struct Control {
    measuring: AtomicBool,
    stopping: AtomicBool,
}

/// What writers wrote while they were measured.
#[derive(Default)]
pub struct Wrote {
    /// How many records.
    pub records: u64,
    /// How long each call took.
    pub latencies: Histogram,
    /// Whether nobody waited for the other nodes.
    pub only_local: bool,
}

impl Writers {
    /// Starts so many. Each `seed` gives other records.
    pub fn start(table: &Table<String, String>, way: Way, count: u64, seed: u64) -> Writers {
        let control = Arc::new(Control::default());
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let writer = Writer::new(table.clone(), way, seed * count + number);
            tasks.spawn(writer.run(Arc::clone(&control)));
        }
        Writers { tasks, control, way }
    }

    /// From now on calls are counted when they end.
    pub fn measure(&self) {
        self.control.measuring.store(true, Relaxed);
    }

    /// Lets each end the call that it is in.
    pub async fn stop(mut self) -> Result<Wrote> {
        self.control.stopping.store(true, Relaxed);
        let only_local = self.way == Way::Local;
        let mut all = Wrote { only_local, ..Wrote::default() };
        while let Some(wrote) = self.tasks.join_next().await {
            let wrote = wrote??;
            all.records += wrote.records;
            all.latencies.add(&wrote.latencies);
        }
        Ok(all)
    }
}

struct Writer {
    table: Table<String, String>,
    way: Way,
    dice: Dice,
    /// The number of the next key that nobody has.
    fresh: u64,
    /// Written anew for each call, so that the load allocates nothing itself.
    records: Vec<Record>,
}

impl Writer {
    fn new(table: Table<String, String>, way: Way, number: u64) -> Writer {
        let count = if way == Way::Many { MANY } else { 1 };
        let records = vec![Record::new(0, 0); count];
        Writer { table, way, dice: Dice::new(number), fresh: KEYS + (number << 32), records }
    }

    async fn run(mut self, control: Arc<Control>) -> Result<Wrote> {
        let mut wrote = Wrote::default();
        let mut before = Instant::now();
        while !control.stopping.load(Relaxed) {
            self.prepare();
            self.write().await?;
            let now = Instant::now();
            if control.measuring.load(Relaxed) {
                wrote.records += self.records.len() as u64;
                wrote.latencies.record((now - before).as_nanos() as u64);
            }
            before = now;
        }
        Ok(wrote)
    }

    fn prepare(&mut self) {
        for record in &mut self.records {
            let number = if self.way == Way::New { self.fresh } else { self.dice.below(KEYS) };
            self.fresh += 1;
            record.set(number, self.fresh);
        }
    }

    async fn write(&self) -> Result<()> {
        let Writer { table, records, .. } = self;
        let Record { key, value } = &records[0];
        match self.way {
            Way::Insert => drop(table.insert(key, value).await?),
            Way::Put => {
                let raw = table.raw();
                let receipt = raw.put(key.as_bytes(), value.as_bytes(), None)?;
                raw.acknowledged(receipt, Ack::All, TIMEOUT).await?;
            }
            Way::Local => drop(table.insert(key, value).ack(Ack::Local).await?),
            Way::Many => {
                let records = records.iter().map(|one| (&one.key, &one.value));
                table.insert_many(records).await?;
            }
            Way::New => {
                let is_new = table.insert_new(key, value).await?;
                ensure!(is_new, "{key} was there already");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_found_by_their_names() {
        for (name, way) in Way::NAMES {
            assert_eq!((way.name(), Way::parse(name).unwrap()), (name, way));
        }
        assert!(Way::parse("").is_err());
    }

    #[tokio::test]
    async fn every_way_writes_and_only_the_window_counts() {
        let listen = "127.0.0.1:0".parse().unwrap();
        let node = tombolo::Node::builder().name("a").listen(listen).start().await.unwrap();
        let table = node.table("t").await.unwrap();
        for (_, way) in Way::NAMES {
            let writers = Writers::start(&table, way, 2, 1);
            tokio::time::sleep(Duration::from_millis(5)).await;
            writers.measure();
            tokio::time::sleep(Duration::from_millis(5)).await;
            let wrote = writers.stop().await.unwrap();
            assert!(wrote.records > 0, "{way:?}");
            let calls = wrote.records / if way == Way::Many { MANY as u64 } else { 1 };
            assert_eq!(wrote.latencies.count(), calls, "{way:?}");
            assert_eq!(wrote.only_local, way == Way::Local);
        }
        node.leave().await;
    }
}
