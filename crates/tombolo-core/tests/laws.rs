//! The laws of the algebra and of the replicas, on random histories.

mod law;
mod replica;
