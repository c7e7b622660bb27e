//! The declaration of a table and what it was before, as bytes.

use crate::error::Problem;
use crate::parts::{read_option, write_option};
use crate::read::{Read, Reader};
use crate::write;
use tombolo_core::{Declaration, Epochs, Kind, Merge, Message, OwnerDown, Past, Policy, Versioned};

const KIND_SET: u8 = 1;
const KIND_ORDERED_SET: u8 = 2;
const KIND_BAG: u8 = 3;

const POLICY_LAST_WRITER_WINS: u8 = 1;
const POLICY_NEWEST: u8 = 2;
const POLICY_MERGE_ONLY: u8 = 3;
const POLICY_LAST_VERSION: u8 = 4;
const POLICY_LAST_MODIFIED: u8 = 5;
const POLICY_RESOLVE: u8 = 6;
const POLICY_IGNORE: u8 = 7;
const POLICY_YIELD_ISLAND: u8 = 8;

const OWNER_DOWN_KEEP: u8 = 1;
const OWNER_DOWN_HIDE: u8 = 2;

const MERGE_AUTO: u8 = 1;
const MERGE_HOLD: u8 = 2;

/// The bytes of one declaration of the past.
const PAST: usize = 9;

/// The longest field or name in a policy, in bytes.
const MAX_WORD: usize = 200;

pub(crate) fn write_declare(
    out: &mut Vec<u8>,
    name: &str,
    declaration: &Declaration,
    epochs: &Epochs,
) {
    write::string(out, name);
    out.push(match declaration.kind {
        Kind::Set => KIND_SET,
        Kind::OrderedSet => KIND_ORDERED_SET,
        Kind::Bag => KIND_BAG,
    });
    write_policy(out, &declaration.policy);
    out.push(match declaration.owner_down {
        OwnerDown::Keep => OWNER_DOWN_KEEP,
        OwnerDown::Hide => OWNER_DOWN_HIDE,
    });
    out.push(match declaration.merge {
        Merge::Auto => MERGE_AUTO,
        Merge::Hold => MERGE_HOLD,
    });
    // A record that expired before it was written makes no sense, so 0 stands for never.
    write::varint(out, declaration.ttl.unwrap_or(0));
    write::varint(out, declaration.fragments.into());
    write::varint(out, declaration.quorum.unwrap_or(0).into());
    write::count(out, epochs.past().len());
    for past in epochs.past() {
        write::u64(out, past.declaration);
        write::flag(out, past.last_writer_wins);
    }
}

pub(crate) fn read_declare(reader: &mut Reader<'_>) -> Read<Message> {
    reader.rename("declare");
    Ok(Message::Declare {
        name: reader.string("name")?,
        declaration: Declaration {
            kind: read_kind(reader)?,
            policy: read_policy(reader)?,
            owner_down: match reader.u8("owner down")? {
                OWNER_DOWN_KEEP => OwnerDown::Keep,
                OWNER_DOWN_HIDE => OwnerDown::Hide,
                other => return Err(reader.error("owner down", Problem::Unknown(other.into()))),
            },
            merge: match reader.u8("merge")? {
                MERGE_AUTO => Merge::Auto,
                MERGE_HOLD => Merge::Hold,
                other => return Err(reader.error("merge", Problem::Unknown(other.into()))),
            },
            ttl: Some(reader.varint("ttl")?).filter(|ttl| *ttl > 0),
            fragments: read_count(reader, "fragments")?,
            quorum: Some(read_count(reader, "quorum")?).filter(|quorum| *quorum > 0),
        },
        epochs: read_epochs(reader)?,
    })
}

/// How many make sense is not asked here: a peer that says too many is refused by name.
fn read_count(reader: &mut Reader<'_>, field: &'static str) -> Read<u16> {
    let count = reader.varint(field)?;
    u16::try_from(count).map_err(|_| reader.error(field, Problem::Unknown(count)))
}

fn read_kind(reader: &mut Reader<'_>) -> Read<Kind> {
    match reader.u8("kind of table")? {
        KIND_SET => Ok(Kind::Set),
        KIND_ORDERED_SET => Ok(Kind::OrderedSet),
        KIND_BAG => Ok(Kind::Bag),
        other => Err(reader.error("kind of table", Problem::Unknown(other.into()))),
    }
}

fn write_policy(out: &mut Vec<u8>, policy: &Policy) {
    let write_per = |out: &mut Vec<u8>, per: &Option<String>| {
        write_option(out, per.as_deref(), write::string);
    };
    match policy {
        Policy::LastWriterWins => out.push(POLICY_LAST_WRITER_WINS),
        Policy::Newest => out.push(POLICY_NEWEST),
        Policy::MergeOnly => out.push(POLICY_MERGE_ONLY),
        Policy::LastVersion(Versioned { field, per }) => {
            out.push(POLICY_LAST_VERSION);
            write::string(out, field);
            write_per(out, per);
        }
        Policy::LastModified { per } => {
            out.push(POLICY_LAST_MODIFIED);
            write_per(out, per);
        }
        Policy::Resolve(name) => {
            out.push(POLICY_RESOLVE);
            write::string(out, name);
        }
        Policy::Ignore => out.push(POLICY_IGNORE),
        Policy::YieldIsland => out.push(POLICY_YIELD_ISLAND),
    }
}

/// A policy that nobody could have declared is refused: its text goes into logs and hashes, and
/// must mean the same policy wherever it is read.
fn read_policy(reader: &mut Reader<'_>) -> Read<Policy> {
    let policy = match reader.u8("policy")? {
        POLICY_LAST_WRITER_WINS => Policy::LastWriterWins,
        POLICY_NEWEST => Policy::Newest,
        POLICY_MERGE_ONLY => Policy::MergeOnly,
        POLICY_LAST_VERSION => Policy::LastVersion(Versioned {
            field: reader.short_string("field of the policy", MAX_WORD)?,
            per: read_per(reader)?,
        }),
        POLICY_LAST_MODIFIED => Policy::LastModified { per: read_per(reader)? },
        POLICY_RESOLVE => Policy::Resolve(reader.short_string("name of the resolver", MAX_WORD)?),
        POLICY_IGNORE => Policy::Ignore,
        POLICY_YIELD_ISLAND => Policy::YieldIsland,
        other => return Err(reader.error("policy", Problem::Unknown(other.into()))),
    };
    match policy.to_string().parse::<Policy>() {
        Ok(same) if same == policy => Ok(policy),
        _ => Err(reader.error("policy", Problem::Policy)),
    }
}

fn read_per(reader: &mut Reader<'_>) -> Read<Option<String>> {
    let field = "second key of the policy";
    read_option(reader, field, |reader| reader.short_string(field, MAX_WORD))
}

fn read_epochs(reader: &mut Reader<'_>) -> Read<Epochs> {
    let past = reader.list("epochs", PAST, |reader| {
        Ok(Past { declaration: reader.u64("epochs")?, last_writer_wins: reader.flag("epochs")? })
    })?;
    let (count, limit) = (past.len(), Epochs::MOST);
    Epochs::from_past(past).ok_or_else(|| reader.error("epochs", Problem::Many { count, limit }))
}
