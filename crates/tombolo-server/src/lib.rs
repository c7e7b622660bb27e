//! Tombolo over the network for those who do not embed it: the Redis protocol in [`resp`], and
//! what operators need in [`http`].

mod declare;
mod operate;

pub mod http;
pub mod resp;
