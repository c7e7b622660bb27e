//! Tombolo over the network for those who do not embed it: the Redis protocol in [`resp`].

pub mod resp;
