//! `assay gate`: judges the stored runs again, under the site and the gates of today and on the node as it is now.

use anyhow::Result;

use crate::assessment::{Assessment, phase};
use crate::context::Context;
use crate::stored::Stored;

/// Judges the gate of a phase.
pub(crate) fn gate(context: &Context, number: u8, reuse_none: bool) -> Result<u8> {
    let phase = phase(number)?;
    let site = context.site()?;
    let looks = context.looks()?;
    let stored = if reuse_none { Stored::default() } else { Stored::all(&context.store()?)? };
    let assessment = Assessment::of_phase(&site, phase, &looks, &stored, None)?;
    assessment.answer(context, None, &context.command(&format!("gate {number}{}", if reuse_none { " --reuse-none" } else { "" })))
}
