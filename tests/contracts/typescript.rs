//! The TypeScript client: what is made from the protos is what is committed, so that its freshness needs no Node.

use std::path::Path;

use authn::Access;
use test_harness::ServiceName;

use crate::descriptors::access_table;

/// Set by `cargo xtask typescript`: writes the file instead of comparing it.
const WRITE: &str = "NOVA_WRITE_TYPESCRIPT";

#[test]
fn the_typescript_client_is_made_from_these_protos() {
    let services = ServiceName::ALL.map(|service| {
        let public = access_table(service).iter().filter(|(_, access)| *access == Access::Public);
        rest::Described {
            service: service.grpc().to_owned(),
            public: public.map(|(rpc, _)| (*rpc).to_owned()).collect(),
        }
    });
    let made = rest::typescript(&services).expect("the protos can be served");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace");
    let path = root.join("clients/typescript/src/generated.ts");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, made).expect("the client's folder can be written to");
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(made == committed, "{} is not what the protos say: run cargo xtask typescript", path.display());
}
