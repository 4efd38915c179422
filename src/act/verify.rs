//! `assay verify`: the node against its bill of materials, without any load.

use anyhow::Result;

use crate::assessment::Assessment;
use crate::context::Context;

/// Probes, compares and answers.
pub(crate) fn verify(context: &Context) -> Result<u8> {
    let site = context.site()?;
    let looks = context.looks()?;
    Assessment::of_order(&site, &looks).answer(context, None, &context.command("verify"))
}
