//! The bound on the iterations of loops: nobody knows of a program whether it ends.

use crate::array::Array;
use crate::error::{Error, Result};
use crate::work::{LoopBudget, LoopMemory, Spent};
use std::cell::Cell;

/// The largest number of iterations of a loop where no budget is set: of a program of one's own.
const MOST: i64 = 1 << 24;

thread_local! {
    /// The iterations since the outermost of the loops that run on this thread began, where one runs.
    static NESTED: Cell<Option<i64>> = const { Cell::new(None) };
}

/// The iterations of a loop. They are taken from the [`LoopBudget`] where one is set; else they are bounded, and together with those of the loops around it at four times as
/// many.
pub(crate) struct IterationCount {
    /// What an iteration takes: itself, and the nodes of its body.
    each: u64,
    own: i64,
    is_outermost: bool,
    /// What was collected of the iterations so far, in bytes.
    collected: u64,
    _memory: LoopMemory,
}

/// What an array takes of its own: a view less than it shows or than it is a view of.
fn bytes<'a>(arrays: impl IntoIterator<Item = &'a Array>) -> u64 {
    arrays.into_iter().map(|array| array.byte_len().min(array.storage_len()) as u64).fold(0, u64::saturating_add)
}

fn too_many(most: i64) -> Error {
    Error::too_big(format!("a loop of more than {most} iterations"))
}

/// What is said where the [`LoopBudget`] is spent.
pub(crate) fn unjustified() -> Error {
    Error::too_big("a loop of more iterations than the size of the file justifies")
        .help("raise the limit if it is right that it runs as long (--limit 1GB)")
}

impl IterationCount {
    /// Before the first iteration of a loop that is given these values, whose body has so many nodes, and whose number of iterations may be known.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) where the known number is too large.
    pub(crate) fn start<'a>(given: impl IntoIterator<Item = &'a Array>, nodes: usize, iterations: Option<i64>) -> Result<IterationCount> {
        let each = 1 + nodes as u64;
        let known = iterations.unwrap_or(0).max(0);
        match LoopBudget::left() {
            Some(left) if (known as u64).saturating_mul(each) > left => return Err(unjustified()),
            None if known > MOST => return Err(too_many(MOST)),
            _ => {}
        }
        let is_outermost = NESTED.get().is_none();
        if is_outermost {
            NESTED.set(Some(0));
        }
        Ok(IterationCount { each, own: 0, is_outermost, collected: 0, _memory: LoopBudget::loop_begins(bytes(given)) })
    }

    /// Looks at what an iteration leaves: the state, and what is collected of it.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) where all of that takes too much.
    pub(crate) fn holds<'a>(
        &mut self,
        state: impl IntoIterator<Item = &'a Array>,
        items: impl IntoIterator<Item = &'a Array>,
    ) -> Result<()> {
        self.collected = self.collected.saturating_add(bytes(items));
        LoopBudget::allow(|| self.collected.saturating_add(bytes(state)))
    }

    /// Counts an iteration that begins.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) where it is one too many.
    pub(crate) fn count(&mut self) -> Result<()> {
        match LoopBudget::spend(self.each) {
            Spent::Yes => return Ok(()),
            Spent::No => return Err(unjustified()),
            Spent::Unlimited => {}
        }
        self.own += 1;
        let nested = NESTED.get().unwrap_or(0) + 1;
        NESTED.set(Some(nested));
        match (self.own > MOST, nested > 4 * MOST) {
            (true, _) => Err(too_many(MOST)),
            (_, true) => Err(Error::too_big(format!("more than {} iterations of a loop and of those inside it", 4 * MOST))),
            _ => Ok(()),
        }
    }
}

/// Takes what is done so often in one operator from the [`LoopBudget`], where one is set: steps of a recurrent network, pieces of a tensor.
///
/// # Errors
/// [`TooBig`](crate::ErrorCode::TooBig) where it is not left.
pub(crate) fn spend_steps(steps: usize) -> Result<()> {
    match LoopBudget::spend(steps as u64) {
        Spent::No => Err(unjustified()),
        Spent::Yes | Spent::Unlimited => Ok(()),
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

    /// Runs an endless loop with one of so many iterations inside; gives how many iterations began.
    fn endless(inner: i64) -> i64 {
        let mut began = 0;
        let error = loop {
            let mut run = || -> Result<()> {
                let mut outer = IterationCount::start([], 1, None)?;
                loop {
                    outer.count()?;
                    began += 1;
                    let mut within = IterationCount::start([], 3, Some(inner))?;
                    (0..inner).try_for_each(|_| {
                        began += 1;
                        within.count()
                    })?;
                }
            };
            match run() {
                Ok(()) => {}
                Err(error) => break error,
            }
        };
        assert_eq!((error.code(), NESTED.get()), (ErrorCode::TooBig, None));
        began
    }

    #[test]
    fn loops_take_their_iterations_and_nodes_from_the_budget_of_the_file() {
        let runs = |size: usize, inner: i64| {
            let _budget = LoopBudget::of_file(size);
            endless(inner)
        };
        // 2¹⁹ and one for every 64 bytes: two for an iteration of the outer loop, four of the inner one.
        assert_eq!(runs(0, 0), 1 << 18);
        assert_eq!(runs(64 << 19, 0), 1 << 19);
        assert!(runs(0, 1000) < 140_000);
        let _budget = LoopBudget::of_file(0);
        assert!(IterationCount::start([], 1, Some(1 << 18)).is_ok() && IterationCount::start([], 2, Some(1 << 18)).is_err());
        // Steps inside one operator are taken from it, too.
        assert!(spend_steps(10).is_ok() && spend_steps(1 << 19).is_err());
        // The outermost budget holds.
        let _raised = LoopBudget::of_file(64 << 20);
        assert!(IterationCount::start([], 2, Some(1 << 18)).is_err());
    }

    #[test]
    fn a_program_of_ones_own_may_run_a_loop_of_millions_but_not_for_ever() {
        assert!(IterationCount::start([], 50, Some(MOST)).is_ok());
        assert_eq!(IterationCount::start([], 0, Some(i64::MAX)).err().map(|error| error.code()), Some(ErrorCode::TooBig));
        let mut count = IterationCount::start([], 0, None).unwrap();
        count.own = MOST;
        assert_eq!(count.count().unwrap_err().code(), ErrorCode::TooBig);
    }
}
