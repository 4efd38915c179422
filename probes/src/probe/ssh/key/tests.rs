//! Keys made by ssh-keygen for these tests; lengths and fingerprints as `ssh-keygen -lf` gives them.

use proptest::prelude::*;

use super::*;

const RSA_2048: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC+Cp2vtgnZCY5CaLSCgG47kMySUHuMvml9Smonjk3pku5tA3tsHzfkRmvp9s0U+WmS45/LYWz/B7GhLV5RbMgOu0F/szNEIY5Mhi0U8o2FrAV5LEXOb4NVzK/A5sCM/29DrDHKFB2wyiql4bR/zA/oac8WspH5PXoDC2F6/BaeVMvtNr3LZGXmwiW87hZ2lnJJz61gv+2c+1L3J45mC7/tY3bqO/XOoMfaJEOXV2lOzXYH1TLxa8ovoZ7TffHt2f1eVe5l5FmK/fw2QMbarJBpSX8ojphq89CBAxfGpRzfMCI409hOINf5Z6To7sssNEFrtOB1i0+sSrB0/1K33Wjt";
const RSA_4096: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAACAQDdvkjgm/NGQ0UNRcyaL9bawDoLuC2hMD4n4F5I6OsizyebQPuD78yzl8NosBOA8NchA9ZnJFpmtVpKweWXVkGkFHM98T6G25HF27QVSd1CG5gVc51yB9JztU+9nUw8ajOPOtOWAFtmymbR70aZGmrDtQpTyiYc/9drfpTCGbayVQ/03HKRuJmumGcohJgnZt3bkMrgKzaMY4nI4UZuKT9EIkqHvQhbJjIyYDViRC8z/69CG9PIUYiaewRNwNDMHTOhAqciTSBeA7xCsUWUNB+cIFq0kCklETo9SA7wZQYOQlEGD/DUT+2/Iy4SMBlIlPvEQCj/PKi511p2qiDIxPr2FHclHPw7CA6mbDDWrBq0+4T+WLHc8NlxF8IFkXoLXgHjikoPVW4PabrbFwtPwGPJAzm8fzHOdANjDJXdRPTivzBgrOYvzBoohnbQaDlx1oTGNGudQyrUXrlpH5U9R2tWN27mxcWKz3tabeDeds9cCgbH1KvmDk7/2GljU5dbh8npBU/WGDvkrojn+/L5saWlOYxLVuyzBt9NywfiGv240ZhWuW5OpLLNe0BvQvdOwItnA576ELD83vSJdQKyIX50K6hygrikjwDpRcoYKy+/raHIiLuIiPx/EpKj8Yg9fXj5zWI2xZO7mk2e+LIabbZVqAb6wMo8VNERd9P9htBFdw==";
const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOV9KFnK2l5HBPUXQR16d2Y4s4J2f8eiImF4b7RPX01R";
const ECDSA: &str = "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBAcv+atON5p+e6vvSQVEekMdT9xySuh7VpFyWdlmZMcDhGKiyyRDgJRQxouHG/djqgvzXtBpNelcn4Q7whA/QszZbTfxEHXW+XN7imSfIh9WVGIBMGfCExvnBwPm07yJZQ==";

#[test]
fn type_length_and_fingerprint_are_those_of_the_key() {
    let file = format!(
        "# admins\n{RSA_4096} admin@example\n\n{RSA_2048} old key of the admin\nfrom=\"10.6.0.0/24, \\\"x\\\"\",no-pty {ED25519}\n  {ECDSA} ecdsa"
    );
    let expected = "2 ssh-rsa 4096 SHA256:LHksagb5ULT/nGAXlkE3piQ94nkiuYm6ys4QMvzpIgg admin@example
4 ssh-rsa 2048 SHA256:NYippa9CPFrW93o8n+NV0PcCig1p/Kw69BCEvGdbjEI old key of the admin
5 ssh-ed25519 256 SHA256:WnjYB9TTqPlxbnDCdAkJDpeDxm92cnmPAWNnD1GKbW8
6 ecdsa-sha2-nistp384 384 SHA256:2yQS2VHQOrt/IIR1oQ95b0ZybgxXE5yCN9EJtZTrqUA ecdsa";
    assert_eq!(taken(&file), expected);
}

#[test]
fn the_key_itself_is_never_taken() {
    for key in [RSA_2048, RSA_4096, ED25519, ECDSA] {
        let blob = key.split(' ').nth(1).expect("a blob");
        let taken = taken(&format!("{key} comment"));
        assert!(!taken.contains(&blob[20..40]), "{taken}");
    }
}

#[test]
fn a_line_that_is_no_key_says_so_without_quoting_it() {
    for line in ["ssh-rsa AAAA", "ssh-ed25519 hunter2", "hunter2", "ssh-rsa", &RSA_2048.replace("ssh-rsa", "ssh-ed25519"), &ED25519[..60]] {
        assert_eq!(taken(line), "1 unreadable", "{line}");
    }
}

#[test]
fn files_become_components_and_a_file_that_is_not_there_none() {
    let host =
        Host::from_snapshot(&format!("/root/.ssh/authorized_keys:\n|{RSA_4096} root@pve1\n|garbage\n/home/a/.ssh/authorized_keys error: EACCES"))
            .expect("a fixture");
    let found = keys(&host, "/root/.ssh/authorized_keys").expect("looked");
    assert_eq!(found[0].locator, "/root/.ssh/authorized_keys:1");
    assert_eq!((found[0].reading(Attr::KeyType), found[0].reading(Attr::KeyBits)), (&"ssh-rsa".into(), &4096_u64.into()));
    assert_eq!(found[0].reading(Attr::Comment), &"root@pve1".into());
    assert!(matches!(found[1].reading(Attr::KeyType), Reading::Unreadable(_)));
    assert_eq!(keys(&host, "/root/.ssh/authorized_keys2"), Ok(Vec::new()));
    assert!(keys(&host, "/home/a/.ssh/authorized_keys").is_err());
}

proptest! {
    #[test]
    fn any_file_comes_back(text in "(?s).{0,200}", blob in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = taken(&text);
        let _ = taken(&format!("ssh-rsa {}", STANDARD.encode(&blob)));
        let mut rsa = vec![0, 0, 0, 7];
        rsa.extend(b"ssh-rsa");
        rsa.extend(blob);
        let _ = taken(&format!("ssh-rsa {}", STANDARD.encode(&rsa)));
    }
}
