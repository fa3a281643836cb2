//! The option that raises what a model may take.

use ontrace::read::LoadedModel;

/// What a file of one byte may have computed of it: values that follow from constants alone.
const PER_BYTE: u64 = 8;

/// The option for the budgets of work and memory.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct Limit {
    /// Allow the model about this much memory and work, where its file justifies less: 512MB, 8GB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    limit: Option<u64>,
}

impl Limit {
    /// The model with the budgets of a file that may take this much.
    pub fn apply(self, mut model: LoadedModel) -> LoadedModel {
        let wanted = self.limit.map_or(0, |limit| usize::try_from(limit / PER_BYTE).unwrap_or(usize::MAX));
        model.size = model.size.max(wanted);
        model
    }
}

/// A number of bytes: `512MB`, `8GB`, `2GiB`, `1000000`.
fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 8] = [
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
        ("tib", 1 << 40),
        ("kb", 1000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("tb", 1_000_000_000_000),
    ];
    let lower = text.trim().to_lowercase();
    let (number, unit) = UNITS
        .iter()
        .find_map(|(unit, bytes)| Some((lower.strip_suffix(unit)?, *bytes)))
        .unwrap_or((lower.strip_suffix('b').unwrap_or(&lower), 1));
    let number: f64 = number.trim().parse().map_err(|_| "expected a size such as 512MB or 8GB".to_string())?;
    match number.is_finite() && number >= 0.0 {
        true => Ok((number * unit as f64) as u64),
        false => Err("expected a size such as 512MB or 8GB".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_decimal_and_binary_units() {
        assert_eq!(["1", "2kB", "1.5 GB", "2GiB", "7b"].map(size), [1, 2000, 1_500_000_000, 2 << 30, 7].map(Ok));
        assert!(["", "GB", "-1", "1e400", "nan"].iter().all(|text| size(text).is_err()));
    }
}
