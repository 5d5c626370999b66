//! Access tokens as strangers make them up. One binary, one file a subject.

mod forgeries;
mod keys;
