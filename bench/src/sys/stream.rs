//! The triad's inner loop with non-temporal stores (SSE2, part of every x86-64). Invariant: the three slices have one length, and stores go to `a` only.

/// Name of the loop that [`triad`] runs on this machine.
pub(crate) const KERNEL: &str = if cfg!(target_arch = "x86_64") { "non-temporal stores (SSE2)" } else { "plain stores" };
/// Words moved over the bus for the three that STREAM counts: plain stores fetch the line of `a` first.
pub(crate) const WORDS_MOVED: u32 = if cfg!(target_arch = "x86_64") { 3 } else { 4 };

/// `a[i] = b[i] + s * c[i]`.
#[cfg(target_arch = "x86_64")]
pub(crate) fn triad(a: &mut [f64], b: &[f64], c: &[f64], s: f64) {
    use core::arch::x86_64::{_mm_add_pd, _mm_loadu_pd, _mm_mul_pd, _mm_set1_pd, _mm_sfence, _mm_stream_pd};
    assert!(a.len() == b.len() && a.len() == c.len());
    // Streaming stores need 16-byte alignment: at most one element comes before it.
    let head = a.as_ptr().align_offset(16).min(a.len());
    plain(&mut a[..head], &b[..head], &c[..head], s);
    let (a, b, c) = (&mut a[head..], &b[head..], &c[head..]);
    let pairs = a.len() / 2;
    // SAFETY: SSE2 is part of the x86-64 baseline.
    let factor = unsafe { _mm_set1_pd(s) };
    for pair in 0..pairs {
        let at = pair * 2;
        // SAFETY: at + 1 < len of all three slices; a[at] is 16-byte aligned because a[0] is.
        unsafe {
            let sum = _mm_add_pd(_mm_loadu_pd(b.as_ptr().add(at)), _mm_mul_pd(factor, _mm_loadu_pd(c.as_ptr().add(at))));
            _mm_stream_pd(a.as_mut_ptr().add(at), sum);
        }
    }
    // SAFETY: no precondition; orders the streaming stores before whatever reads `a` next.
    unsafe { _mm_sfence() };
    let tail = pairs * 2;
    plain(&mut a[tail..], &b[tail..], &c[tail..], s);
}

/// `a[i] = b[i] + s * c[i]`.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn triad(a: &mut [f64], b: &[f64], c: &[f64], s: f64) {
    plain(a, b, c, s);
}

fn plain(a: &mut [f64], b: &[f64], c: &[f64], s: f64) {
    for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
        *a = b + s * c;
    }
}
