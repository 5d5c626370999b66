//! Generates the Rust modules and the descriptor set from proto/services and proto/events, with a compiler in pure Rust (no protoc).

use std::path::PathBuf;

use prost_build::Config;

const FILES: [&str; 6] = [
    "services/auth_service.proto",
    "services/user_service.proto",
    "services/messaging_service.proto",
    "events/v1/auth_events.proto",
    "events/v1/user_events.proto",
    "events/v1/messaging_events.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("../../../proto");
    println!("cargo:rerun-if-changed={}", root.display());

    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_source_info(true).include_imports(true).open_files(FILES)?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // The encoded form keeps the google.api.http options; the decoded one would lose them.
    std::fs::write(out.join("nova.fds.bin"), compiler.encode_file_descriptor_set())?;

    let mut config = Config::new();
    // Names find the descriptors that JSON is made with.
    config.disable_comments(["."]).enable_type_names();
    tonic_prost_build::configure()
        .build_server(true)
        .build_client(true)
        .codec_path("crate::codec::FittingCodec")
        .compile_fds_with_config(compiler.file_descriptor_set(), config)?;
    Ok(())
}
