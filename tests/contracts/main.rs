//! What the code must be like, whatever it does: held against the descriptors, the manifests, the sources, and a running
//! world.

mod access;
#[path = "../authorization/mod.rs"]
mod authorization;
mod dependencies;
mod descriptors;
mod kubernetes;
mod rest;
mod security;
mod tokens;
mod typescript;
mod workspace;
