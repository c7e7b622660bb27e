//! Tombolo over the network for those who do not embed it: the Redis protocol in [`resp`], and
//! what operators need in [`http`].

pub mod http;
pub mod resp;
