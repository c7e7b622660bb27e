//! Keys and values, which are bytes, and receipts, whose numbers are too large for JSON.

use serde::{Deserialize, Serialize};
use tombolo::Receipt;

use crate::http::base64;

/// A key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeyView {
    /// As text; what is no UTF-8 is replaced.
    pub key: String,
    /// Exactly.
    pub key_base64: String,
}

impl KeyView {
    pub(super) fn new(key: &[u8]) -> Self {
        Self { key: text(key), key_base64: base64::encode(key) }
    }
}

/// Bytes for people to read.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The answer to what wrote something.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WrittenView {
    /// The name of the write.
    pub receipt: ReceiptView,
}

impl WrittenView {
    pub(crate) fn new(receipt: Receipt) -> Self {
        let origin = format!("{:016x}", receipt.origin());
        let (fragment, sequence) = (receipt.fragment(), receipt.sequence());
        Self { receipt: ReceiptView { origin, fragment, sequence } }
    }
}

/// The name of a write.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReceiptView {
    /// The process that wrote, 16 hexadecimal digits.
    pub origin: String,
    /// Which fragment of the table was written, from 0 on.
    pub fragment: u16,
    /// Which of its writes to the fragment it is, from 1 on.
    pub sequence: u64,
}
