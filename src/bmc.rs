//! How the node's management controller is reached: its address from the command line or from the site, user and password from a file or from the
//! environment, and whom to believe from the site. Nothing here prints a credential.

use std::env;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use assay_model::site::{Node, Site};
use assay_probes::{Bmc, Credentials, Endpoint, Patience, RedfishClient, Trust};

use crate::context::Usage;

const CREDENTIALS: &str = "ASSAY_BMC_CREDENTIALS";
const USER: &str = "ASSAY_BMC_USER";
const PASSWORD: &str = "ASSAY_BMC_PASSWORD";

/// The management controller of the node that is called `host`: at the address that was given, or at the one of the site; none where there is neither.
pub(crate) fn of_node(given: Option<&str>, site: Option<&Site>, host: &str, deadline: Duration) -> Result<Option<Arc<dyn Bmc>>> {
    let node = site.and_then(|site| node(site, host));
    let Some(address) = given.or_else(|| node.and_then(|node| node.bmc.as_deref())) else { return Ok(None) };
    let place = if given.is_some() { "--bmc".to_owned() } else { format!("the address of the management controller of node {host}") };
    // The address itself is not repeated: somebody may have written a password into it.
    let endpoint: Endpoint = address.parse().map_err(|error| Usage(format!("{place}: {error}")))?;
    let trust = trust(site, node)?;
    let patience = Patience { request: deadline * 2, total: deadline * 9, ..Patience::default() };
    let client = RedfishClient::new(endpoint, credentials()?, &trust, patience).map_err(|error| Usage(error.to_string()))?;
    Ok(Some(Arc::new(client)))
}

/// The node of the site that has this host name, with or without a domain.
fn node<'a>(site: &'a Site, host: &str) -> Option<&'a Node> {
    let short = |name: &str| name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    site.nodes.iter().find(|node| node.name.eq_ignore_ascii_case(host)).or_else(|| site.nodes.iter().find(|node| short(&node.name) == short(host)))
}

fn trust(site: Option<&Site>, node: Option<&Node>) -> Result<Trust> {
    if let Some(fingerprint) = node.and_then(|node| node.bmc_certificate.as_deref()) {
        return Ok(Trust::certificate(fingerprint).map_err(|error| Usage(format!("bmc_certificate: {error}")))?);
    }
    let authorities = site.and_then(|site| site.declared.bmc.ca.clone());
    Ok(authorities.map_or(Trust::System, Trust::Authorities))
}

fn credentials() -> Result<Option<Credentials>> {
    let variable = |name: &str| match env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(Usage(format!("{name} is not UTF-8"))),
    };
    let refuse = |error: assay_probes::CredentialsError| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Usage(format!("{error}{cause}"))
    };
    match (variable(CREDENTIALS)?, variable(USER)?, variable(PASSWORD)?) {
        (Some(file), None, None) => Ok(Some(Credentials::from_file(Path::new(&file)).map_err(refuse)?)),
        (None, Some(user), Some(password)) => Ok(Some(Credentials::new(&user, &password).map_err(refuse)?)),
        (None, None, None) => Ok(None),
        (Some(_), _, _) => Err(Usage(format!("{CREDENTIALS} and {USER} or {PASSWORD} are set: one of the two names the credentials")).into()),
        (None, _, _) => Err(Usage(format!("of {USER} and {PASSWORD} only one is set")).into()),
    }
}
