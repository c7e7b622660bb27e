//! Syncs between two replicas, step by step.

use super::Replica;
use std::collections::VecDeque;
use tombolo_core::{Aim, Answered, Finished, Lone, Millis, Preview, SyncBody, SyncReport};

/// What is on its way from an answerer to an asker. It outlives the exchange it belongs to, as a
/// lane between two nodes would keep what an older answer put into it.
#[derive(Default)]
pub struct Answers {
    on_the_way: VecDeque<(u64, SyncBody)>,
    /// What the answerer did alone, as far as it was told.
    pub lone: Vec<Lone>,
    /// What a join would do, once a look is over.
    pub preview: Option<Preview>,
    /// What the last join did.
    pub report: Option<SyncReport>,
    /// How often the answerer had to be asked with more origins named.
    pub asked_more: usize,
}

impl Answers {
    pub fn ask(&mut self, asker: &mut Replica, answerer: &mut Replica) {
        self.ask_for(asker, answerer, Aim::Join);
    }

    pub fn ask_for(&mut self, asker: &mut Replica, answerer: &mut Replica, aim: Aim) {
        self.ask_with(asker, answerer, aim, Vec::new());
    }

    /// Asks with all origins of these parts, and again with those that the answerer wants named.
    pub fn ask_with(
        &mut self,
        asker: &mut Replica,
        answerer: &mut Replica,
        aim: Aim,
        whole: Vec<u8>,
    ) {
        // Each has told the other how the table is declared.
        answerer.adopt(asker.epoch);
        let mut whole = whole;
        for _ in 0..2 {
            let (session, body) = asker.table.ask(answerer.id, aim, whole, Millis(0));
            let SyncBody::Ask(ask) = body else { panic!("a question is an Ask, not {body:?}") };
            match answerer.table.answer(asker.id, session, ask) {
                SyncBody::AskMore { parts } => whole = parts,
                begin => return self.on_the_way.push_back((session, begin)),
            }
            self.asked_more += 1;
        }
        panic!("whoever names what the answerer wants named is answered");
    }

    /// The answerer does a piece. False if it has nothing to do.
    pub fn answer(&mut self, asker: &Replica, answerer: &mut Replica) -> bool {
        match answerer.table.answer_step(asker.id) {
            Answered::Nothing => false,
            Answered::Walked => true,
            Answered::Send(session, body) => {
                self.on_the_way.push_back((session, body));
                true
            }
        }
    }

    /// The asker gets the next piece. False if none is on its way.
    pub fn arrive(&mut self, asker: &mut Replica, answerer: &Replica) -> bool {
        let Some((session, body)) = self.on_the_way.pop_front() else { return false };
        asker.adopt(answerer.epoch);
        let (table, from, now) = (&mut asker.table, answerer.id, Millis(0));
        match body {
            SyncBody::Ask(_) | SyncBody::AskMore { .. } => panic!("{body:?} was answered at once"),
            SyncBody::Begin(begin) => table.on_begin(from, session, &begin, now),
            SyncBody::Chunk(chunk) => {
                self.lone.extend(table.on_chunk(from, session, &chunk, now));
            }
            SyncBody::Done { live, removed_ahead } => {
                table.on_done(from, session, live, removed_ahead, now);
            }
        }
        true
    }

    /// The asker applies a piece of the end. False if there is nothing to apply.
    pub fn finish(&mut self, asker: &mut Replica, answerer: &Replica) -> bool {
        match asker.table.finish_step(answerer.id) {
            Finished::Nothing => return false,
            Finished::Walked | Finished::Filled(_) | Finished::Overruled => {}
            Finished::Lone(lone) => self.lone.extend(lone),
            Finished::Looked(preview) => self.preview = Some(preview),
            Finished::Complete(report) => self.report = Some(report),
        }
        true
    }

    /// All that is left of an exchange.
    pub fn run(&mut self, asker: &mut Replica, answerer: &mut Replica) {
        while self.answer(asker, answerer)
            || self.arrive(asker, answerer)
            || self.finish(asker, answerer)
        {
            asker.check_counts();
        }
        assert_eq!(asker.table.asking(answerer.id), None, "the exchange is complete");
    }

    /// What was on its way is lost with the link.
    pub fn clear(&mut self) {
        self.on_the_way.clear();
    }
}

/// One whole exchange.
pub fn exchange(asker: &mut Replica, answerer: &mut Replica, aim: Aim) -> Answers {
    let mut answers = Answers::default();
    answers.ask_for(asker, answerer, aim);
    answers.run(asker, answerer);
    answers
}
