//! A door to both halves for tests and for hands: `rdma ports`, `rdma serve SPEC`, `rdma connect SPEC`, where SPEC is the half's spec as JSON. Prints JSON,
//! one object a line: `{"ready":ADDRESS}` once it listens, then `{"result":...}` or, with exit status 1, `{"error":...}`.

use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn main() -> ExitCode {
    match answer() {
        Ok(result) => {
            println!("{}", json!({ "result": result }));
            ExitCode::SUCCESS
        }
        Err(error) => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(error) = source {
                text = format!("{text}: {error}");
                source = error.source();
            }
            println!("{}", json!({ "error": text }));
            ExitCode::FAILURE
        }
    }
}

fn answer() -> Result<Value, Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let stop = AtomicBool::new(false);
    let result = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["ports"] => serde_json::to_value(assay_rdma::ports()?)?,
        ["serve", text] => {
            let mut ready = |address| println!("{}", json!({ "ready": address }));
            serde_json::to_value(assay_rdma::serve(&spec(text)?, &stop, &mut ready)?)?
        }
        ["connect", text] => serde_json::to_value(assay_rdma::connect(&spec(text)?, &stop)?)?,
        _ => return Err("rdma ports | serve SPEC | connect SPEC".into()),
    };
    Ok(result)
}

fn spec<T: DeserializeOwned>(text: &str) -> Result<T, Box<dyn Error>> {
    Ok(serde_json::from_str(text)?)
}
