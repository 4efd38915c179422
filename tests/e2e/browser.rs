//! The report in a real browser: no overflow at 1400 and 420 px, printable, under 1 MB, no script.

use std::path::Path;
use std::process::Command;

use crate::command::{Assay, alone, repository};

const CHROMIUM: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-file-access-from-files",
];

fn chromium(folder: &Path, words: &[&str]) -> String {
    let output = Command::new("chromium")
        .args(CHROMIUM)
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .args(words)
        .output()
        .expect("chromium is installed by ci/test");
    assert!(output.status.success(), "chromium {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// `(content width, window width)` of the report inside a frame of that width.
fn widths(folder: &Path, report: &Path, frame: u32) -> (u32, u32) {
    let page = format!(
        "<!doctype html><body style='margin:0'><iframe id=f style='border:0;width:{frame}px;height:4000px' src='file://{}'></iframe><script>\
         f.onload = () => {{ const d = f.contentDocument.documentElement; document.title = 'widths ' + d.scrollWidth + ' ' + d.clientWidth + ' end' }}</script>",
        report.display()
    );
    let wrapper = folder.join(format!("frame-{frame}.html"));
    std::fs::write(&wrapper, page).expect("writes");
    let dom = chromium(folder, &["--window-size=1600,4000", "--virtual-time-budget=4000", "--dump-dom", &format!("file://{}", wrapper.display())]);
    let at = dom.find("widths ").unwrap_or_else(|| panic!("the page did not load: {dom}"));
    let numbers: Vec<u32> = dom[at..].split_whitespace().skip(1).take(2).map(|word| word.parse().expect("a number")).collect();
    (numbers[0], numbers[1])
}

#[test]
fn the_report_of_a_held_gate_is_readable_on_any_screen_and_on_paper() {
    let _machine = alone();
    let assay = Assay::new();
    let taken = assay.run(&["accept", "--site", &repository("sites/pve1"), "--format", "json"]);
    let outcome = taken.json();
    assert_ne!(outcome["verdict"], "pass");
    let report = assay.folder().join(outcome["report"].as_str().unwrap_or_else(|| panic!("a report is written: {}", taken.stderr)));
    let html = std::fs::read_to_string(&report).expect("reads");
    assert!(html.len() < 1_000_000, "{} bytes", html.len());
    assert!(!html.contains("<script"), "the report needs no script");
    for text in ["C-01", "cpu.model", "storage.randread_4k_qd32.iops", "memory.triad.bandwidth"] {
        assert!(html.contains(text), "the report does not speak of {text}");
    }
    for frame in [1400, 420] {
        let (content, window) = widths(assay.folder(), &report, frame);
        assert!(content <= window, "at {frame} px the content is {content} px wide");
    }
    let pdf = assay.folder().join("report.pdf");
    chromium(assay.folder(), &["--no-pdf-header-footer", &format!("--print-to-pdf={}", pdf.display()), &format!("file://{}", report.display())]);
    let text = Command::new("pdftotext").arg(&pdf).arg("-").output().expect("pdftotext is installed by ci/test");
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    for words in ["C-01", "C-37", "cpu.model"] {
        assert!(text.contains(words), "{words} is not on paper");
    }
}
