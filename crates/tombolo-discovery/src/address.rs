use std::net::{Ipv4Addr, SocketAddrV6};

/// The longest name that the DNS can hold, in bytes.
const LONGEST_NAME: usize = 253;
/// The longest part of a name between two dots, in bytes.
const LONGEST_LABEL: usize = 63;

/// Checks that `address` is `HOST:PORT`: a name or an IPv4 address, or an IPv6 address in
/// brackets, and a port from 1 to 65535. Nothing is resolved.
///
/// # Errors
///
/// What is wrong, and what is accepted in its place.
///
/// ```
/// use tombolo_discovery::check_address;
///
/// assert!(check_address("node-1.example:7381").is_ok());
/// assert!(check_address("[::1]:7381").is_ok());
/// assert!(check_address("::1:7381").is_err());
/// ```
pub fn check_address(address: &str) -> Result<(), AddressError> {
    let owned = || address.to_owned();
    if address.starts_with('[') {
        return check_bracketed(address);
    }
    let (host, port) =
        address.rsplit_once(':').ok_or_else(|| AddressError::NoPort { address: owned() })?;
    if host.contains(':') {
        return Err(AddressError::NoBrackets { address: owned() });
    }
    check_port(address, port)?;
    if is_ipv4(host) || is_name(host) {
        Ok(())
    } else {
        Err(AddressError::WrongHost { address: owned(), host: host.to_owned() })
    }
}

fn check_bracketed(address: &str) -> Result<(), AddressError> {
    let owned = || address.to_owned();
    let Some((host, rest)) = address[1..].split_once(']') else {
        return Err(AddressError::WrongHost { address: owned(), host: owned() });
    };
    let port = rest.strip_prefix(':').ok_or_else(|| AddressError::NoPort { address: owned() })?;
    check_port(address, port)?;
    // With the port and not the bare address, so that a numeric zone as in `[fe80::1%2]` counts.
    if address.parse::<SocketAddrV6>().is_ok() {
        Ok(())
    } else {
        Err(AddressError::WrongHost { address: owned(), host: format!("[{host}]") })
    }
}

fn check_port(address: &str, port: &str) -> Result<(), AddressError> {
    // `parse` alone would accept `+80`.
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(1..) if digits => Ok(()),
        _ => Err(AddressError::WrongPort { address: address.to_owned(), port: port.to_owned() }),
    }
}

fn is_ipv4(host: &str) -> bool {
    host.parse::<Ipv4Addr>().is_ok()
}

/// Whether `host` could be a name in the DNS or in a hosts file. Underscores are no part of a
/// host name by the book, but container networks hand out such names, and they resolve.
fn is_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    // A last label of digits only belongs to a number that failed to be an IPv4 address, such as
    // `10.0.0.256`, and never to a name.
    let last = host.rsplit('.').next().unwrap_or(host);
    host.len() <= LONGEST_NAME
        && host.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    (1..=LONGEST_LABEL).contains(&bytes.len())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no colon that could separate a port.
    #[error("`{address}` has no port. An address is HOST:PORT")]
    NoPort {
        /// What was written.
        address: String,
    },
    /// An IPv6 address stands without brackets, so its end cannot be told from the port.
    #[error("`{address}` has more than one colon. Put an IPv6 address in brackets: [::1]:7381")]
    NoBrackets {
        /// What was written.
        address: String,
    },
    /// The port is not a number, or out of range.
    #[error("`{address}` has the port `{port}`. A port is a number from 1 to 65535")]
    WrongPort {
        /// What was written.
        address: String,
        /// The part that was taken for the port.
        port: String,
    },
    /// The host is neither a name nor an IP address.
    #[error(
        "`{address}` has the host `{host}`. A host is a name, an IPv4 address, \
         or an IPv6 address in brackets"
    )]
    WrongHost {
        /// What was written.
        address: String,
        /// The part that was taken for the host.
        host: String,
    },
    /// The text is not UTF-8, so it was not even looked at.
    #[error("`{address}` is not UTF-8 text. An address is HOST:PORT")]
    NotText {
        /// What was written, with a replacement character for each byte that is no text.
        address: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_accepted() {
        let longest = format!("{}.{}:1", "a".repeat(LONGEST_LABEL), "b".repeat(LONGEST_LABEL));
        for address in [
            "localhost:7381",
            "node-1.example.org:1",
            "node-1.example.org.:65535",
            "my_service:7381",
            "4chan.example:80",
            "127.0.0.1:7381",
            "[::1]:7381",
            "[fd00:0:0:1::2]:7381",
            "[::ffff:10.0.0.1]:7381",
            "[fe80::1%2]:7381",
            &longest,
        ] {
            assert_eq!(check_address(address), Ok(()), "{address}");
        }
    }

    #[test]
    fn a_port_must_be_there() {
        for address in ["", "localhost", "[::1]", "[::1]7381", "10.0.0.1"] {
            let error = check_address(address).unwrap_err();
            assert!(matches!(error, AddressError::NoPort { .. }), "{error}");
        }
    }

    #[test]
    fn a_port_is_a_number_in_range() {
        for port in ["", "0", "65536", "99999999999", "+80", "-1", "http", "80 ", "８０"] {
            for host in ["localhost", "[::1]"] {
                let address = format!("{host}:{port}");
                let expected =
                    AddressError::WrongPort { address: address.clone(), port: port.to_owned() };
                assert_eq!(check_address(&address), Err(expected));
            }
        }
    }

    #[test]
    fn ipv6_stands_in_brackets() {
        for address in ["::1:7381", "fd00::2", "a:b:1"] {
            let error = check_address(address).unwrap_err();
            assert!(matches!(error, AddressError::NoBrackets { .. }), "{error}");
        }
    }

    #[test]
    fn a_host_is_a_name_or_a_number() {
        let long_label = format!("{}:1", "a".repeat(LONGEST_LABEL + 1));
        let long_name = format!("{}:1", "a.".repeat(LONGEST_NAME / 2 + 1) + "a");
        for address in [
            ":7381",
            ".:7381",
            "a..b:7381",
            "-a:7381",
            "a-:7381",
            "a b:7381",
            "tcp//a:7381",
            "bücher.example:7381",
            "10.0.0.256:7381",
            "10.0.0:7381",
            "7381:7381",
            "[]:7381",
            "[localhost]:7381",
            "[127.0.0.1]:7381",
            "[::1:7381",
            "[::g]:7381",
            &long_label,
            &long_name,
        ] {
            let error = check_address(address).unwrap_err();
            assert!(matches!(error, AddressError::WrongHost { .. }), "{error}");
        }
    }

    #[test]
    fn messages_say_what_is_accepted() {
        let words = |address| check_address(address).unwrap_err().to_string();
        assert_eq!(words("a"), "`a` has no port. An address is HOST:PORT");
        assert_eq!(
            words("::1:7"),
            "`::1:7` has more than one colon. Put an IPv6 address in brackets: [::1]:7381"
        );
        assert_eq!(
            words("a b:7"),
            "`a b:7` has the host `a b`. A host is a name, an IPv4 address, \
             or an IPv6 address in brackets"
        );
    }
}
