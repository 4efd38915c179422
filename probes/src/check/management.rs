//! The management of Proxmox VE: realms, second factors of who can log in, and the subscription, as declared.

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::{Inventory, Observed};
use assay_model::site::Site;
use assay_model::site::declared::SecondFactor;
use assay_model::verdict::{Reason, Verdict};

use super::declared::holding;
use super::findings::Findings;
use super::question::{Question, absent};
use super::seen::{Seen, flag, list, looked, text};

pub(super) const REALM: Question = Question { id: "pve.realm", expected: "a realm of each declared type" };
pub(super) const SECOND_FACTOR: Question =
    Question { id: "pve.second_factor", expected: "who can log in needs a second factor: one of the account, or one that the realm asks for" };
pub(super) const SUBSCRIPTION: Question = Question { id: "pve.subscription", expected: "the subscription as declared" };

pub(super) fn realm(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let Some(declared) = &site.declared.software.realms else {
        return vec![REALM.absent(site, Kind::Realm.name(), "the site declares no realm", looked(inventory, Kind::Realm))];
    };
    let realms = match REALM.subjects(inventory, site, Kind::Realm) {
        Ok(realms) => realms,
        Err(unasked) => return unasked,
    };
    let seen = Seen::across(&realms, Attr::RealmType);
    let mut findings = Findings::default();
    let types: Vec<&str> =
        realms.iter().filter_map(|realm| findings.value(format!("type of realm {}", realm.locator), text(realm, Attr::RealmType))).collect();
    let missing: Vec<&str> = declared.iter().map(String::as_str).filter(|wanted| !types.contains(wanted)).collect();
    let verdict = match (missing.is_empty(), types.len() == realms.len()) {
        (true, _) => Verdict::pass_on(seen.evidence()),
        (false, true) => Verdict::Fail(format!("there is no realm of type {}", missing.join(" or "))),
        (false, false) => findings.verdict(site, &seen),
    };
    vec![REALM.answer(Kind::Realm.name(), &seen, verdict)]
}

pub(super) fn second_factor(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let subject = Kind::Account.name();
    let looked = looked(inventory, Kind::Account);
    let Some(declared) = &site.declared.software.second_factor else {
        return vec![SECOND_FACTOR.absent(site, subject, "the site declares no second factor", looked)];
    };
    let accounts = match SECOND_FACTOR.subjects(inventory, site, Kind::Account) {
        Ok(accounts) => accounts,
        Err(unasked) => return unasked,
    };
    let realms = match inventory.of(Kind::Realm) {
        Observed::Components(realms) => realms,
        Observed::SourceMissing(_) | Observed::Unknown(_) => return SECOND_FACTOR.subjects(inventory, site, Kind::Realm).err().unwrap_or_default(),
    };
    let accepted = match holding(site, declared, |factor| factor.when.as_ref()) {
        Ok(accepted) if accepted.is_empty() => return vec![SECOND_FACTOR.absent(site, subject, "none of the declared second factors holds", looked)],
        Ok(accepted) => accepted,
        Err(reason) => return vec![Check::inconclusive(SECOND_FACTOR.id, subject, SECOND_FACTOR.expected, reason, looked)],
    };
    let mut findings = Findings::default();
    for account in &accounts {
        of_account(&mut findings, account, &realms, &accepted);
    }
    let seen = Seen::across(&accounts, Attr::Factors);
    let observed = accounts.iter().map(|account| format!("{} {}", account.locator, account.reading(Attr::Factors))).collect::<Vec<_>>().join(", ");
    let verdict = findings.verdict(site, &seen);
    vec![Check::new(SECOND_FACTOR.id, subject, verdict, SECOND_FACTOR.expected, observed, seen.source())]
}

