//! Strategies for everything that nodes can say to each other.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use std::sync::Arc;
use tombolo_core::{
    Ask, Begin, Chunk, ChunkBatch, ChunkKey, DIGEST_PARTS, Declaration, Done, Dot, DotSet, Edit,
    Entry, Epochs, Expect, Expiry, FLOAT, INTEGER, Incarnation, Kind, LiveSet, Mark, Member, Merge,
    Message, Millis, NodeId, OpRef, OwnerDown, Past, Policy, Purpose, Refused, Remembered, Reply,
    Request, RequestId, RequestRef, Rest, SerialBody, Stamp, SyncBody, TableId, VersionVector,
    Versioned,
};
use tombolo_wire::hello::{Handshake, Hello, Lane, PROTOCOL, Refusal, Welcome};
use tombolo_wire::{DumpAsk, DumpPage, DumpPart, DumpRecord, encode_batch, encode_op};

/// An op that owns what `OpRef` borrows.
#[derive(Clone, Debug)]
pub struct Op {
    pub table: TableId,
    pub key: Vec<u8>,
    pub entry: Entry,
    pub replaces: Vec<Dot>,
    pub request: Option<Remembered>,
}

impl Op {
    pub fn as_ref(&self) -> OpRef<'_> {
        let request = self.request.as_ref().map(|known| RequestRef {
            id: known.id,
            floor: known.floor,
            told: known.told.as_deref(),
            lost: known.lost,
        });
        let (key, entry, replaces) = (&self.key, self.entry.as_ref(), &self.replaces);
        OpRef { key, entry, replaces, request }
    }
}

fn request_id() -> impl Strategy<Value = RequestId> {
    (incarnation(), number()).prop_map(|(origin, number)| RequestId { origin, number })
}

fn told() -> impl Strategy<Value = Option<Arc<[u8]>>> {
    option::of(bytes().prop_map(Arc::from))
}

fn remembered() -> impl Strategy<Value = Remembered> {
    let told = prop_oneof![told().prop_map(|told| (told, false)), Just((None, true))];
    let parts = (request_id(), number(), dot(), told, any::<bool>());
    parts.prop_map(|(id, floor, dot, (told, lost), old)| Remembered {
        old,
        id,
        floor,
        dot,
        told,
        lost,
    })
}

fn request() -> impl Strategy<Value = Request> {
    let expect = prop_oneof![
        Just(Expect::Anything),
        Just(Expect::Absent),
        Just(Expect::Present),
        bytes().prop_map(|value| Expect::Value(value.into())),
    ];
    let expiry = prop_oneof![
        Just(Expiry::Default),
        Just(Expiry::Keep),
        number().prop_map(|at| Expiry::At(Millis(at))),
    ];
    let put = (bytes(), expiry);
    let edit = prop_oneof![
        put.prop_map(|(value, expiry)| Edit::Put { value: value.into(), expiry }),
        Just(Edit::Delete),
        bytes().prop_map(|bytes| Edit::Append(bytes.into())),
        any::<i64>().prop_map(Edit::Add),
        prop::num::f64::NORMAL.prop_map(Edit::AddFloat),
    ];
    let rest = (any::<bool>(), option::of(any::<u32>()), any::<u32>(), any::<u32>());
    (request_id(), number(), bytes(), expect, edit, rest).prop_map(
        |(id, floor, key, expect, edit, (tell_previous, copies, patience, attempt))| {
            let key = key.into();
            Request { id, floor, attempt, key, expect, edit, tell_previous, copies, patience }
        },
    )
}

fn reply() -> impl Strategy<Value = Reply> {
    let names = || vec(".{0,20}", 0..3);
    let done = (option::of(dot()), told(), any::<bool>(), names(), names()).prop_map(
        |(dot, told, lost, by, missing)| Done { dot, told, lost, by: by.into(), missing },
    );
    let quorum = (any::<u32>(), any::<u32>())
        .prop_map(|(members, required)| Refused::Quorum { members, required });
    let refused = prop_oneof![
        Just(Refused::NotANumber(INTEGER)),
        Just(Refused::NotANumber(FLOAT)),
        Just(Refused::OutOfRange),
        Just(Refused::TooLarge),
        quorum,
    ];
    prop_oneof![
        done.prop_map(Reply::Done),
        told().prop_map(Reply::Unmet),
        refused.prop_map(Reply::Refused),
        Just(Reply::Uncertain),
        Just(Reply::Again),
    ]
}

