//! The account of a trace: memory for what is computed of constants, and nodes.

use crate::array::Array;
use crate::dim::{Dim, Type};
use crate::error::{Error, Result};

/// What is left of what a trace may take; it is asked before anything is allocated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account {
    bytes: usize,
    nodes: usize,
}

impl Account {
    /// The values that a trace may compute of constants: this much, and for each byte of the file eight, as f32 take that were packed as
    /// integers of 4 bits.
    const BYTES: usize = 64 << 20;

    /// The nodes that a trace may have: this many, and one for every eight bytes of the file.
    const NODES: usize = 1 << 15;

    /// No limit, for programs that come from no file.
    pub(super) const UNLIMITED: Account = Account { bytes: usize::MAX, nodes: usize::MAX };

    /// The account of a program from a file of this many bytes.
    pub(super) fn of_file(size: usize) -> Account {
        Account { bytes: Account::BYTES.saturating_add(size.saturating_mul(8)), nodes: Account::NODES.saturating_add(size / 8) }
    }

    /// Whether values of these types can be computed. `of_data` gives the largest size that may come of the values of the inputs, and is asked where one does.
    pub(super) fn allows(&self, types: &[Type], of_data: impl Fn() -> usize) -> bool {
        self.bytes == usize::MAX || types.iter().map(|ty| bytes_of(ty, &of_data)).fold(0, usize::saturating_add) <= self.bytes
    }

    /// Takes what values occupy that were computed from others; a view of another occupies nothing.
    pub(super) fn spend(&mut self, values: &[Option<Array>], inputs: &[Option<&Array>]) {
        if self.bytes == usize::MAX {
            return;
        }
        let is_view = |array: &&Array| inputs.iter().flatten().any(|input| array.is_view_of(input));
        let taken = values.iter().flatten().filter(|array| !is_view(array)).map(Array::storage_len).sum();
        self.bytes = self.bytes.saturating_sub(taken);
    }

    /// Takes a node.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) where none is left.
    pub(super) fn spend_node(&mut self) -> Result<()> {
        self.nodes = self.nodes.checked_sub(1).ok_or_else(|| {
            Error::too_big("the program runs more operators than the size of its file justifies")
                .help("it unrolls a loop or repeats calls of functions: export the loop as a loop, or raise the limit (--limit 1GB)")
        })?;
        Ok(())
    }
}

/// The bytes of a value of this type in the example. The sizes that are not known are together at most one that depends on data.
fn bytes_of(ty: &Type, of_data: &impl Fn() -> usize) -> usize {
    let known = ty.shape.iter().filter_map(Dim::example).map(|n| usize::try_from(n).unwrap_or(0)).fold(1, usize::saturating_mul);
    let open = ty.shape.iter().any(|dim| dim.example().is_none());
    known.saturating_mul(if open { of_data() } else { 1 }).saturating_mul(ty.dtype.size())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, ErrorCode};

    #[test]
    fn what_is_computed_is_taken_and_views_are_not() {
        let mut account = Account { bytes: 4096, nodes: 1 };
        let of = |n: i64| [Type::new(DType::F32, vec![crate::dim::Dim::from(n)])];
        let allows = |account: &Account, n: i64| account.allows(&of(n), || 1);
        assert!(allows(&account, 1024) && !allows(&account, 1025) && !allows(&account, i64::MAX));
        // Positions of as many elements as there are.
        let positions = [Type::new(DType::I64, vec![crate::dim::Dim::from(2i64), crate::dim::Dim::of_data(0)])];
        assert!(account.allows(&positions, || 256) && !account.allows(&positions, || 257));
        let x = Array::vector(vec![0f32; 512]);
        account.spend(&[Some(x.clone())], &[]);
        account.spend(&[Some(x.clone())], &[Some(&x)]);
        assert!(allows(&account, 512) && !allows(&account, 513));
        account.spend_node().unwrap();
        assert_eq!(account.spend_node().unwrap_err().code(), ErrorCode::TooBig);
    }
}