fn of_account(findings: &mut Findings, account: &Component, realms: &[&Component], accepted: &[&SecondFactor]) {
    let id = account.locator.as_str();
    if findings.value(format!("state of {id}"), flag(account, Attr::Enabled)) == Some(false) {
        return;
    }
    match flag(account, Attr::HasPassword) {
        // Only its tokens come in, and they are no login.
        Ok(Some(false)) => return,
        Ok(_) => {}
        Err(reason) => findings.unclear(reason),
    }
    let Some(realm) = id.rsplit_once('@').and_then(|(_, realm)| realms.iter().find(|of| of.locator == realm)) else {
        // Nobody can log in to a realm that was deleted.
        return;
    };
    match (text(realm, Attr::RealmType), text(realm, Attr::RealmTfa)) {
        (Ok(Some(kind)), _) if accepted.iter().any(|factor| factor.realms.iter().any(|of| of == kind)) => return,
        (_, Ok(Some(_))) => return,
        (Err(reason), _) | (_, Err(reason)) => return findings.unclear(reason),
        (Ok(_), Ok(None)) => {}
    }
    let Some(factors) = findings.value(format!("list of factors of {id}"), list(account, Attr::Factors)) else { return };
    let is_accepted = |factor: &String| accepted.iter().any(|accepted| accepted.factors.contains(factor));
    if !factors.iter().any(is_accepted) {
        let instead = if factors.is_empty() { String::new() } else { format!(", only {}", factors.join(" and ")) };
        findings.wrong(format!("{id} has no second factor{instead}"));
    }
}

pub(super) fn subscription(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let Some(declared) = &site.declared.software.subscription else {
        let looked = looked(inventory, Kind::Subscription);
        return vec![SUBSCRIPTION.absent(site, Kind::Subscription.name(), "the site declares no state of the subscription", looked)];
    };
    let ask = |subscription: &Component| {
        let seen = Seen::of(subscription, &[Attr::SubscriptionStatus]);
        let verdict = match (holding(site, declared, |state| state.when.as_ref()), text(subscription, Attr::SubscriptionStatus)) {
            (Err(reason), _) | (_, Err(reason)) => Verdict::Inconclusive(reason),
            (Ok(states), _) if states.is_empty() => absent(site, "none of the declared states of the subscription holds"),
            (_, Ok(None)) => Verdict::Inconclusive(Reason::Unreadable("it has no status".into())),
            (Ok(states), Ok(Some(status))) if states.iter().any(|state| state.status == status) => Verdict::pass_on(seen.evidence()),
            (Ok(states), Ok(Some(status))) => Verdict::Fail(format!(
                "it is {status}, declared is {}",
                states.iter().map(|state| state.status.as_str()).collect::<Vec<_>>().join(" or ")
            )),
        };
        [SUBSCRIPTION.answer(&subscription.locator, &seen, verdict)]
    };
    SUBSCRIPTION.each(inventory, site, Kind::Subscription, "nothing is known of the subscription", ask)
}

