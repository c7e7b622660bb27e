use std::path::Path;
use std::time::Duration;

use tombolo::Ack;

use super::*;

/// Flags, variables and the text of a file, as a test writes them.
fn config(
    args: ServeArgs,
    variables: &[(&str, &str)],
    file: Option<&str>,
) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.toml");
    let config = file.map(|text| {
        std::fs::write(&path, text).unwrap();
        path.clone()
    });
    let args = ServeArgs { config, ..args };
    let variable = |name: &str| {
        let mut found = variables.iter().filter(|(key, _)| *key == name);
        found.next().map(|(_, value)| (*value).to_owned())
    };
    let sources = Sources::collect(&args, variable);
    let folder_name = folder.path().display().to_string() + "/";
    sources
        .and_then(|sources| Config::new(&sources))
        .map_err(|error| error.to_string().replace(&folder_name, ""))
}

fn flag(set: impl FnOnce(&mut ServeArgs)) -> ServeArgs {
    let mut args = ServeArgs::default();
    set(&mut args);
    args
}

#[test]
fn without_anything_the_defaults_hold() {
    let config = config(ServeArgs::default(), &[], None).unwrap();
    assert_eq!(config.resp.to_string(), "127.0.0.1:7379");
    assert_eq!(config.http.to_string(), "127.0.0.1:7380");
    assert_eq!(config.listen.to_string(), "127.0.0.1:7381");
    assert_eq!(config.cluster_name, "tombolo");
    assert_eq!(config.ack, Ack::All);
    assert_eq!(config.ack_timeout, Duration::from_secs(5));
    assert_eq!((config.name, config.secret, config.drills), (None, None, false));
}

#[test]
fn a_flag_beats_a_variable_beats_the_file() {
    let file = "name = 'file'\ncluster-name = 'file'\nlog = 'debug'\nack = 2";
    let variables = [("TOMBOLO_NAME", "variable"), ("TOMBOLO_CLUSTER_NAME", "variable")];
    let args = flag(|args| args.name = Some("flag".into()));
    let config = config(args, &variables, Some(file)).unwrap();
    assert_eq!(config.name.as_deref(), Some("flag"));
    assert_eq!(config.cluster_name, "variable");
    assert_eq!(config.ack, Ack::Count(2));
    assert_eq!(config.log.to_string(), "debug");
}

#[test]
fn an_empty_variable_is_none() {
    let config = config(ServeArgs::default(), &[("TOMBOLO_SECRET", "")], None).unwrap();
    assert_eq!(config.secret, None);
}

#[test]
fn a_file_takes_dashes_underscores_and_lists() {
    let file = "ack_timeout = '250ms'\nmax-drift = '2m'\njoin = ['a:1', '[::1]:2']\ndrills = true";
    let config = config(ServeArgs::default(), &[], Some(file)).unwrap();
    assert_eq!(config.ack_timeout, Duration::from_millis(250));
    assert_eq!(config.max_drift, Duration::from_secs(120));
    assert_eq!(config.join, ["a:1", "[::1]:2"]);
    assert!(config.drills);
}

#[test]
fn the_file_may_be_named_by_a_variable() {
    let variables = [("TOMBOLO_CONFIG", "/no/such/file.toml")];
    let error = config(ServeArgs::default(), &variables, None).unwrap_err();
    assert!(error.starts_with("--config: cannot read /no/such/file.toml: "), "{error}");
}

#[test]
fn an_error_names_where_the_value_was_written() {
    let words = "`7379` is not accepted. Accepted is IP:PORT, such as";
    let error = |args, variables: &[_], file| config(args, variables, file).unwrap_err();
    let by_flag = error(flag(|args| args.resp = Some("7379".into())), &[], None);
    assert!(by_flag.starts_with(&format!("--resp: {words}")), "{by_flag}");
    let by_variable = error(ServeArgs::default(), &[("TOMBOLO_RESP", "7379")], None);
    assert!(by_variable.starts_with(&format!("TOMBOLO_RESP: {words}")), "{by_variable}");
    let by_file = error(ServeArgs::default(), &[], Some("resp = 7379"));
    assert!(by_file.starts_with(&format!("`resp` in node.toml: {words}")), "{by_file}");
}

