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

/// Does something to every command that has none below it, with its names from `cairn` on.
fn for_all(command: &clap::Command, path: &str, check: &mut dyn FnMut(&clap::Command, &str)) {
    let path = format!("{path} {}", command.get_name()).trim_start().to_owned();
    let subcommands: Vec<_> =
        command.get_subcommands().filter(|sub| sub.get_name() != "help").collect();
    if subcommands.is_empty() {
        check(command, &path);
    }
    for sub in subcommands {
        for_all(sub, &path, check);
    }
}

/// Lines of a help that are commands, as the shell would split them.
fn examples(command: &clap::Command) -> Vec<String> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let help = help.replace("\\\n", " ");
    let line = |line: &str| {
        // What the shell does with the output is no part of the command.
        let command = &line[line.find("cairn ")?..];
        let end = command.find(['|', '>', '&']).unwrap_or(command.len());
        let from_input = line.contains("| cairn") || line.trim_start().starts_with("cairn");
        (from_input || line.contains("Example: cairn")).then(|| command[..end].trim().to_owned())
    };
    let examples = help.find("Example").map(|at| &help[at..]).unwrap_or_default();
    examples.lines().filter_map(line).collect()
}

#[test]
fn every_command_says_what_it_does_and_shows_an_example_that_works() {
    for_all(&Cli::command(), "", &mut |command, path| {
        assert!(command.get_about().is_some(), "{path} has no description");
        let examples = examples(command);
        assert!(!examples.is_empty(), "{path} --help shows no example");
        let names = |name: &str| {
            let all = [command.get_name()].into_iter().chain(command.get_all_aliases());
            all.into_iter().any(|n| n == name)
        };
        for example in examples {
            let parsed = Cli::try_parse_from(example.split_whitespace());
            assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
            let depth = path.split(' ').count();
            let of_it = example.split_whitespace().nth(depth - 1).is_some_and(names);
            assert!(of_it, "{path} shows {example}");
        }
    });
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
        "cairn object list c --versions --version-marker 7",
        "cairn object list c --marker a --version-marker 7",
        "cairn policy set P plain/nb_copy=2 --small-bytes 1k",
    ] {
        let error = parse(line).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}
