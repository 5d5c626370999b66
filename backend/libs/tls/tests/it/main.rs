//! Files that change while what was made of them is in use.

use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use clock::Clock;
use tls::{AskClients, Authority, Certificate, Client, ClientFiles, Fault, Server, ServerFiles, Store};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("nova-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the folder can be made");
        Self(path)
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).expect("the folder can be written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn now() -> DateTime<Utc> {
    "2026-06-01T12:00:00Z".parse().expect("a time")
}

fn authority() -> Authority {
    Authority::new("an authority", now()).expect("a key can be made")
}

fn files(folder: &Folder, authority: &Authority, name: &str) -> ServerFiles {
    let issued = authority.issue(&[name, "127.0.0.1"], now(), now() + TimeDelta::days(90)).expect("a certificate");
    ServerFiles {
        certificate: folder.write("server.pem", &issued.certificate),
        key: folder.write("server.key", &issued.key),
        clients: AskClients::No,
    }
}

#[test]
fn a_certificate_says_its_names_and_its_end() {
    let folder = Folder::new("says");
    let server = Server::open(&files(&folder, &authority(), "one.example")).expect("good files");
    let expires_at = "2026-08-30T00:00:00Z".parse().expect("a time");
    assert_eq!(server.certificate(), Certificate { names: vec!["one.example".to_owned()], expires_at });
}

#[test]
fn new_files_come_into_use_and_bad_ones_change_nothing() {
    let (folder, authority) = (Folder::new("change"), authority());
    let store = Store::new(Clock::mock(now()).0);
    let server = store.server(&files(&folder, &authority, "one.example")).expect("good files");
    let name = || server.certificate().names[0].clone();
    let first = server.config();

    files(&folder, &authority, "two.example");
    assert_eq!(name(), "one.example", "until somebody looks");
    store.look();
    assert_eq!(name(), "two.example");
    assert!(!std::sync::Arc::ptr_eq(&first, &server.config()));

    let good = std::fs::read_to_string(folder.0.join("server.pem")).expect("it is there");
    let stranger = authority.issue(&["three.example"], now(), now() + TimeDelta::days(1)).expect("a certificate");
    for bad in [&stranger.certificate, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", ""] {
        folder.write("server.pem", bad);
        store.look();
        assert_eq!(name(), "two.example", "{bad}");
    }
    std::fs::remove_file(folder.0.join("server.pem")).expect("it is there");
    store.look();
    assert_eq!(name(), "two.example");

    folder.write("server.pem", &good);
    store.look();
    assert_eq!(name(), "two.example");
    files(&folder, &authority, "four.example");
    store.look();
    assert_eq!(name(), "four.example");
}

#[test]
fn a_clients_files_change_too() {
    let (folder, authority) = (Folder::new("client"), authority());
    let store = Store::new(Clock::mock(now()).0);
    let ServerFiles { certificate, key, .. } = files(&folder, &authority, "one.example");
    let ca = folder.write("ca.pem", &authority.own.certificate);
    let client = store.client(&ClientFiles { ca, identity: Some((certificate, key)) }).expect("good files");
    assert_eq!(client.identity().expect("it has one").names, ["one.example"]);
    files(&folder, &authority, "two.example");
    store.look();
    assert_eq!(client.identity().expect("it has one").names, ["two.example"]);
}

#[test]
fn what_is_wrong_is_told_by_its_file() {
    let (folder, authority) = (Folder::new("wrong"), authority());
    let good = files(&folder, &authority, "one.example");
    let (empty, missing) = (folder.write("empty.pem", "no PEM"), folder.0.join("missing.pem"));
    let fault = |files: ServerFiles| Server::open(&files).err().expect("a fault");
    let of = |certificate: &Path, key: &Path, clients| {
        fault(ServerFiles { certificate: certificate.to_path_buf(), key: key.to_path_buf(), clients })
    };
    let (certificate, key) = (good.certificate.as_path(), good.key.as_path());
    assert!(matches!(of(&missing, key, AskClients::No), Fault::Unreadable { path, .. } if path == missing));
    assert!(matches!(of(&empty, key, AskClients::No), Fault::NoCertificate(path) if path == empty));
    assert!(matches!(of(certificate, &empty, AskClients::No), Fault::NoKey(path) if path == empty));
    assert!(
        matches!(of(certificate, key, AskClients::Required(empty.clone())), Fault::NoCertificate(path) if path == empty)
    );
    let other = folder.write("other.key", &authority.own.key);
    assert!(matches!(of(certificate, &other, AskClients::No), Fault::Unusable { path, .. } if path == certificate));
    let client = Client::open(&ClientFiles { ca: empty.clone(), identity: None }).err().expect("a fault");
    assert!(matches!(client, Fault::NoCertificate(path) if path == empty));
}
