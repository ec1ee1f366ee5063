//! What a terminal shows: colours where nothing forbids them.

use crate::Folder;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::process::Command;

/// Whether a command succeeds, and what it writes on stderr, which is a terminal of 100 columns that knows colours.
pub(crate) fn shown(mut command: Command, no_color: Option<&str>) -> (bool, String) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let other = OpenOptions::new().read(true).write(true).open(name).unwrap();
    let size = Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&other, size).unwrap();
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    if let Some(value) = no_color {
        command.env("NO_COLOR", value);
    }
    let mut child = command.env("TERM", "xterm-256color").stderr(other).spawn().unwrap();
    // It has the other side open as well.
    drop(command);
    let (mut text, mut some) = (Vec::new(), [0; 4096]);
    let mut terminal = File::from(terminal);
    // Its end is an error: nobody has the other side open.
    while let Ok(len) = terminal.read(&mut some) {
        text.extend(&some[..len]);
    }
    (child.wait().unwrap().success(), String::from_utf8_lossy(&text).into_owned())
}

/// Mistakes that the arguments' own check finds, and ones that it does not.
#[test]
fn the_label_of_every_error_is_red_unless_no_color_is_set() {
    let folder = Folder::new();
    let commands: [&[&str]; 14] = [
        &["reduce", "Sum", "x +", "a = Vi(1)", "x = Vi(1)", "--in", "x.npy", "--out", "a.npy"],
        &["reduce", "--bogus"],
        &["explain", "Sum", "Expp(x)", "a = Vi(1)", "x = Vi(1)"],
        &["explain", "Sum"],
        &["ops", "--bogus"],
        &["demo", "--scale", "0"],
        &["bench", "--problem", "none"],
        &["cache", "show", "0123"],
        &["cache", "bogus"],
        &["warm", "missing"],
        &["soak", "--minutes", "never"],
        &["doctor", "bogus"],
        &["completions", "tcsh"],
        &["man", "women"],
    ];
    for args in commands {
        let said = |no_color| {
            let (success, text) = shown(folder.command(args), no_color);
            assert!(!success, "{args:?} passed");
            text
        };
        let coloured = said(None);
        assert!(coloured.starts_with("\x1b[1;31merror:\x1b[0m "), "{args:?}: {coloured:?}");
        // Set, but to nothing, is not set.
        assert_eq!(said(Some("")), coloured);
        let plain = said(Some("1"));
        assert!(plain.starts_with("error: ") && !plain.contains('\x1b'), "{args:?}: {plain:?}");
    }
}
