//! Names that torch gives to an operator beside its own.

/// The other name, and the one that the table has.
const ALIASES: &[(&str, &str)] = &[
    ("__and__", "bitwise_and"),
    ("__iand__", "bitwise_and_"),
    ("__ior__", "bitwise_or_"),
    ("__ixor__", "bitwise_xor_"),
    ("__or__", "bitwise_or"),
    ("__xor__", "bitwise_xor"),
    ("_adaptive_avg_pool2d", "adaptive_avg_pool2d"),
    ("_adaptive_avg_pool3d", "adaptive_avg_pool3d"),
    ("_cdist_forward", "cdist"),
    ("_conj", "conj"),
    ("_conj_physical", "conj_physical"),
    ("_is_all_true", "all"),
    ("_is_any_true", "any"),
    ("_local_scalar_dense", "item"),
    ("_logcumsumexp", "logcumsumexp"),
    ("_neg_view", "neg"),
    ("_pdist_forward", "pdist"),
    ("_stack", "stack"),
    ("absolute", "abs"),
    ("adjoint", "mH"),
    ("arccos", "acos"),
    ("arccosh", "acosh"),
    ("arcsin", "asin"),
    ("arcsinh", "asinh"),
    ("arctan", "atan"),
    ("arctan2", "atan2"),
    ("arctanh", "atanh"),
    ("clip", "clamp"),
    ("concat", "cat"),
    ("concatenate", "cat"),
    ("convolution_overrideable", "convolution"),
    ("det", "linalg_det"),
    ("divide", "div"),
    ("fix", "trunc"),
    ("greater", "gt"),
    ("greater_equal", "ge"),
    ("inverse", "linalg_inv"),
    ("is_contiguous", "sym_is_contiguous"),
    ("less", "lt"),
    ("less_equal", "le"),
    ("lift", "lift_fresh"),
    ("linalg_matmul", "matmul"),
    ("matrix_exp", "linalg_matrix_exp"),
    ("moveaxis", "movedim"),
    ("multiply", "mul"),
    ("native_channel_shuffle", "channel_shuffle"),
    ("negative", "neg"),
    ("nll_loss2d_forward", "nll_loss_forward"),
    ("not_equal", "ne"),
    ("orgqr", "linalg_householder_product"),
    ("outer", "ger"),
    ("row_stack", "vstack"),
    ("slogdet", "linalg_slogdet"),
    ("slow_conv3d_forward", "slow_conv3d"),
    ("special_digamma", "digamma"),
    ("special_erf", "erf"),
    ("special_erfc", "erfc"),
    ("special_erfinv", "erfinv"),
    ("special_exp2", "exp2"),
    ("special_expit", "sigmoid"),
    ("special_expm1", "expm1"),
    ("special_gammainc", "igamma"),
    ("special_gammaincc", "igammac"),
    ("special_gammaln", "lgamma"),
    ("special_i0", "i0"),
    ("special_log1p", "log1p"),
    ("special_log_softmax", "log_softmax"),
    ("special_logit", "logit"),
    ("special_logsumexp", "logsumexp"),
    ("special_multigammaln", "mvlgamma"),
    ("special_psi", "digamma"),
    ("special_round", "round"),
    ("special_sinc", "sinc"),
    ("special_softmax", "softmax"),
    ("special_xlogy", "xlogy"),
    ("subtract", "sub"),
    ("swapaxes", "transpose"),
    ("swapdims", "transpose"),
    ("trapz", "trapezoid"),
    ("true_divide", "div"),
    ("unsafe_chunk", "chunk"),
    ("unsafe_split", "split"),
    ("unsafe_split_with_sizes", "split_with_sizes"),
];

/// The name that the table has for an operator: mostly its own.
pub(super) fn of(name: &str) -> &str {
    ALIASES.binary_search_by_key(&name, |row| row.0).map_or(name, |i| ALIASES[i].1)
}

/// The other names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ALIASES.iter().map(|row| row.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted() {
        assert!(ALIASES.is_sorted_by_key(|row| row.0));
    }
}