fn serial_body() -> impl Strategy<Value = SerialBody> {
    prop_oneof![
        Just(SerialBody::Ready),
        number().prop_map(|grant| SerialBody::Want { grant }),
        number().prop_map(|grant| SerialBody::Lend { grant }),
        number().prop_map(|grant| SerialBody::Refuse { grant }),
        number().prop_map(|grant| SerialBody::Return { grant }),
        request().prop_map(SerialBody::Request),
        (request_id(), any::<u32>(), reply()).prop_map(|(id, attempt, reply)| SerialBody::Reply {
            id,
            attempt,
            reply
        }),
    ]
}

/// Whoever sends what the tests read.
pub const SENDER: Incarnation = Incarnation(77);

/// Numbers of every size: a varint has another length for each.
pub fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0u32..64).prop_map(|(bits, shift)| bits >> shift)
}

pub fn incarnation() -> impl Strategy<Value = Incarnation> {
    number().prop_map(Incarnation)
}

pub fn dot() -> impl Strategy<Value = Dot> {
    (incarnation(), number()).prop_map(|(origin, seq)| Dot { origin, seq })
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..200)
}

fn mark() -> impl Strategy<Value = Mark> {
    (prop_oneof![Just(0), any::<u8>()], any::<bool>())
        .prop_map(|(epoch, outcome)| Mark { epoch, outcome })
}

pub fn entry() -> impl Strategy<Value = Entry> {
    let value = option::of(bytes().prop_map(Arc::from));
    let expires = option::of(number().prop_map(Millis));
    (dot(), number().prop_map(Stamp), mark(), expires, value)
        .prop_map(|(dot, stamp, mark, expires, value)| Entry { dot, stamp, mark, expires, value })
}

pub fn dump_ask() -> impl Strategy<Value = DumpAsk> {
    (number(), number(), number()).prop_map(|(table, call, cursor)| DumpAsk {
        table: TableId(table),
        call,
        cursor,
    })
}

pub fn dump_part() -> impl Strategy<Value = DumpPart> {
    let record = (bytes(), bytes(), option::of(number().prop_map(Millis))).prop_map(
        |(key, value, expires)| DumpRecord { key: key.into(), value: value.into(), expires },
    );
    let page = (number(), vec(record, 0..5)).prop_map(|(next, records)| DumpPage { next, records });
    (number(), number(), option::of(page)).prop_map(|(table, call, page)| DumpPart {
        table: TableId(table),
        call,
        page,
    })
}

pub fn op() -> impl Strategy<Value = Op> {
    let request = option::of(remembered());
    (number(), bytes(), entry(), vec(dot(), 0..5), request).prop_map(
        |(table, key, entry, replaces, request)| {
            let table = TableId(table);
            Op { table, key, entry, replaces, request }
        },
    )
}

fn vector() -> impl Strategy<Value = VersionVector> {
    vec((incarnation(), number()), 0..8).prop_map(|pairs| pairs.into_iter().collect())
}

/// Sparse sets, sets that fill containers, and sets over several parts of the treemap.
pub fn dot_set() -> impl Strategy<Value = DotSet> {
    let sparse = vec(number(), 0..50).prop_map(|numbers| numbers.into_iter().collect());
    let dense = (number(), 0u64..20_000, any::<bool>()).prop_map(|(start, length, as_runs)| {
        let mut set = DotSet::new();
        set.insert_range(start..start.saturating_add(length));
        set.extend([start ^ 1 << 15, start ^ 1 << 35]);
        if as_runs {
            set.optimize();
        }
        set
    });
    prop_oneof![3 => sparse, 1 => dense]
}

fn chunk() -> impl Strategy<Value = Chunk> {
    let key = (bytes(), vec(dot(), 0..4), vec(entry(), 0..4));
    let key =
        key.prop_map(|(key, others, entries)| ChunkKey { key: Box::from(key), others, entries });
    let of_key = (any::<prop::sample::Index>(), vec(dot(), 0..3));
    let batch = (dot(), number(), vec(of_key, 0..4));
    let parts = (vector(), vec(key, 1..6), vec(batch, 0..3), vec(remembered(), 0..3));
    parts.prop_map(|(seen_since, keys, batches, requests)| {
        let batches = batches.into_iter().map(|(first, count, of_keys)| {
            let of_key = |(index, replaces): (prop::sample::Index, Vec<Dot>)| {
                (index.index(keys.len()) as u32, replaces)
            };
            ChunkBatch { first, count, keys: of_keys.into_iter().map(of_key).collect() }
        });
        let batches = batches.collect();
        Chunk { seen_since, keys, requests, batches }
    })
}

