use super::*;
use clap::CommandFactory;
use std::{ffi::OsString, os::unix::ffi::OsStringExt};

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn the_grammar_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_says_what_it_does() {
    fn check(command: &clap::Command) {
        for sub in command.get_subcommands() {
            assert!(sub.get_about().is_some(), "{} has no description", sub.get_name());
            check(sub);
        }
    }
    check(&Cli::command());
}

#[test]
fn flags_of_all_commands_may_stand_anywhere() {
    let cli = parse("cairn object put c o - --json -a work --credentials f").unwrap();
    assert!(cli.global.json);
    let Command::Object(object) = cli.command else { panic!() };
    assert_eq!(object.place.account, Some("work".into()));
    assert_eq!(object.place.access.credentials, Some("f".into()));
    let ObjectAction::Put(put) = object.action else { panic!() };
    assert_eq!(put.file, Some(PathBuf::from("-")));
}

#[test]
fn get_and_save_are_one_and_ranges_may_begin_with_a_dash() {
    for name in ["get", "save"] {
        let cli = parse(&format!("cairn object {name} c o - --range 0-9 --range -5")).unwrap();
        let Command::Object(ObjectCommand { action: ObjectAction::Get(get), .. }) = cli.command
        else {
            panic!()
        };
        assert_eq!(get.ranges, [Range::From(0, Some(9)), Range::Last(5)]);
    }
}

#[test]
fn ranges_read_as_http_writes_them() {
    let range = |text: &str| text.parse::<Range>().ok();
    assert_eq!(range("5-"), Some(Range::From(5, None)));
    assert_eq!(range("5-5"), Some(Range::From(5, Some(5))));
    for bad in ["", "-", "5", "5-4", "a-b", "--5", "+1-2", "1-99999999999999999999"] {
        assert_eq!(range(bad), None, "{bad}");
    }
}

#[test]
fn volumes_come_one_by_one_or_as_a_list() {
    let cli = parse("cairn server --volume /a --volume /b=r.h.b,/c").unwrap();
    let Command::Server(server) = cli.command else { panic!() };
    let paths: Vec<_> = server.volumes.iter().map(|v| v.path.to_str().unwrap()).collect();
    assert_eq!(paths, ["/a", "/b", "/c"]);
}

#[test]
fn a_name_that_is_not_utf_8_gets_as_far_as_the_command() {
    let name = OsString::from_vec(vec![b'a', 0xff]);
    let line = ["cairn", "container", "show"].map(OsString::from);
    assert!(Cli::try_parse_from(line.into_iter().chain([name])).is_ok());
}

#[test]
fn wrong_lines_are_usage_errors() {
    for line in [
        "cairn",
        "cairn nonsense",
        "cairn object put c o",
        "cairn object put -r c d f",
        "cairn object put -r c d --jobs 0",
        "cairn object get -r c d --range 0-1",
        "cairn container create",
        "cairn volume lock x",
        "cairn server --volume =x",
        "cairn object get c o - --range 9-1",
        "cairn policy set P plain/nb_copy=2 --small-bytes 1k",
    ] {
        let error = parse(line).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}
