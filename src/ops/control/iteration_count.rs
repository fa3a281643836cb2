//! The bound on the iterations of loops: a program that is read is not trusted to end.

use crate::error::{Error, Result};
use std::cell::Cell;

/// The largest number of iterations of a loop.
const LONGEST: i64 = 1 << 20;

/// The largest number of iterations of a loop and of all loops inside it.
const LONGEST_NESTED: i64 = 1 << 22;

thread_local! {
    /// The iterations since the outermost of the loops that run on this thread began, where one runs.
    static NESTED: Cell<Option<i64>> = const { Cell::new(None) };
}

/// The iterations of a loop that runs, counted also with those of the loop around it.
pub(crate) struct IterationCount {
    own: i64,
    is_outermost: bool,
}

impl IterationCount {
    /// Before the first iteration.
    pub(crate) fn start() -> IterationCount {
        let is_outermost = NESTED.get().is_none();
        NESTED.set(Some(NESTED.get().unwrap_or(0)));
        IterationCount { own: 0, is_outermost }
    }

    /// Refuses a loop whose number of iterations is known to be too large, before it begins.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig).
    pub(crate) fn compare(iterations: i64) -> Result<()> {
        match iterations > LONGEST {
            true => Err(Error::too_big(format!("a loop of more than {LONGEST} iterations"))),
            false => Ok(()),
        }
    }

    /// Counts an iteration that begins.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) where it is one too many.
    pub(crate) fn count(&mut self) -> Result<()> {
        self.own += 1;
        IterationCount::compare(self.own)?;
        let nested = NESTED.get().unwrap_or(0) + 1;
        NESTED.set(Some(nested));
        match nested > LONGEST_NESTED {
            true => Err(Error::too_big(format!("more than {LONGEST_NESTED} iterations of a loop and of those inside it"))),
            false => Ok(()),
        }
    }
}

impl Drop for IterationCount {
    fn drop(&mut self) {
        if self.is_outermost {
            NESTED.set(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    #[test]
    fn a_loop_ends_after_a_million_iterations_and_nested_ones_after_four() {
        let run = |inner: i64| -> Result<i64> {
            let mut outer = IterationCount::start();
            loop {
                outer.count()?;
                let mut within = IterationCount::start();
                (0..inner).try_for_each(|_| within.count())?;
            }
        };
        for inner in [0, 1000, i64::MAX] {
            assert_eq!(run(inner).err().map(|error| error.code()), Some(ErrorCode::TooBig), "{inner}");
            assert_eq!(NESTED.get(), None);
        }
    }
}
