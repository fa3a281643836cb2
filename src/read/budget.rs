//! What reading may cost: memory in proportion to the bytes that came.

use crate::error::{Error, Result};

/// Memory that a reader may still take. It is charged before the memory is asked for.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Budget {
    /// What a container's tables may take beside the file: this much, and twice the file.
    const FREE: usize = 24 << 20;

    /// The budget of a file of this many bytes.
    pub(crate) fn of(file: usize) -> Budget {
        Budget(file.saturating_mul(2).saturating_add(Budget::FREE))
    }

    /// Takes this many bytes.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) where they are not left.
    pub(crate) fn spend(&mut self, bytes: usize) -> Result<()> {
        self.0 = self.0.checked_sub(bytes).ok_or_else(|| Error::too_big("the file asks for more memory than its size justifies"))?;
        Ok(())
    }

    /// Takes what a vector needs for one element more; its room doubles whenever it is used up.
    ///
    /// # Errors
    /// As [`Budget::spend`].
    pub(crate) fn room<T>(&mut self, vector: &mut Vec<T>) -> Result<()> {
        if vector.len() == vector.capacity() {
            let more = vector.capacity().max(64);
            self.spend(more.saturating_mul(size_of::<T>()))?;
            vector.reserve_exact(more);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    #[test]
    fn what_is_spent_is_gone() {
        let mut budget = Budget(100);
        assert!(budget.spend(60).is_ok());
        assert_eq!(budget.spend(41).unwrap_err().code(), ErrorCode::TooBig);
        assert!(budget.spend(40).is_ok());
    }

    #[test]
    fn room_is_paid_when_a_vector_grows() {
        let (mut budget, mut vector) = (Budget(8 * 64), Vec::<u64>::new());
        for i in 0..64 {
            budget.room(&mut vector).unwrap();
            vector.push(i);
        }
        assert!(budget.room(&mut vector).is_err());
    }
}
