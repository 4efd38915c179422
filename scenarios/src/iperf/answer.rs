//! iperf3's JSON (`-J`) of a TCP test, as the client prints it. What the receiver counted is the figure, never the sender's count.

use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Answer {
    pub(super) start: Option<Start>,
    pub(super) end: Option<End>,
    pub(super) error: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Start {
    pub(super) version: Option<String>,
    pub(super) test_start: Option<TestStart>,
}

#[derive(Deserialize)]
pub(super) struct TestStart {
    pub(super) protocol: String,
    pub(super) num_streams: u32,
    #[serde(default)]
    pub(super) reverse: u8,
    #[serde(default)]
    pub(super) bidir: u8,
}

#[derive(Deserialize)]
pub(super) struct End {
    pub(super) sum_sent: Option<Sum>,
    pub(super) sum_received: Option<Sum>,
    pub(super) sum_sent_bidir_reverse: Option<Sum>,
    pub(super) sum_received_bidir_reverse: Option<Sum>,
    pub(super) cpu_utilization_percent: Option<Cpu>,
}

#[derive(Deserialize)]
pub(super) struct Sum {
    pub(super) seconds: f64,
    pub(super) bytes: f64,
    pub(super) bits_per_second: f64,
    pub(super) retransmits: Option<f64>,
}

#[derive(Deserialize)]
pub(super) struct Cpu {
    pub(super) host_total: f64,
    pub(super) remote_total: f64,
}

impl Sum {
    /// Bytes per second, of a test in which something moved.
    pub(super) fn goodput(&self) -> Result<f64, String> {
        let goodput = self.bits_per_second / 8.0;
        if goodput.is_finite() && goodput > 0.0 && self.bytes > 0.0 && self.seconds > 0.0 {
            Ok(goodput)
        } else {
            Err(format!("{} bytes in {} s are no figure", self.bytes, self.seconds))
        }
    }
}

impl Answer {
    /// Reads what iperf3 printed; its own error is one.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let json = text.find('{').map_or("", |begin| &text[begin..]);
        let answer: Self = serde_json::from_str(json).map_err(|error| format!("it is no result of iperf3 -J: {error}"))?;
        match &answer.error {
            Some(error) => Err(format!("iperf3 says: {error}")),
            None => Ok(answer),
        }
    }

    /// The end of the test.
    pub(super) fn end(&self) -> Result<&End, String> {
        self.end.as_ref().ok_or_else(|| "it is no result of iperf3 -J: it has no end".to_owned())
    }
}
