//! Time as data: nothing in this crate reads a clock.

/// Wall-clock milliseconds since the Unix epoch, as the driver read them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Millis(pub u64);

impl Millis {
    /// How long before `self` the moment `earlier` was; zero if it was not.
    pub fn since(self, earlier: Millis) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `span` milliseconds later; the end of time stays the end of time.
    pub fn plus(self, span: u64) -> Millis {
        Millis(self.0.saturating_add(span))
    }
}

/// A hybrid logical clock stamp (Kulkarni et al. 2014): 48 bits of milliseconds, 16 of a counter.
///
/// Stamps order writes of which neither saw the other. They are trusted for nothing else: a wrong
/// clock decides a tie wrongly, it never loses or revives a record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Stamp(pub u64);

impl Stamp {
    /// The wall-clock part of the stamp.
    pub fn millis(self) -> Millis {
        Millis(self.0 >> 16)
    }
}