#[cfg(test)]
mod tests {
    use assay_model::component::{Reading, Value};
    use assay_model::inventory::ProbeEnded;
    use assay_model::site::declared::SubscriptionState;
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, component, generic, rank, strict, unreadable};

    fn texts(items: &[&str]) -> Reading {
        Value::List(items.iter().map(|&item| item.to_owned()).collect()).into()
    }

    fn site(realms: &[&str]) -> Site {
        let mut site = strict();
        site.declared.software.realms = Some(vec!["ad".into()]);
        site.declared.software.second_factor = Some(vec![SecondFactor {
            factors: vec!["totp".into(), "webauthn".into()],
            realms: realms.iter().map(|&realm| realm.to_owned()).collect(),
            when: None,
        }]);
        site.declared.software.subscription = Some(vec![SubscriptionState { status: "active".into(), when: None }]);
        site
    }

    fn account(id: &str, enabled: impl Into<Reading>, password: impl Into<Reading>, factors: impl Into<Reading>) -> Component {
        let attributes = [(Attr::Enabled, enabled.into()), (Attr::HasPassword, password.into()), (Attr::Factors, factors.into())];
        component(Kind::Account, id, &attributes)
    }

    fn healthy() -> Node {
        let realm = |id: &str, kind: &str| component(Kind::Realm, id, &[(Attr::RealmType, kind.into()), (Attr::RealmTfa, Reading::Absent)]);
        Node::bare()
            .with(realm("pam", "pam"))
            .with(realm("pve", "pve"))
            .with(realm("corp", "ad"))
            .with(realm("sso", "openid"))
            .with(account("root@pam", true, Reading::Absent, texts(&["recovery", "totp"])))
            .with(account("alice@corp", true, Reading::Absent, texts(&["webauthn"])))
            .with(account("metrics@pve", true, false, texts(&[])))
            .with(account("gone@corp", false, Reading::Absent, texts(&[])))
            .with(component(Kind::Subscription, "node", &[(Attr::SubscriptionStatus, "active".into())]))
    }

    #[test]
    fn a_node_as_declared_passes_and_an_undeclared_one_is_not_judged() {
        for check in [realm, second_factor, subscription] {
            assert_eq!(rank(&check(&healthy().0, &site(&[]))), Rank::Pass);
            assert_eq!((healthy().strictly(check), healthy().generically(check)), (Rank::Inconclusive, Rank::NotApplicable));
        }
        let laptop = |kind| Node::bare().ended(kind, ProbeEnded::SourceMissing("/etc/pve/local".into()));
        assert_eq!(rank(&realm(&laptop(Kind::Realm).0, &generic())), Rank::NotApplicable);
        assert_eq!(rank(&realm(&laptop(Kind::Realm).0, &site(&[]))), Rank::Inconclusive);
    }

    #[test]
    fn accounts_are_judged_as_the_table_says() {
        for (added, realms, expected) in [
            (account("bob@pve", true, true, texts(&[])), &[][..], Rank::Fail),
            (account("bob@pve", true, true, texts(&["recovery"])), &[], Rank::Fail),
            (account("bob@pve", true, true, texts(&["u2f"])), &[], Rank::Fail),
            (account("bob@pve", true, true, texts(&["totp"])), &[], Rank::Pass),
            (account("bob@pve", true, true, unreadable()), &[], Rank::Inconclusive),
            (account("bob@pve", true, unreadable(), texts(&["totp"])), &[], Rank::Inconclusive),
            (account("bob@pve", unreadable(), true, texts(&["totp"])), &[], Rank::Inconclusive),
            (account("carol@sso", true, Reading::Absent, texts(&[])), &[], Rank::Fail),
            (account("carol@sso", true, Reading::Absent, texts(&[])), &["openid"], Rank::Pass),
            (account("dave@corp", true, Reading::Absent, texts(&[])), &["openid"], Rank::Fail),
            (account("old@deleted", true, Reading::Absent, texts(&[])), &[], Rank::Pass),
        ] {
            assert_eq!(rank(&second_factor(&healthy().with(added.clone()).0, &site(realms))), expected, "{added:?}");
        }
        let asking = healthy().with(account("dave@corp", true, Reading::Absent, texts(&[]))).plant(Kind::Realm, "corp", Attr::RealmTfa, "oath");
        assert_eq!(rank(&second_factor(&asking.0, &site(&[]))), Rank::Pass, "the realm asks everybody");
        let locked = healthy().ended(Kind::Account, ProbeEnded::Failed("EACCES".into()));
        assert_eq!(rank(&second_factor(&locked.0, &site(&[]))), Rank::Inconclusive);
        assert_eq!(rank(&second_factor(&healthy().ended(Kind::Realm, ProbeEnded::Failed("EIO".into())).0, &site(&[]))), Rank::Inconclusive);
    }

    #[test]
    fn realms_and_subscription_are_judged_as_the_table_says() {
        for (kind, expected) in [(Reading::from("ldap"), Rank::Fail), (unreadable(), Rank::Inconclusive), (Reading::Absent, Rank::Inconclusive)] {
            let node = healthy().plant(Kind::Realm, "corp", Attr::RealmType, kind.clone());
            assert_eq!(rank(&realm(&node.0, &site(&[]))), expected, "{kind}");
        }
        for (status, expected) in [
            (Reading::from("none"), Rank::Fail),
            ("expired".into(), Rank::Fail),
            (unreadable(), Rank::Inconclusive),
            (Reading::Absent, Rank::Inconclusive),
        ] {
            let node = healthy().plant(Kind::Subscription, "node", Attr::SubscriptionStatus, status.clone());
            assert_eq!(rank(&subscription(&node.0, &site(&[]))), expected, "{status}");
        }
    }
}