/// Ops of one table whose dots follow each other, as they are sent, and how many.
pub fn batch() -> impl Strategy<Value = (Vec<Op>, Vec<u8>)> {
    (number(), number(), vec(op(), 2..6)).prop_map(|(table, first, mut ops)| {
        let mut frames = Vec::new();
        let first = first / 2;
        for (op, seq) in ops.iter_mut().zip(first..) {
            op.table = TableId(table);
            op.entry.dot = Dot { origin: SENDER, seq };
            encode_op(&mut frames, op.table, &op.as_ref());
        }
        let mut out = Vec::new();
        encode_batch(&mut out, TableId(table), ops.len() as u32, &frames);
        (ops, out)
    })
}

fn purpose() -> impl Strategy<Value = Purpose> {
    let part = |(of, index): (u32, prop::sample::Index)| Purpose::Fill {
        index: index.index(of as usize) as u32,
        of,
    };
    prop_oneof![
        Just(Purpose::Join),
        (prop_oneof![1u32..9, 1..=u32::MAX], any::<prop::sample::Index>()).prop_map(part),
        Just(Purpose::Look),
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    let live_beyond = btree_map(incarnation(), dot_set(), 0..4);
    let sums = btree_map(incarnation(), any::<u64>(), 0..4);
    let whole = vec(any::<u8>(), 0..9);
    let rest = (whole, vec(any::<u64>(), DIGEST_PARTS));
    let rest = option::of(rest.prop_map(|(whole, sums)| Rest { whole, sums }));
    (vector(), rest, live_beyond, sums, purpose()).prop_map(
        |(seen, rest, live_beyond, sums, purpose)| Ask { seen, rest, live_beyond, sums, purpose },
    )
}

/// Unlike in a vector, an origin may have reached nothing.
fn begin() -> impl Strategy<Value = Begin> {
    let seen = btree_map(incarnation(), prop_oneof![Just(0), number()], 0..8);
    (seen, number().prop_map(Stamp), any::<u64>(), number())
        .prop_map(|(seen, clock, fingerprint, lacking)| Begin { seen, clock, fingerprint, lacking })
}

fn sync_body() -> impl Strategy<Value = SyncBody> {
    let live = (incarnation(), dot_set()).prop_map(|(origin, live)| LiveSet { origin, live });
    let done = (vec(live, 0..4), vec(dot(), 0..8))
        .prop_map(|(live, removed_ahead)| SyncBody::Done { live, removed_ahead });
    prop_oneof![
        ask().prop_map(SyncBody::Ask),
        vec(any::<u8>(), 0..9).prop_map(|parts| SyncBody::AskMore { parts }),
        begin().prop_map(SyncBody::Begin),
        chunk().prop_map(SyncBody::Chunk),
        done,
    ]
}

fn node_id() -> impl Strategy<Value = NodeId> {
    (".{0,20}", any::<u64>()).prop_map(|(name, started)| NodeId { name, started })
}

fn member() -> impl Strategy<Value = Member> {
    let links = vec(incarnation(), 0..6);
    (node_id(), ".{0,30}", any::<bool>(), links, number()).prop_map(
        |(id, address, left, linked_to, links_version)| Member {
            id,
            address,
            left,
            linked_to,
            links_version,
        },
    )
}

pub fn members() -> impl Strategy<Value = Vec<Member>> {
    vec(member(), 0..5)
}

/// What may stand in a policy, up to the longest.
fn word() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9/:._é€-]{1,40}", "[a-z/]{200}"]
}

pub fn policy() -> impl Strategy<Value = Policy> {
    prop_oneof![
        Just(Policy::LastWriterWins),
        Just(Policy::Newest),
        Just(Policy::MergeOnly),
        (word(), option::of(word()))
            .prop_map(|(field, per)| Policy::LastVersion(Versioned { field, per })),
        option::of(word()).prop_map(|per| Policy::LastModified { per }),
        word().prop_map(Policy::Resolve),
        Just(Policy::Ignore),
        Just(Policy::YieldIsland),
    ]
}

fn declaration() -> impl Strategy<Value = Declaration> {
    let kind = prop_oneof![Just(Kind::Set), Just(Kind::OrderedSet), Just(Kind::Bag)];
    let owner_down = prop_oneof![Just(OwnerDown::Keep), Just(OwnerDown::Hide)];
    let merge = prop_oneof![Just(Merge::Auto), Just(Merge::Hold)];
    let ttl = option::of(number().prop_map(|ttl| ttl.max(1)));
    let counts = (any::<u16>(), option::of(1..=u16::MAX));
    let parts = (kind, policy(), owner_down, merge, ttl, counts);
    parts.prop_map(|(kind, policy, owner_down, merge, ttl, (fragments, quorum))| Declaration {
        kind,
        policy,
        owner_down,
        merge,
        ttl,
        fragments,
        quorum,
    })
}

