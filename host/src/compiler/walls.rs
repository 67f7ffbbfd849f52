//! What a child that compiles cannot reach: it reads its stdin, writes its stdout, and needs nothing else.

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetError, RulesetStatus, Scope};

/// Rights as of Linux 6.12, which brought the last of those below. A kernel without some of them refuses the others.
const RIGHTS: ABI = ABI::V6;

/// How much is walled off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Walls {
    /// All files, TCP, abstract sockets and signals to others.
    Whole,
    /// Some of it, as the kernel is older.
    Part,
    /// Nothing, as the kernel has no Landlock.
    None,
}

impl Walls {
    /// Puts them up around this thread and those that it starts, for good; and no program that it runs gains rights (`PR_SET_NO_NEW_PRIVS`).
    pub(super) fn raise() -> Self {
        let raised = || -> Result<RulesetStatus, RulesetError> {
            let rules = Ruleset::default()
                .handle_access(AccessFs::from_all(RIGHTS))?
                .handle_access(AccessNet::from_all(RIGHTS))?
                .scope(Scope::from_all(RIGHTS))?;
            Ok(rules.create()?.restrict_self()?.ruleset)
        };
        match raised() {
            Ok(RulesetStatus::FullyEnforced) => Self::Whole,
            Ok(RulesetStatus::PartiallyEnforced) => Self::Part,
            Ok(RulesetStatus::NotEnforced) | Err(_) => Self::None,
        }
    }

    /// As the first byte of an answer tells it.
    pub(super) fn letter(self) -> u8 {
        match self {
            Self::Whole => b'w',
            Self::Part => b'p',
            Self::None => b'n',
        }
    }

    /// What a letter tells.
    pub(super) fn of(letter: u8) -> Option<Self> {
        [Self::Whole, Self::Part, Self::None]
            .into_iter()
            .find(|walls| walls.letter() == letter)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
mod tests {
    use super::*;
    use std::{fs::File, io::ErrorKind, net::TcpListener, thread};

    #[test]
    fn what_is_walled_off_reaches_no_file_and_no_port() {
        let file = std::env::current_exe().unwrap();
        assert!(File::open(&file).is_ok());
        // The walls stand around one thread here: the other tests go on.
        let walled = thread::spawn(move || {
            let walls = Walls::raise();
            let file = File::open(&file).map(drop).map_err(|error| error.kind());
            let port = TcpListener::bind("127.0.0.1:0").map(drop).map_err(|error| error.kind());
            (walls, file, port)
        });
        let (walls, file, port) = walled.join().unwrap();
        let denied = Err(ErrorKind::PermissionDenied);
        match walls {
            Walls::Whole => assert_eq!((file, port), (denied, denied)),
            Walls::Part => assert_eq!(file, denied),
            Walls::None => assert_eq!(file, Ok(())),
        }
    }

    #[test]
    fn letters_read_back() {
        for walls in [Walls::Whole, Walls::Part, Walls::None] {
            assert_eq!(Walls::of(walls.letter()), Some(walls));
        }
        assert_eq!(Walls::of(b'c'), None);
    }
}
