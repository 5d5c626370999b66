//! What the code must be like, whatever it does: held against the descriptors, the manifests, the sources, and a running
//! world.

mod access;
mod dependencies;
mod descriptors;
mod rest;
mod tokens;
mod typescript;
mod workspace;