fn epochs() -> impl Strategy<Value = Epochs> {
    let past = any::<(u64, bool)>()
        .prop_map(|(declaration, last_writer_wins)| Past { declaration, last_writer_wins });
    let past = prop_oneof![9 => vec(past.clone(), 0..4), 1 => vec(past, 250..=Epochs::MOST)];
    past.prop_map(|past| Epochs::from_past(past).unwrap())
}

pub fn message() -> impl Strategy<Value = Message> {
    let table = || number().prop_map(TableId);
    let report = (table(), incarnation(), vector(), any::<u64>());
    prop_oneof![
        2 => (".{0,30}", declaration(), epochs()).prop_map(|(name, declaration, epochs)| {
            Message::Declare { name, declaration, epochs }
        }),
        1 => (table(), number()).prop_map(|(table, seq)| Message::Attach { table, seq }),
        1 => (table(), number()).prop_map(|(table, seq)| Message::Ack { table, seq }),
        4 => (table(), number(), sync_body()).prop_map(|(table, session, body)| Message::Sync {
            table,
            session,
            body,
        }),
        1 => report.prop_map(|(table, about, seen, fingerprint)| Message::Report {
            table,
            about,
            seen,
            fingerprint,
        }),
        1 => (table(), any::<u32>(), ".{0,30}", any::<bool>()).prop_map(
            |(table, members, lowest, rehearsal)| {
                Message::Apart { table, members, lowest, rehearsal }
            }
        ),
        2 => (table(), serial_body()).prop_map(|(table, body)| Message::Serial { table, body }),
        1 => members().prop_map(Message::Members),
        1 => bytes().prop_map(Message::Swim),
    ]
}

fn hello() -> impl Strategy<Value = Hello> {
    let lane = prop_oneof![Just(Lane::Data), Just(Lane::Control)];
    let numbers = (any::<u64>(), any::<[u8; 32]>(), any::<u64>());
    (".{0,20}", node_id(), ".{0,20}", lane, numbers).prop_map(
        |(cluster, id, address, lane, (link, nonce, clock))| Hello {
            protocol: PROTOCOL,
            cluster,
            id,
            address,
            lane,
            link,
            nonce,
            clock: Millis(clock),
        },
    )
}

fn welcome() -> impl Strategy<Value = Welcome> {
    let numbers = (any::<[u8; 32]>(), any::<u64>(), any::<[u8; 32]>());
    (".{0,20}", node_id(), ".{0,20}", numbers).prop_map(
        |(cluster, id, address, (nonce, clock, proof))| Welcome {
            protocol: PROTOCOL,
            cluster,
            id,
            address,
            nonce,
            clock: Millis(clock),
            proof,
        },
    )
}

fn refusal() -> impl Strategy<Value = Refusal> {
    let taken = (".{0,20}", any::<u64>(), ".{0,20}", any::<u64>());
    prop_oneof![
        Just(Refusal::NotTombolo),
        any::<(u16, u16)>().prop_map(|(ours, theirs)| Refusal::Protocol { ours, theirs }),
        (".{0,20}", ".{0,20}").prop_map(|(ours, theirs)| Refusal::Cluster { ours, theirs }),
        Just(Refusal::Secret),
        taken.prop_map(|(name, started, address, heard_millis_ago)| Refusal::NameTaken {
            name,
            started,
            address,
            heard_millis_ago,
        }),
        (".{0,20}", any::<u64>()).prop_map(|(name, by)| Refusal::Superseded { name, by }),
        any::<(u64, bool, u64)>().prop_map(|(millis, ahead, max)| Refusal::ClockDrift {
            millis,
            ahead,
            max,
        }),
        Just(Refusal::OneSelf),
        Just(Refusal::Cut),
        Just(Refusal::AlreadyLinked),
        any::<(u64, u64)>().prop_map(|(length, limit)| Refusal::TooLarge { length, limit }),
        ".{0,60}".prop_map(|what| Refusal::Garbled { what }),
    ]
}

pub fn handshake() -> impl Strategy<Value = Handshake> {
    prop_oneof![
        hello().prop_map(Handshake::Hello),
        welcome().prop_map(Handshake::Welcome),
        (any::<[u8; 32]>(), members())
            .prop_map(|(proof, members)| Handshake::Confirm { proof, members }),
        members().prop_map(|members| Handshake::Accepted { members }),
        refusal().prop_map(Handshake::Refuse),
    ]
}