#[test]
fn every_wrong_value_is_refused_with_what_is_accepted() {
    for (variable, wrong, accepted) in [
        ("TOMBOLO_NAME", "a b", value::NAME),
        ("TOMBOLO_CLUSTER_NAME", "ü", value::NAME),
        ("TOMBOLO_LISTEN", "example.org:1", value::SOCKET),
        ("TOMBOLO_ADVERTISE", "10.0.0.1", value::HOST_PORT),
        ("TOMBOLO_JOIN", "a:1,b", value::SEEDS),
        ("TOMBOLO_DISCOVERY", "dns:x", value::DISCOVERY),
        ("TOMBOLO_ACK", "0", value::ACK),
        ("TOMBOLO_ACK", "some", value::ACK),
        ("TOMBOLO_ACK_TIMEOUT", "5", value::DURATION),
        ("TOMBOLO_MAX_DRIFT", "0s", value::DURATION),
        ("TOMBOLO_SYNC_RATE", "fast", value::RATE),
        ("TOMBOLO_SYNC_RATE", "0MB", value::RATE),
        ("TOMBOLO_SYNC_RATE", "1.5MB", value::RATE),
        ("TOMBOLO_SYNC_RATE", "50MB/min", value::RATE),
        ("TOMBOLO_LEDGER_BYTES", "-1", value::SIZE),
        ("TOMBOLO_LEDGER_BYTES", "99999999999999999999", value::SIZE),
        ("TOMBOLO_LEDGER_BYTES", "1MB/s", value::SIZE),
        ("TOMBOLO_DRILLS", "yes", value::TRUTH),
        ("TOMBOLO_LOG", "inof", value::FILTER),
        ("TOMBOLO_LOG", "tombolo=loud", value::FILTER),
    ] {
        let error = config(ServeArgs::default(), &[(variable, wrong)], None).unwrap_err();
        let words = format!("{variable}: `{wrong}` is not accepted. Accepted is {accepted}");
        assert_eq!(error, words);
    }
}

#[test]
fn bytes_are_taken_with_units() {
    let variables = [("TOMBOLO_SYNC_RATE", "50MB"), ("TOMBOLO_LEDGER_BYTES", "4MiB")];
    let from_variables = config(ServeArgs::default(), &variables, None).unwrap();
    assert_eq!(from_variables.sync_rate, Some(50_000_000));
    assert_eq!(from_variables.ledger_bytes, Some(4 << 20));
    let file = "sync_rate = '2 KiB/s'\nledger-bytes = 65536";
    let from_file = config(ServeArgs::default(), &[], Some(file)).unwrap();
    assert_eq!((from_file.sync_rate, from_file.ledger_bytes), (Some(2_048), Some(65_536)));
    let unset = config(ServeArgs::default(), &[], None).unwrap();
    assert_eq!((unset.sync_rate, unset.ledger_bytes), (None, None));
}

#[test]
fn a_secret_is_not_repeated() {
    let error = config(flag(|args| args.secret = Some(String::new())), &[], None).unwrap_err();
    assert!(error.starts_with("--secret: `what is given` is not accepted"), "{error}");
}

#[test]
fn an_unknown_key_is_named_with_the_known_ones() {
    let error = config(ServeArgs::default(), &[], Some("lisen = 'x'")).unwrap_err();
    assert_eq!(
        error,
        "node.toml: there is no key `lisen`. The keys are name, cluster-name, listen, \
         advertise, resp, http, join, discovery, secret, password, ack, ack-timeout, max-drift, \
         sync-rate, ledger-bytes, snapshot-dir, snapshot-every, drills, log"
    );
}

#[test]
fn a_file_that_is_no_configuration_is_refused() {
    let read = |text| sources::read_text(text, Path::new("f")).unwrap_err().to_string();
    assert!(read("name =").starts_with("--config: f is not TOML: "));
    assert!(read("name = 1.5").starts_with("`name` in f: the value must be"));
    assert!(read("ack-timeout = '1s'\nack_timeout = '2s'").contains("is there twice"));
}

#[test]
fn listening_everywhere_needs_an_address_to_tell() {
    let args = flag(|args| args.listen = Some("0.0.0.0:7381".into()));
    let error = config(args.clone(), &[], None).unwrap_err();
    assert!(error.starts_with("--listen: 0.0.0.0:7381 is every address"), "{error}");
    let args = ServeArgs { advertise: Some("node-1:7381".into()), ..args };
    assert!(config(args, &[], None).is_ok());
}

#[test]
fn two_servers_cannot_share_an_address() {
    let args = flag(|args| args.resp = Some("localhost:7380".into()));
    let error = config(args, &[], None).unwrap_err();
    assert_eq!(error, "--resp and --http are both 127.0.0.1:7380. Give each its own port");
}

#[test]
fn every_key_has_a_flag_of_its_name() {
    use clap::CommandFactory;
    let command = crate::args::Cli::command();
    let serve = command.find_subcommand("serve").unwrap();
    for key in Key::ALL {
        let has = serve.get_arguments().any(|flag| flag.get_long() == Some(key.name()));
        assert!(has, "--{} is missing", key.name());
        assert_eq!(Key::named(&key.name().replace('-', "_")), Some(key));
    }
}
