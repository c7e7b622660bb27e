use crate::{AddressError, Discovery, DiscoveryError, Found};

/// A list of addresses that never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Static {
    found: Found,
}

impl Static {
    /// A back-end that always finds `addresses`, each once. The list may be empty.
    ///
    /// # Errors
    ///
    /// The first of `addresses` that is not `HOST:PORT`. Whoever wrote such a list is still
    /// there to correct it, so unlike in a file a wrong address is not skipped.
    pub fn new<A: AsRef<str>>(
        addresses: impl IntoIterator<Item = A>,
    ) -> Result<Self, AddressError> {
        let mut found = Found::default();
        for address in addresses {
            found.add(address.as_ref())?;
        }
        Ok(Self { found })
    }
}

impl Discovery for Static {
    fn name(&self) -> String {
        "the list of addresses to join".to_owned()
    }

    fn nodes(&mut self) -> Result<Found, DiscoveryError> {
        Ok(self.found.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_list_at_every_call() {
        let mut seeds = Static::new(["b:2", "a:1", "b:2"]).unwrap();
        seeds.init().unwrap();
        for _ in 0..2 {
            let found = seeds.nodes().unwrap();
            assert_eq!(found.addresses, ["b:2", "a:1"]);
            assert!(found.problems.is_empty());
        }
    }

    #[test]
    fn an_empty_list_is_a_list() {
        assert_eq!(Static::new([""; 0]).unwrap().nodes().unwrap(), Found::default());
    }

    #[test]
    fn a_wrong_address_is_refused_at_once() {
        let refused = Static::new(["a:1".to_owned(), "b".to_owned()]).unwrap_err();
        assert!(refused.to_string().starts_with("`b` has no port"), "{refused}");
    }
}
