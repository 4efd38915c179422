//! Paths that are no target at all. Both claims refuse them, and so does the look that `assay plan` takes.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::super::{Cause, loop_device, scratch, target_kind};

struct Case {
    path: PathBuf,
    is: fn(&Cause) -> bool,
    subject: String,
    says: &'static str,
}

fn cases(folder: &TempDir) -> Vec<Case> {
    let at = |name: &[u8]| folder.path().join(OsStr::from_bytes(name));
    let case = |path: PathBuf, is: fn(&Cause) -> bool, says: &'static str| {
        let subject = path.display().to_string();
        Case { path, is, subject, says }
    };
    let missing: fn(&Cause) -> bool = |cause| matches!(cause, Cause::Missing);
    let wrong: fn(&Cause) -> bool = |cause| matches!(cause, Cause::WrongKind { .. });
    let link: fn(&Cause) -> bool = |cause| matches!(cause, Cause::SymbolicLink);
    let failed: fn(&Cause) -> bool = |cause| matches!(cause, Cause::Io { .. });
    let fifo = |name: &[u8]| {
        let path = at(name);
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a FIFO");
        path
    };

    fs::write(at(b"data"), "precious").expect("a file");
    fs::write(at(b"read-only"), "precious").expect("a file");
    fs::set_permissions(at(b"read-only"), Permissions::from_mode(0o444)).expect("permissions");
    fs::create_dir(at(b"folder")).expect("a folder");
    for (name, to) in [("to-folder", at(b"folder")), ("to-null", "/dev/null".into()), ("to-nothing", at(b"nothing")), ("to-itself", at(b"to-itself"))]
    {
        std::os::unix::fs::symlink(to, at(name.as_bytes())).expect("a link");
    }
    UnixListener::bind(at(b"socket")).expect("a socket");

    vec![
        case(at(b"nothing"), missing, "does not exist"),
        case(at(b"nothing/below"), missing, "does not exist"),
        case(PathBuf::new(), missing, "does not exist"),
        case(at(b"data"), wrong, "regular file"),
        case(at(b"read-only"), wrong, "regular file"),
        case(at(b"data/below"), failed, "Not a directory"),
        case(fifo(b"fifo"), wrong, "FIFO"),
        case(at(b"socket"), wrong, "socket"),
        case("/dev/null".into(), wrong, "character device"),
        case("/dev/zero".into(), wrong, "character device"),
        case(at(b"to-folder"), link, "symbolic link"),
        case(at(b"to-null"), link, "symbolic link"),
        case(at(b"to-nothing"), link, "symbolic link"),
        case(at(b"to-itself"), link, "symbolic link"),
        Case { subject: "new\\nline".into(), ..case(at(b"new\nline"), missing, "does not exist") },
        Case { subject: "\\u{1b}[2J".into(), ..case(fifo(b"\x1b[2J"), wrong, "FIFO") },
        Case { subject: "\\xff\\xfe".into(), ..case(fifo(b"\xff\xfe"), wrong, "FIFO") },
        Case { subject: "more]".into(), ..case(at(&[b'x'; 5000]), failed, "File name too long") },
        Case { subject: "a\\0b".into(), ..case(at(b"a\0b"), failed, "NUL byte") },
        case("/proc/self/mem".into(), wrong, "regular file"),
    ]
}

#[test]
fn whatever_is_neither_folder_nor_device_is_refused_by_both_claims_and_left_alone() {
    let folder = TempDir::new().expect("a folder");
    for case in cases(&folder) {
        let attempts = [target_kind(&case.path).map(drop), loop_device(&case.path, 4096).map(drop), scratch(&case.path, "run-1", 4096).map(drop)];
        for attempt in attempts {
            let refusal = attempt.expect_err("must be refused");
            let message = refusal.to_string();
            assert!((case.is)(&refusal.cause), "{message}: {:?}", refusal.cause);
            assert!(
                message.starts_with("cannot claim ") && message.contains(&case.subject) && message.contains(case.says),
                "`{message}` does not say {} and {}",
                case.subject,
                case.says
            );
            assert!(!message.contains('\n'), "{message:?}");
        }
    }
    assert_eq!(fs::read(folder.path().join("data")).expect("still there"), b"precious");
    assert_eq!(fs::read(folder.path().join("read-only")).expect("still there"), b"precious");
    assert_eq!(fs::read_dir(folder.path().join("folder")).expect("still there").count(), 0);
    assert!(fs::symlink_metadata(folder.path().join("fifo")).expect("still there").file_type().is_fifo());
}

#[test]
fn a_folder_is_no_device_and_a_device_is_no_folder() {
    let folder = TempDir::new().expect("a folder");
    assert!(matches!(loop_device(folder.path(), 4096).expect_err("a folder").cause, Cause::WrongKind { what: "folder" }));
    File::create_new(folder.path().join("x")).expect("it was not touched");
}
