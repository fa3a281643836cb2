//! The account of a trace: memory for what is computed of constants, and nodes.

use crate::array::Array;
use crate::dim::Type;
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

    /// Whether values of these types can be computed. Sizes that are not known count nothing.
    pub(super) fn allows(&self, types: &[Type]) -> bool {
        types.iter().map(bytes_of).fold(0, usize::saturating_add) <= self.bytes
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

/// The bytes of a value of this type in the example; 0 where a size is not known.
fn bytes_of(ty: &Type) -> usize {
    ty.shape.numel().example().map_or(0, |n| usize::try_from(n).unwrap_or(0).saturating_mul(ty.dtype.size()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, ErrorCode};

    #[test]
    fn what_is_computed_is_taken_and_views_are_not() {
        let mut account = Account { bytes: 4096, nodes: 1 };
        let of = |n: i64| [Type::new(DType::F32, vec![crate::dim::Dim::from(n)])];
        assert!(account.allows(&of(1024)) && !account.allows(&of(1025)) && !account.allows(&of(i64::MAX)));
        let x = Array::vector(vec![0f32; 512]);
        account.spend(&[Some(x.clone())], &[]);
        account.spend(&[Some(x.clone())], &[Some(&x)]);
        assert!(account.allows(&of(512)) && !account.allows(&of(513)));
        account.spend_node().unwrap();
        assert_eq!(account.spend_node().unwrap_err().code(), ErrorCode::TooBig);
    }
}
