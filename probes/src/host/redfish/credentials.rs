//! Who asks a management controller: a user and a password, from a file that only its owner may read or from whoever calls. They are never printed.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A user and a password. Its `Debug` says neither.
#[derive(Clone)]
pub struct Credentials {
    user: String,
    password: String,
}

/// Why credentials cannot be used. Says never what they are.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file cannot be read.
    #[error("cannot read the credentials in {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others may read or change it.
    #[error("{path} has mode {mode:04o}: others may read or change it; expected 0600")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It belongs to somebody else.
    #[error("{path} belongs to another user: expected a file of whoever runs assay, or of root")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It says something else.
    #[error("{path} is not understood: {reason}; expected the two lines `user=NAME` and `password=WORD`")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// They cannot be sent.
    #[error("the credentials cannot be sent: {0}")]
    Unusable(&'static str),
}

/// Largest file of credentials.
const SIZE_MAX: u64 = 4096;

impl Credentials {
    /// A user and a password, as HTTP can send them.
    pub fn new(user: &str, password: &str) -> Result<Self, CredentialsError> {
        Self::checked(user, password).map_err(CredentialsError::Unusable)
    }

    /// Those in a file: `user=NAME` and `password=WORD`, each on its line, mode 0600.
    pub fn from_file(path: &Path) -> Result<Self, CredentialsError> {
        let unreadable = |source| CredentialsError::Unreadable { path: path.to_owned(), source };
        let malformed = |reason| CredentialsError::Malformed { path: path.to_owned(), reason };
        let file = File::open(path).map_err(unreadable)?;
        // Of the opened file, not of the path: nobody can put another one in its place in between.
        let about = file.metadata().map_err(unreadable)?;
        if !about.is_file() {
            return Err(malformed("it is no file"));
        }
        if about.mode() & 0o077 != 0 {
            return Err(CredentialsError::Open { path: path.to_owned(), mode: about.mode() & 0o7777 });
        }
        let own = rustix::process::geteuid().as_raw();
        if about.uid() != own && about.uid() != 0 {
            return Err(CredentialsError::Foreign { path: path.to_owned() });
        }
        let mut text = String::new();
        file.take(SIZE_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > SIZE_MAX {
            return Err(malformed("it is too long"));
        }
        let (mut user, mut password) = (None, None);
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (place, value) = match line.split_once('=') {
                Some(("user", value)) => (&mut user, value),
                Some(("password", value)) => (&mut password, value),
                Some(_) | None => return Err(malformed("a line is neither of the two")),
            };
            if place.replace(value).is_some() {
                return Err(malformed("a line is there twice"));
            }
        }
        let (user, password) = user.zip(password).ok_or_else(|| malformed("a line is missing"))?;
        Self::checked(user, password).map_err(malformed)
    }

    fn checked(user: &str, password: &str) -> Result<Self, &'static str> {
        if user.is_empty() || password.is_empty() {
            return Err("the user or the password is empty");
        }
        // RFC 7617: the first colon ends the user.
        if user.contains(':') {
            return Err("the user has a colon");
        }
        if user.chars().chain(password.chars()).any(char::is_control) {
            return Err("there is a control character in the user or the password");
        }
        Ok(Self { user: user.to_owned(), password: password.to_owned() })
    }

    /// The value of the header `Authorization` (RFC 7617).
    pub(super) fn authorization(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(withheld)")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const TEXT: &str = "# of the lab\nuser=ADMIN\npassword=hunter2=x y\n";

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("bmc");
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("permissions");
        (folder, path)
    }

    #[test]
    fn a_file_of_ones_own_is_read_and_never_shown() {
        let (_folder, path) = file(TEXT, 0o600);
        let credentials = Credentials::from_file(&path).expect("good credentials");
        assert_eq!(credentials.authorization(), format!("Basic {}", STANDARD.encode("ADMIN:hunter2=x y")));
        assert!(!format!("{credentials:?} {credentials:#?}").contains("hunter2"));
    }

    #[test]
    fn a_file_that_others_may_read_or_change_is_refused() {
        for mode in [0o644, 0o640, 0o604, 0o620, 0o602, 0o601, 0o777] {
            let (_folder, path) = file(TEXT, mode);
            let error = Credentials::from_file(&path).expect_err("open to others");
            assert!(matches!(error, CredentialsError::Open { .. }), "{mode:o}: {error}");
        }
    }

    #[test]
    fn what_is_no_such_file_is_refused_without_a_word_of_it() {
        for text in
            ["", "hunter2", "user=ADMIN", "user=A\nuser=B\npassword=hunter2", "user=\npassword=hunter2", "user=a:b\npassword=hunter2", "x=hunter2"]
        {
            let (_folder, path) = file(text, 0o600);
            let error = Credentials::from_file(&path).expect_err("malformed");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
        let (folder, _path) = file(TEXT, 0o600);
        assert!(matches!(Credentials::from_file(&folder.path().join("none")), Err(CredentialsError::Unreadable { .. })));
        assert!(Credentials::from_file(folder.path()).is_err());
        assert!(Credentials::new("ADMIN", "a\r\nX-Evil: 1").is_err());
    }
}
