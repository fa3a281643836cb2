//! The tolerances that the user gives, and how much is compared.

use ontrace::DType;
use ontrace::array::Tolerance;
use ontrace::check::CheckOptions;
use serde_json::{Value, json};

/// The options for tolerances.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct Tolerances {
    /// Absolute tolerance; default: by dtype, and what rounding explains
    #[arg(long, allow_hyphen_values = true, value_parser = tolerance)]
    atol: Option<f64>,
    /// Relative tolerance; default: by dtype, and what rounding explains
    #[arg(long, allow_hyphen_values = true, value_parser = tolerance)]
    rtol: Option<f64>,
}

/// The option for how much is compared.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Effort {
    /// How much is compared: 1 one set of inputs and one other size of each symbol, 2 what about five runs of the model cost, 3 everything
    #[arg(long, value_name = "1..3", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=3))]
    effort: u8,
}

impl Effort {
    /// The options of a check with this effort.
    pub fn options(self, options: CheckOptions) -> CheckOptions {
        match self.effort {
            1 => options.random_inputs(1).budget(0.0),
            2 => options,
            _ => options.random_inputs(5).budget(f64::INFINITY),
        }
    }

    /// As JSON.
    pub fn to_json(self) -> Value {
        json!(self.effort)
    }
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
