//! The tolerances that the user gives.

use ontrace::DType;
use ontrace::array::Tolerance;
use ontrace::check::CheckOptions;
use serde_json::{Value, json};

/// The options for tolerances.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct Tolerances {
    /// Absolute tolerance; default: by dtype, and what rounding explains
    #[arg(long, value_parser = tolerance)]
    atol: Option<f64>,
    /// Relative tolerance; default: by dtype, and what rounding explains
    #[arg(long, value_parser = tolerance)]
    rtol: Option<f64>,
}

/// A tolerance: no comparison with NaN holds, and everything is within infinity.
fn tolerance(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(tolerance) if tolerance.is_finite() && tolerance >= 0.0 => Ok(tolerance),
        Ok(_) => Err("a tolerance is a finite number, 0 or more".to_string()),
        Err(error) => Err(error.to_string()),
    }
}

impl Tolerances {
    /// The tolerance for values of a dtype: each part by dtype where it is not given.
    pub fn of(&self, dtype: DType) -> Tolerance {
        let default = Tolerance::of(dtype);
        Tolerance { abs: self.atol.unwrap_or(default.abs), rel: self.rtol.unwrap_or(default.rel) }
    }

    /// The options of a check with these tolerances.
    pub fn options(&self) -> CheckOptions {
        let options = CheckOptions::new();
        let options = self.atol.map_or(options.clone(), |abs| options.abs_tolerance(abs));
        self.rtol.map_or(options.clone(), |rel| options.rel_tolerance(rel))
    }

    /// Whether the user gives one.
    pub fn are_given(&self) -> bool {
        self.atol.is_some() || self.rtol.is_some()
    }

    /// As JSON: `null` for those by dtype.
    pub fn to_json(self) -> Value {
        json!({"atol": self.atol, "rtol": self.rtol})
    }
}
