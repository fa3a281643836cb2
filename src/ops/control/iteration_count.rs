//! The bound on the iterations of loops: a program that is read is not trusted to end.

use crate::error::{Error, Result};
use std::cell::Cell;

/// The largest number of iterations of a loop that runs.
pub(crate) const MOST_RUN: i64 = 1 << 24;

/// The largest number of iterations of a loop that is written out while a file is read.
pub(crate) const MOST_READ: i64 = 1 << 20;

thread_local! {
    /// The iterations since the outermost of the loops that run on this thread began, where one runs, and the largest number of them.
    static NESTED: Cell<Option<(i64, i64)>> = const { Cell::new(None) };
}

/// The iterations of a loop, counted also with those of the loop around it: all together are at most four times as many as those of the outermost alone.
pub(crate) struct IterationCount {
    own: i64,
    most: i64,
    is_outermost: bool,
}

impl IterationCount {
    /// Before the first iteration of a loop of at most so many.
    pub(crate) fn start(most: i64) -> IterationCount {
        let is_outermost = NESTED.get().is_none();
        if is_outermost {
            NESTED.set(Some((0, 4 * most)));
        }
        IterationCount { own: 0, most, is_outermost }
    }

    /// Refuses a loop whose number of iterations is known to be larger than the largest, before it begins.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig).
    pub(crate) fn compare(iterations: i64, most: i64) -> Result<()> {
        match iterations > most {
            true => Err(Error::too_big(format!("a loop of more than {most} iterations"))),
            false => Ok(()),
        }
    }

    /// Counts an iteration that begins.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) where it is one too many.
    pub(crate) fn count(&mut self) -> Result<()> {
        self.own += 1;
        IterationCount::compare(self.own, self.most)?;
        let (nested, most) = NESTED.get().unwrap_or((0, 4 * self.most));
        NESTED.set(Some((nested + 1, most)));
        match nested >= most {
            true => Err(Error::too_big(format!("more than {most} iterations of a loop and of those inside it"))),
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
    fn a_loop_ends_after_its_most_iterations_and_nested_ones_after_four_times_as_many() {
        let run = |inner: i64| -> Result<i64> {
            let mut outer = IterationCount::start(1000);
            loop {
                outer.count()?;
                let mut within = IterationCount::start(1000);
                (0..inner).try_for_each(|_| within.count())?;
            }
        };
        for inner in [0, 100, i64::MAX] {
            assert_eq!(run(inner).err().map(|error| error.code()), Some(ErrorCode::TooBig), "{inner}");
            assert_eq!(NESTED.get(), None);
        }
    }
}
