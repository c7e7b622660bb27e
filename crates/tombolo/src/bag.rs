//! Bags: any number of distinct objects under one key (rule 11).

use crate::acknowledged::Receipt;
use crate::clock::now;
use crate::composite;
use crate::field::Path;
use crate::merged::{Range, in_order};
use crate::raw::{RawTable, WriteError};
use std::ops::{Bound, ControlFlow};
use tombolo_core::{Change as CoreChange, Kind, Millis};

impl RawTable {
    /// Adds an object to a bag. Equal objects are there once; adding one again is a write all the
    /// same, so that a delete made elsewhere at the same time does not take it away.
    ///
    /// If the policy names a second key (`last_version(FIELD,per=FIELD)`), objects that agree in it
    /// are versions of one: the one that was written knowing the other stays, and of concurrent
    /// ones that with the greater version.
    ///
    /// # Errors
    ///
    /// [`WriteError`]; nothing is changed then.
    pub fn add(
        &self,
        key: &[u8],
        object: &[u8],
        expires: Option<u64>,
    ) -> Result<Receipt, WriteError> {
        self.check_kind(Kind::Bag, true)?;
        let (composite, value) = self.place(key, object);
        self.check(composite.len() + value.len())?;
        let change = CoreChange::Put { value, expires: expires.map(Millis) };
        let part = self.part(&composite);
        let seq = part.write(&composite, change)?;
        part.mesh.schedule_flush();
        // Only deletes can come to nothing.
        Ok(self.receipt(part, seq.unwrap_or_default()))
    }

    /// Deletes one object of a bag. `None` if it was not there; then nothing was sent either.
    ///
    /// # Errors
    ///
    /// [`WriteError`]; nothing is changed then.
    pub fn delete_object(&self, key: &[u8], object: &[u8]) -> Result<Option<Receipt>, WriteError> {
        self.check_kind(Kind::Bag, true)?;
        let (composite, value) = self.place(key, object);
        self.check(composite.len())?;
        let part = self.part(&composite);
        let (seq, ()) = part.decide(&composite, |entry| {
            // With a second key it may be another version of the object that is there.
            let same = entry.is_some_and(|entry| entry.value == Some(value));
            (same.then_some(CoreChange::Delete), ())
        })?;
        part.mesh.schedule_flush();
        Ok(seq.map(|seq| self.receipt(part, seq)))
    }

    /// Deletes all objects of a key that are there.
    pub(crate) fn delete_objects(&self, key: &[u8]) -> Result<Option<Receipt>, WriteError> {
        let composites = self.composites(key);
        let Some(part) = composites.first().map(|composite| self.part(composite)) else {
            return Ok(None);
        };
        let mut last = None;
        for composite in composites {
            last = part.write(&composite, CoreChange::Delete)?.or(last);
        }
        part.mesh.schedule_flush();
        Ok(last.map(|seq| self.receipt(part, seq)))
    }

    /// Shows every object of a key of a bag, in the order of their bytes (or of their second key).
    /// No lock. Nothing is shown of a table that is no bag.
    pub fn for_objects(&self, key: &[u8], mut see: impl FnMut(&[u8])) {
        let second = self.has_second_key();
        self.walk_key(key, |composite, value| {
            if let Some((_, identity)) = composite::decode(composite) {
                see(if second { value } else { identity });
            }
            ControlFlow::Continue(())
        });
    }

    /// How large the record of an object is, key and value together.
    pub(crate) fn object_size(&self, key: &[u8], object: &[u8]) -> usize {
        let (composite, value) = self.place(key, object);
        composite.len() + value.len()
    }

    /// Whether a key of a bag has any object.
    pub(crate) fn has_objects(&self, key: &[u8]) -> bool {
        let mut found = false;
        self.walk_key(key, |_, _| {
            found = true;
            ControlFlow::Break(())
        });
        found
    }

    /// When an object of a bag expires, if it is there and does.
    pub(crate) fn object_expires(&self, key: &[u8], object: &[u8]) -> Option<u64> {
        let (composite, value) = self.place(key, object);
        self.read(&composite, |held| held.filter(|held| held.value == value)?.expires)
    }

    /// Whether a field tells the objects of a key apart, so that they are not named by themselves.
    pub(crate) fn has_second_key(&self) -> bool {
        self.second_key().is_some()
    }

    /// The objects of a key of a bag.
    pub fn objects(&self, key: &[u8]) -> Vec<Vec<u8>> {
        let mut objects = Vec::new();
        self.for_objects(key, |object| objects.push(object.to_vec()));
        objects
    }

    /// Whether a bag has the object.
    pub fn contains_object(&self, key: &[u8], object: &[u8]) -> bool {
        let (composite, value) = self.place(key, object);
        self.kind() == Kind::Bag
            && self.part(&composite).records.read(&composite, now, |entry| {
                entry.is_some_and(|entry| entry.value == Some(value))
            })
    }

    /// Shows every key of a bag with one of its objects at a time, in the order of the keys.
    pub fn for_each_object(&self, mut see: impl FnMut(&[u8], &[u8])) {
        let second = self.has_second_key();
        if self.kind() != Kind::Bag {
            return;
        }
        let all = Range { from: Bound::Unbounded, to: Bound::Unbounded, back: false };
        in_order(self.parts(), all, |composite, record| {
            if let Some((key, identity)) = composite::decode(composite) {
                see(&key, if second { record.value } else { identity });
            }
            ControlFlow::Continue(())
        });
    }

    /// Where an object lies, and what is kept there: the whole object, if it is not in its place's
    /// name already.
    pub(crate) fn place<'o>(&self, key: &[u8], object: &'o [u8]) -> (Vec<u8>, &'o [u8]) {
        let mut composite = Vec::with_capacity(key.len() + object.len() + 2);
        let Some(second) = self.second_key() else {
            composite::encode(&mut composite, key, object);
            return (composite, b"");
        };
        // An object without the field is its own second key; the tags of fields are not 0.
        let whole = || [&[0], object].concat();
        let identity = second.find(object).map_or_else(whole, |field| field.to_bytes());
        composite::encode(&mut composite, key, &identity);
        (composite, object)
    }

    /// The field that tells the objects of a key apart, if it is not all of them.
    pub(crate) fn second_key(&self) -> Option<Path> {
        self.shared.declaration().policy.per().and_then(|field| Path::parse(field).ok())
    }

    /// Where the objects of a key lie, in order.
    pub(crate) fn composites(&self, key: &[u8]) -> Vec<Vec<u8>> {
        let mut composites = Vec::new();
        self.walk_key(key, |composite, _| {
            composites.push(composite.to_vec());
            ControlFlow::Continue(())
        });
        composites
    }

    /// Shows where each object of a key of a bag lies, and what is kept there, until `see` breaks
    /// off.
    fn walk_key(&self, key: &[u8], mut see: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>) {
        if self.kind() != Kind::Bag {
            return;
        }
        let mut prefix = Vec::with_capacity(key.len() + 2);
        composite::prefix(&mut prefix, key);
        let upper = composite::upper(&prefix);
        let to = upper.as_ref().map(Vec::as_slice);
        let range = Range { from: Bound::Included(&prefix), to, back: false };
        // All objects of a key lie in one part.
        let part = std::slice::from_ref(self.part(&prefix));
        in_order(part, range, |composite, record| see(composite, record.value));
    }
}
