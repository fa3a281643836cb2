//! Lists and strings of TorchScript that a short program makes long: their size is limited before they are made.

use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::ops::unjustified;
use crate::read::aten::value::Value;
use crate::work::{LoopBudget, Spent};

/// How many elements of a new list count as a node that a loop runs.
const NODE: u64 = 2;

/// The most elements of a list where no [budget](LoopBudget) is set.
const MOST: u64 = 1_000_000;

/// The longest string, and the most items of a list that is made of others.
const LONGEST: usize = 1 << 20;

/// Checks the length of what is about to be made of other strings or lists: doubled again and again, it would fill the memory.
pub(super) fn check_length(what: &str, length: usize) -> Result<()> {
    if length <= LONGEST { Ok(()) } else { Err(Error::too_big(format!("{what} of length {length}; at most {LONGEST} is supported"))) }
}

/// Takes the elements of a list, so many times, from the budget of the program.
///
/// # Errors
/// [`TooBig`](crate::ErrorCode::TooBig) where they are not left.
pub(super) fn spend_elements(length: u64, times: u64) -> Result<()> {
    let count = length.saturating_mul(times);
    match LoopBudget::spend(count / NODE) {
        Spent::No => {
            let error = Error::too_big(format!("a list of {count} elements is longer than the size of the file justifies"));
            Err(unjustified().help_line().map_or(error.clone(), |help| error.help(help)))
        }
        Spent::Unlimited if count > MOST => Err(Error::too_big(format!("a list of {count} elements, more than {MOST}"))),
        Spent::Yes | Spent::Unlimited => Ok(()),
    }
}

/// How many integers there are from one number to below another.
fn count(start: i64, end: i64, step: i64) -> Result<u64> {
    let distance = i128::from(end) - i128::from(start);
    let (distance, step) = if step < 0 { (-distance, -i128::from(step)) } else { (distance, i128::from(step)) };
    if step == 0 {
        return Err(Error::argument("the step of a range must not be 0"));
    }
    // At most 2⁶⁴ − 1.
    Ok(u64::try_from((distance.max(0) + step - 1) / step).unwrap_or(u64::MAX))
}

/// The integers of a range, as a list.
///
/// # Errors
/// [`TooBig`](crate::ErrorCode::TooBig) where they are more than the budget of the program has left.
pub(super) fn range(bounds: &[Value]) -> Result<Value> {
    let ints = bounds.iter().map(|value| Ok(value.number()?.to_i64())).collect::<Result<Vec<_>>>()?;
    let (start, end, step) = match *ints.as_slice() {
        [end] => (0, end, 1),
        [start, end] => (start, end, 1),
        [start, end, step] => (start, end, step),
        _ => return Err(Error::argument("range expects one to three arguments")),
    };
    let count = count(start, end, step)?;
    spend_elements(count, 1)?;
    // The last is below the end: nothing wraps.
    let element = |i: u64| Value::Int(Dim::Fixed(start.wrapping_add((i as i64).wrapping_mul(step))));
    Ok(Value::list((0..count).map(element).collect()))
}

/// How many integers a range has whose ends may be sizes.
pub(super) fn range_length(low: &Value, high: &Value, step: &Value) -> Result<Value> {
    let step = step.number()?.to_i64();
    let (low, high) = (low.dim()?, high.dim()?);
    if let (Some(low), Some(high)) = (low.fixed(), high.fixed()) {
        return Ok(Value::Int(Dim::Fixed(i64::try_from(count(low, high, step)?).unwrap_or(i64::MAX))));
    }
    let count = match step {
        0 => return Err(Error::argument("the step of a range must not be 0")),
        step if step > 0 => (high - low).ceil_div(step),
        step => (low - high).ceil_div(step.saturating_neg()),
    };
    Ok(Value::Int(count.max(0i64)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    fn int(n: i64) -> Value {
        Value::Int(Dim::Fixed(n))
    }

    #[test]
    fn a_range_is_pythons_and_its_length_is_counted_without_it() {
        for (start, end, step) in
            [(0, 5, 1), (5, 0, 1), (5, 0, -2), (0, 7, 3), (-4, 4, 4), (i64::MAX - 3, i64::MAX, 2), (0, i64::MIN, i64::MIN)]
        {
            let mut expected: Vec<i64> = Vec::new();
            let mut at = i128::from(start);
            while if step > 0 { at < end.into() } else { at > end.into() } {
                expected.push(at as i64);
                at += i128::from(step);
            }
            let bounds = [int(start), int(end), int(step)];
            let made: Vec<i64> = range(&bounds).unwrap().elements().unwrap().iter().map(|x| x.number().unwrap().to_i64()).collect();
            assert_eq!(made, expected);
            assert_eq!(range_length(&bounds[0], &bounds[1], &bounds[2]).unwrap().number().unwrap().to_i64(), expected.len() as i64);
        }
        assert_eq!(range_length(&int(i64::MIN), &int(i64::MAX), &int(1)).unwrap().number().unwrap().to_i64(), i64::MAX);
        assert_eq!(range(&[int(1), int(2), int(0)]).unwrap_err().code(), ErrorCode::Argument);
    }

    #[test]
    fn a_range_takes_its_elements_from_the_budget_that_grows_with_the_file() {
        let made = |size: usize, count: i64| {
            let _budget = LoopBudget::of_file(size);
            range(&[int(count)])
                .map(|list| list.elements().map_or(0, |all| all.len()))
                .map_err(|error| error.help_line().map(str::to_string))
        };
        assert_eq!(made(0, 1_000_001), Ok(1_000_001));
        assert!(made(0, 1_100_000).is_err_and(|help| help.is_some_and(|help| help.contains("--limit"))));
        assert_eq!(made(64 << 20, 1_100_000), Ok(1_100_000));
        assert!(made(64 << 20, i64::MAX).is_err() && range(&[int(1_000_001)]).is_err());
    }
}
