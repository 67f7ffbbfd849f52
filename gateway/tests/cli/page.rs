//! Documents that cannot drift: `docs/cli.md` is what the binary says of itself, the README's manifest is good.

use crate::run::tollgate;
use std::{env, fmt::Write as _, fs, path::Path};

const HEAD: &str = "\
# The command line

What `tollgate` says of itself, written by its tests: `UPDATE_DOCS=1 cargo test --workspace --test cli page`.

stdout is data, stderr is for people. With `--json` a command prints one line `{\"op\",\"noun\",\"result\"}` on stdout, or
`{\"op\",\"noun\",\"error\":{\"kind\",\"message\"}}` on stderr; what is wrong with a manifest stands beside the message as
`errors`, a list of `{\"file\",\"line\",\"column\",\"path\",\"message\",\"help\"}`. The exit status is 0 for success, 1 for failure, 2 for a command line that is wrong;
`explain` exits with 0 for any verdict, `send` with 1 for any answer but a 2xx. Secrets are references (`env://NAME`, `file://PATH`), never values.
";

#[test]
fn the_page_is_what_help_says() {
    let mut page = HEAD.to_owned();
    let mut root = tollgate::cli::grammar();
    root.build();
    describe(&mut root, &mut page);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, &page).unwrap();
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == page,
        "docs/cli.md is not what help says; run the command at its head, and read the difference"
    );
}

#[test]
fn the_manifest_of_the_readme_is_good() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let manifest = readme.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    // The demo's pack and key stand for those that the reader makes.
    tollgate::demo::write(folder.path(), tollgate::demo::Ports::Free).unwrap();
    for (from, to) in [("support.gtpack", "hello-bot.gtpack"), ("demo.pub", "publisher.pub")] {
        fs::rename(folder.path().join(from), folder.path().join(to)).unwrap();
    }
    let file = folder.path().join("tollgate.yaml");
    fs::write(&file, manifest).unwrap();
    let told = tollgate(["check", "--resolve"]).arg(&file).env("SLACK_SIGNING_SECRET", "x").run();
    assert_eq!(told.status, 0, "{}", told.err);
}

fn describe(command: &mut clap::Command, page: &mut String) {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    write!(
        page,
        "\n## {name}\n\n```text\n{}\n```\n",
        command.render_help().to_string().trim_end()
    )
    .unwrap();
    for below in command.get_subcommands_mut().filter(|below| !below.is_hide_set()) {
        describe(below, page);
    }
}
