//! Nothing leaves this machine in plaintext unless somebody says that it may.

use chassis::config::{Listen, Peers, Source, Validate};

/// The faults of a section, as `key: problem`.
fn faults<T: Validate + Default + serde::Serialize + serde::de::DeserializeOwned>(
    section: &str,
    toml: &str,
) -> Vec<String> {
    let source = Source::from_parts(&format!("[{section}]\n{toml}"), "test.toml", []).expect("TOML");
    let mut faults = vec![];
    source.section::<T>(section, &mut faults);
    faults.into_iter().map(|fault| format!("{}: {}", fault.key, fault.problem)).collect()
}

fn listen(toml: &str) -> Vec<String> {
    faults::<Listen>("listen", toml)
}

fn peers(toml: &str) -> Vec<String> {
    faults::<Peers>("peers", toml)
}

fn is_one_of(faults: &[String], key: &str, word: &str) {
    assert!(faults.len() == 1 && faults[0].starts_with(key) && faults[0].contains(word), "{faults:?}");
}

#[test]
fn ports_that_others_reach_have_tls_or_say_why_not() {
    for host in ["0.0.0.0", "::", "192.0.2.1", "10.1.2.3"] {
        let told = listen(&format!("host = '{host}'"));
        is_one_of(&told, "listen.tls.certificate: ", "listen.plaintext = \"behind-a-proxy\"");
        assert!(told[0].contains("listen.tls.key"), "both ways out are named: {told:?}");
        assert_eq!(listen(&format!("host = '{host}'\nplaintext = 'behind-a-proxy'")), [""; 0]);
        assert_eq!(listen(&format!("host = '{host}'\ntls.certificate = 'c.pem'\ntls.key = 'k.pem'")), [""; 0]);
    }
    for host in ["127.0.0.1", "127.0.0.2", "::1"] {
        assert_eq!(listen(&format!("host = '{host}'")), [""; 0]);
    }
}

#[test]
fn parts_of_tls_come_together() {
    is_one_of(&listen("tls.certificate = 'c.pem'"), "listen.tls.key: ", "must be set too");
    is_one_of(&listen("tls.key = 'k.pem'"), "listen.tls.certificate: ", "must be set too");
    is_one_of(&listen("tls.client_ca = 'ca.pem'"), "listen.tls.client_ca: ", "certificate and key");
    let with = |more: &str| listen(&format!("tls.certificate = 'c.pem'\ntls.key = 'k.pem'\n{more}"));
    is_one_of(&with("tls.client_certificates = 'required'"), "listen.tls.client_certificates: ", "client_ca");
    is_one_of(&with("tls.service_names = ['user-service']"), "listen.tls.service_names: ", "client_ca");
    is_one_of(&with("tls.client_ca = 'ca.pem'\ntls.service_names = ['']"), "listen.tls.service_names: ", "names");
    assert_eq!(with("tls.client_ca = 'ca.pem'\ntls.service_names = ['user-service']"), [""; 0]);
}

#[test]
fn peers_on_other_machines_are_called_over_tls_or_it_is_said_why_not() {
    assert_eq!(peers(""), [""; 0]);
    for local in ["http://localhost:9080", "http://[::1]:9080", "http://127.0.0.1:9080"] {
        assert_eq!(peers(&format!("auth_url = '{local}'")), [""; 0]);
    }
    for url in ["http://auth-service:9080", "http://10.0.0.7:9080", "http://localhost.example:9080"] {
        is_one_of(&peers(&format!("auth_url = '{url}'")), "peers.auth_url: ", "peers.plaintext = \"behind-a-proxy\"");
        assert_eq!(peers(&format!("auth_url = '{url}'\nplaintext = 'behind-a-proxy'")), [""; 0]);
    }
    let secure = "auth_url = 'https://auth-service:9080'";
    is_one_of(&peers(secure), "peers.tls.ca: ", "peers.auth_url begins with https://");
    assert_eq!(peers(&format!("{secure}\ntls.ca = 'ca.pem'")), [""; 0]);
    let identity = "tls.certificate = 'c.pem'\ntls.key = 'k.pem'";
    is_one_of(&peers(identity), "peers.tls.ca: ", "must be set too");
    is_one_of(&peers("tls.ca = 'ca.pem'\ntls.certificate = 'c.pem'"), "peers.tls.key: ", "must be set too");
    is_one_of(&peers("auth_name = 'not a name'"), "peers.auth_name: ", "name");
    for nonsense in ["auth-service:9080", "ftp://auth-service", ""] {
        is_one_of(&peers(&format!("auth_url = '{nonsense}'")), "peers.auth_url: ", "must be an address such as");
    }
}
