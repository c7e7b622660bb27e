//! Dots and sets of dots.
//!
//! A run of the model has at most [`ORIGINS`] processes, each of which writes at most [`NUMBERS`]
//! times, so a set of dots is one machine word. `seen` is such a set too: a prefix per origin is a
//! set with no holes, the union of two prefixes is the longer one, and a dot is covered when it is
//! in the set. [`Dots::is_prefix`] is asserted wherever `seen` changes.

use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign, Sub, SubAssign};

/// How many processes a run may have, restarted ones included.
pub const ORIGINS: usize = 4;
/// How many writes and deletes one process may make.
pub const NUMBERS: usize = 4;
/// How many dots there are.
pub const DOTS: usize = ORIGINS * NUMBERS;

/// The name of one write or delete: the process that made it, and its number there, from 1 on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Dot(u8);

impl Dot {
    /// The write of this number by this process.
    #[must_use]
    pub fn new(origin: usize, number: usize) -> Self {
        assert!(origin < ORIGINS, "more processes than a dot can name");
        assert!((1..=NUMBERS).contains(&number), "more writes of a process than a dot can name");
        Self((origin * NUMBERS + number - 1) as u8)
    }

    /// The process that made it.
    #[must_use]
    pub fn origin(self) -> usize {
        self.index() / NUMBERS
    }

    /// Its number among the writes of that process, from 1 on.
    #[must_use]
    pub fn number(self) -> usize {
        self.index() % NUMBERS + 1
    }

    /// A small number of its own, for arrays.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Whether everything of its origin before it is in `dots`.
    #[must_use]
    pub fn follows(self, dots: Dots) -> bool {
        self.number() == 1 || dots.contains(Self(self.0 - 1))
    }
}

impl fmt::Display for Dot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", process_name(self.origin()), self.number())
    }
}

/// A process as a letter, by the order in which they started.
#[must_use]
pub fn process_name(origin: usize) -> char {
    char::from(b'A' + origin as u8)
}

/// A set of dots.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Dots(u16);

impl Dots {
    /// No dot.
    pub const NONE: Self = Self(0);

    /// This dot alone.
    #[must_use]
    pub fn of(dot: Dot) -> Self {
        Self(1 << dot.index())
    }

    /// All dots of one process.
    #[must_use]
    pub fn of_origin(origin: usize) -> Self {
        Self(((1 << NUMBERS) - 1) << (origin * NUMBERS))
    }

    /// Whether the dot is one of them.
    #[must_use]
    pub fn contains(self, dot: Dot) -> bool {
        self.0 >> dot.index() & 1 == 1
    }

    /// The set as it is kept, to be hashed.
    pub(crate) fn to_bytes(self) -> [u8; 2] {
        self.0.to_le_bytes()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many there are.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether all of them are in `other`.
    #[must_use]
    pub fn is_within(self, other: Self) -> bool {
        (self - other).is_empty()
    }

    /// Adds one.
    pub fn insert(&mut self, dot: Dot) {
        *self |= Self::of(dot);
    }

    /// Takes one out.
    pub fn remove(&mut self, dot: Dot) {
        *self -= Self::of(dot);
    }

    /// Whether the set has no hole: with a dot it has all earlier ones of its origin.
    #[must_use]
    pub fn is_prefix(self) -> bool {
        self.into_iter().all(|dot| dot.follows(self))
    }
}

impl BitOr for Dots {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Dots {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for Dots {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Sub for Dots {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl SubAssign for Dots {
    fn sub_assign(&mut self, other: Self) {
        self.0 &= !other.0;
    }
}

impl FromIterator<Dot> for Dots {
    fn from_iter<I: IntoIterator<Item = Dot>>(dots: I) -> Self {
        dots.into_iter().fold(Self::NONE, |set, dot| set | Self::of(dot))
    }
}

impl IntoIterator for Dots {
    type Item = Dot;
    type IntoIter = Iter;
    fn into_iter(self) -> Iter {
        Iter(self.0)
    }
}

/// The dots of a set, by origin and number.
pub struct Iter(u16);

impl Iterator for Iter {
    type Item = Dot;
    fn next(&mut self) -> Option<Dot> {
        if self.0 == 0 {
            return None;
        }
        let lowest = self.0.trailing_zeros() as u8;
        self.0 &= self.0 - 1;
        Some(Dot(lowest))
    }
}

impl fmt::Display for Dots {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.into_iter().map(|dot| dot.to_string()).collect();
        if names.is_empty() {
            write!(formatter, "-")
        } else {
            write!(formatter, "{}", names.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_keeps_its_origin_and_number() {
        for origin in 0..ORIGINS {
            for number in 1..=NUMBERS {
                let dot = Dot::new(origin, number);
                assert_eq!((dot.origin(), dot.number()), (origin, number));
                assert!(Dots::of_origin(origin).contains(dot));
            }
        }
    }

    #[test]
    fn a_prefix_has_no_hole() {
        let first = Dot::new(1, 1);
        let second = Dot::new(1, 2);
        assert!(Dots::from_iter([first, second]).is_prefix());
        assert!(!Dots::of(second).is_prefix());
        assert!(second.follows(Dots::of(first)) && !second.follows(Dots::NONE));
    }
}
